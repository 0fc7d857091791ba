//! `fanfare serve`: reads the configuration, sets up logging, and runs the engine until it ends.

use std::process::ExitCode;

use fanfare::{engine, lifecycle::logging};

use super::arguments::Settings;
use super::exit::{FAILURE, USAGE, fail, fail_each};

pub(super) fn run(settings: Settings) -> ExitCode {
    let (config, source) = match settings.load() {
        Ok(loaded) => loaded,
        Err(errors) => return fail_each(USAGE, errors),
    };
    logging::init(&config.log);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    match engine::run(config, source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILURE, &error),
    }
}
