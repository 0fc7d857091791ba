//! Exit codes of the program, its messages on stderr and its results on stdout.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use super::printable::Destination;

/// The command succeeded.
pub(super) const SUCCESS: u8 = 0;

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
    report(error);
    ExitCode::from(code)
}

/// Prints a message on stderr. It may contain text of another program.
pub(super) fn report(message: &dyn Display) {
    let message = message.to_string();
    let shown = Destination::of(&io::stderr()).show(&message);
    // A closed stderr must not replace the exit code by that of a panic.
    let _ = writeln!(io::stderr(), "fanfare: {shown}");
}

/// Prints a result on stdout and returns the exit code. The result may contain text of another
/// program. That the reader of stdout has closed it, as in `fanfare keys | head`, is not an error.
pub(super) fn print_result(code: u8, text: &str) -> ExitCode {
    let shown = Destination::of(&io::stdout()).show(text);
    match io::stdout().write_all(shown.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(FAILURE, &error),
        _ => ExitCode::from(code),
    }
}
