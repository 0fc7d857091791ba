//! `fanfare check`: reads the configuration and shows what is not at its default.

use std::io::Write as _;
use std::process::ExitCode;

use super::{Settings, USAGE, fail};

pub(super) fn run(settings: Settings) -> ExitCode {
    let name = settings
        .file
        .as_ref()
        .map(|path| path.display().to_string());
    let (config, _) = match settings.load() {
        Ok(loaded) => loaded,
        Err(fault) => return fail(USAGE, &fault),
    };
    let mut report = format!("{}: ok\n", name.as_deref().unwrap_or("defaults"));
    for line in config.differences() {
        report += &format!("  {line}\n");
    }
    for warning in config.warnings() {
        report += &format!("warning: {warning}\n");
    }
    match std::io::stdout().write_all(report.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fail(1, &fault),
    }
}
