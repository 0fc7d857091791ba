//! Arguments that several commands have, and parsers of argument values.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fanfare::config::{Config, ConfigError, ConfigSource};

/// The arguments of every command that reads the configuration.
#[derive(Args)]
pub(super) struct Settings {
    /// Configuration file (TOML). Without it, the defaults apply.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Set one key; overrides the file and the environment. May be repeated.
    #[arg(short = 's', long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl Settings {
    /// Returns the sources of the configuration: file, environment and arguments.
    pub(super) fn into_source(self) -> ConfigSource {
        ConfigSource::of_process(self.file, self.set)
    }

    /// Reads the configuration.
    pub(super) fn load(self) -> Result<(Config, ConfigSource), ConfigError> {
        let source = self.into_source();
        Ok((source.load()?, source))
    }
}

/// Parses a number of seconds above 0: `5`, `5s` or `0.5`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    let duration = number
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected seconds, above 0".into())
}
