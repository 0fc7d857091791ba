//! The command line: what can be asked of the program, and the exit code of each answer.

mod check;
mod doctor;
mod drain;
#[cfg(test)]
mod pages;
mod publish;
mod serve;
mod subscribe;
mod top;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fanfare::config::{Config, ConfigError, ConfigSource};

/// The command line was wrong, or the configuration.
const USAGE: u8 = 2;

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
    /// Read the configuration as `serve` would, and say what differs from the defaults.
    Check(Settings),
    Publish(publish::Publish),
    Subscribe(subscribe::Subscribe),
    Top(top::Top),
    Drain(drain::Drain),
    Doctor(doctor::Doctor),
}

/// What every command that reads configuration takes.
#[derive(Args)]
struct Settings {
    /// Configuration file (TOML). Without one the defaults hold.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Set one key over file and environment; may be repeated.
    #[arg(short = 's', long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl Settings {
    fn load(self) -> Result<(Config, ConfigSource), ConfigError> {
        let source = ConfigSource::of_process(self.file, self.set);
        Ok((source.load()?, source))
    }
}

/// Parses the process's arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(settings) => serve::run(settings),
        Command::Check(settings) => check::run(settings),
        Command::Publish(command) => publish::run(&command),
        Command::Subscribe(command) => subscribe::run(&command),
        Command::Top(command) => top::run(command),
        Command::Drain(command) => drain::run(command),
        Command::Doctor(command) => doctor::run(command),
    }
}

/// Says what is wrong on stderr; the exit code is `code`.
fn fail(code: u8, fault: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("fanfare: {fault}");
    ExitCode::from(code)
}

/// Reads `5`, `5s` or `0.5`: seconds, more than none.
fn number_of_seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    let duration = number
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected seconds, above 0".into())
}
