//! `fanfare serve`: configuration, logs, then the engine until it ends.

use std::process::ExitCode;

use fanfare::{engine, lifecycle::logging};

use super::{Settings, USAGE, fail};

pub(super) fn run(settings: Settings) -> ExitCode {
    let (config, source) = match settings.load() {
        Ok(loaded) => loaded,
        Err(fault) => return fail(USAGE, &fault),
    };
    logging::init(&config.log);
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    match engine::run(config, source) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fail(1, &fault),
    }
}
