//! The program `fanfare`. Exit codes: 0 for success, 1 for a failure at run time, 2 for a wrong
//! command line or configuration.

mod cli;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
