//! `fanfare check`: reads the configuration and prints the settings that differ from the defaults.

use std::process::ExitCode;

use super::arguments::Settings;
use super::exit::{SUCCESS, USAGE, fail_each, print_result};

pub(super) fn run(settings: Settings) -> ExitCode {
    let file = settings
        .file
        .as_ref()
        .map(|path| path.display().to_string());
    let (config, _) = match settings.load() {
        Ok(loaded) => loaded,
        Err(errors) => return fail_each(USAGE, errors),
    };
    let mut lines = vec![format!("{}: ok", file.as_deref().unwrap_or("defaults"))];
    for difference in config.differences() {
        lines.push(format!("  {difference}"));
    }
    for warning in config.warnings() {
        lines.push(format!("warning: {warning}"));
    }
    print_result(SUCCESS, &(lines.join("\n") + "\n"))
}
