//! Arguments that several commands have, and parsers of argument values.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Args, Command};
use fanfare::config::{self, Config, ConfigErrors, ConfigSource};

/// The arguments of every command that reads the configuration.
#[derive(Args)]
pub(super) struct Settings {
    /// Configuration file (TOML). Without it, the defaults apply.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Set one key; overrides the file and the environment. May be repeated.
    #[arg(short = 's', long = "set", value_name = "SECTION.KEY=VALUE")]
    #[arg(value_parser = KeyAndValue, hide_possible_values = true)]
    set: Vec<String>,
}

impl Settings {
    /// Returns the sources of the configuration: file, environment and arguments.
    pub(super) fn into_source(self) -> ConfigSource {
        ConfigSource::of_process(self.file, self.set)
    }

    /// Reads the configuration.
    pub(super) fn load(self) -> Result<(Config, ConfigSource), ConfigErrors> {
        let source = self.into_source();
        Ok((source.load()?, source))
    }
}

/// Accepts any text, which [`ConfigSource`] parses. Shell completion suggests the keys.
#[derive(Clone)]
struct KeyAndValue;

impl TypedValueParser for KeyAndValue {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = config::keys().map(|key| PossibleValue::new(key.name));
        Some(Box::new(names))
    }
}

/// Maximum of [`seconds`], which can be added to every point in time: 136 years.
const SECONDS_MAX: Duration = Duration::from_secs(u32::MAX as u64);

/// Parses a number of seconds above 0: `5`, `5s` or `0.5`. A number above [`SECONDS_MAX`] stands
/// for it.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    let duration = number
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .map(|duration| duration.min(SECONDS_MAX))
        .ok_or_else(|| "expected seconds, above 0".into())
}
