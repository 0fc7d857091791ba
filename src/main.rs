//! Command line to configuration to a running engine to an exit code: 0 clean, 1 runtime failure,
//! 2 usage or configuration.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
