//! `fanfare-bench`: a load generator that checks every delivery. One thread receives and one
//! thread publishes.

#![expect(
    unreachable_pub,
    reason = "a program exports nothing; `pub` marks what other files of it use"
)]

mod affinity;
mod arguments;
mod baseline;
mod client;
mod clock;
mod error;
mod options;
mod payload;
mod publishing;
mod report;
mod run;
mod scenarios;
mod targets;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Scenario};
use baseline::server;
use targets::guard;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.scenario {
        Scenario::Floor(options) => server::run(options, &arguments.options.injection),
        Scenario::Guard(options) => guard::run(options),
        _ => run::run(&arguments),
    }
}
