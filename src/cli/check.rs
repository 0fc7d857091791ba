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
    let heading = format!("{}: ok", name.as_deref().unwrap_or("defaults"));
    let differences = config
        .differences()
        .into_iter()
        .map(|line| format!("  {line}"));
    let warnings = config
        .warnings()
        .into_iter()
        .map(|line| format!("warning: {line}"));
    let lines: Vec<_> = [heading]
        .into_iter()
        .chain(differences)
        .chain(warnings)
        .collect();
    match writeln!(std::io::stdout(), "{}", lines.join("\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => fail(1, &fault),
    }
}
