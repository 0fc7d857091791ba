//! `fanfare keys`: lists the configuration keys.

use std::process::ExitCode;

use clap::Args;
use fanfare::config;

use super::exit::{SUCCESS, USAGE, fail, print_result};

/// List the configuration keys: default, type, bounds and meaning of each.
#[derive(Args)]
pub(super) struct Keys {
    /// List only keys whose names contain this text, such as `ws.` or `timeout`, in capital or
    /// small letters. If there is none, list those whose meanings contain it.
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
    print_result(SUCCESS, &text)
}
