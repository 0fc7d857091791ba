//! Exit codes of the program.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// The command failed while it ran.
pub(super) const FAILURE: u8 = 1;

/// The command line or the configuration was wrong.
pub(super) const USAGE: u8 = 2;

/// Prints errors on stderr, each on a line, and returns the exit code.
pub(super) fn fail_each(code: u8, errors: impl IntoIterator<Item = impl Display>) -> ExitCode {
    for error in errors {
        let _ = fail(code, &error);
    }
    ExitCode::from(code)
}

/// Prints an error on stderr and returns the exit code.
pub(super) fn fail(code: u8, error: &dyn Display) -> ExitCode {
    // A closed stderr must not replace the exit code by that of a panic.
    let _ = writeln!(io::stderr(), "fanfare: {error}");
    ExitCode::from(code)
}
