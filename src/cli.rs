//! The command line: its commands, and the exit code of each. Runs on the main thread.

mod arguments;
mod check;
mod doctor;
mod drain;
mod exit;
mod keys;
mod node_address;
#[cfg(test)]
mod pages;
mod printable;
mod publish;
mod serve;
mod subscribe;
mod token;
mod top;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use arguments::Settings;

/// Fan-out engine: ZeroMQ in, WebSocket out.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the engine.
    Serve(Settings),
    /// Read the configuration as `serve` does, and print what differs from the defaults.
    Check(Settings),
    Keys(keys::Keys),
    Publish(publish::Publish),
    Subscribe(subscribe::Subscribe),
    Top(top::Top),
    Drain(drain::Drain),
    Doctor(doctor::Doctor),
    Token(token::Token),
}

/// Parses the arguments of the process and runs the command.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(settings) => serve::run(settings),
        Command::Check(settings) => check::run(settings),
        Command::Keys(command) => keys::run(&command),
        Command::Publish(command) => publish::run(command),
        Command::Subscribe(command) => subscribe::run(command),
        Command::Top(command) => top::run(command),
        Command::Drain(command) => drain::run(command),
        Command::Doctor(command) => doctor::run(command),
        Command::Token(command) => token::run(command),
    }
}
