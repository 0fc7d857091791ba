//! `fanfare keys`: lists the configuration keys.

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use clap::Args;
use fanfare::config;

use super::exit::{FAILURE, USAGE, fail};

/// List the configuration keys: default, type, bounds and meaning of each.
#[derive(Args)]
pub(super) struct Keys {
    /// List only keys whose names contain this text, such as `ws.` or `timeout`.
    #[arg(value_name = "TEXT", default_value = "", hide_default_value = true)]
    pattern: String,
}

pub(super) fn run(command: &Keys) -> ExitCode {
    let text = config::listing(&command.pattern);
    if text.is_empty() {
        let pattern = &command.pattern;
        return fail(
            USAGE,
            &format!("no key contains `{pattern}`; `fanfare keys` lists all keys"),
        );
    }
    match io::stdout().write_all(text.as_bytes()) {
        // The reader of stdout has closed it, as in `fanfare keys | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(FAILURE, &error),
        Ok(()) => ExitCode::SUCCESS,
    }
}
