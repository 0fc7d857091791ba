//! Errors in a configuration, and the places of values. At start, the main thread prints the errors
//! and exits with code 2. At a reload, the control thread logs the errors, and the running
//! configuration stays in force.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::contradiction::Contradiction;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read configuration file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// At a reload only.
    #[error(
        "{} is not a regular file: it was read once at the start and cannot be reloaded; to change \
         the configuration, restart, or pass a regular file with -c",
        path.display()
    )]
    NotReloadable { path: PathBuf },
    #[error("{at}: {text}")]
    Syntax { at: ValueSource, text: String },
    #[error("{at}: unknown key `{key}`{}", hint(nearest))]
    UnknownKey {
        at: ValueSource,
        key: String,
        /// The keys that may be meant.
        nearest: Vec<&'static str>,
    },
    #[error("{at}: `{table}` is a table and cannot have a value; set one of its keys: {}", keys.join(", "))]
    Table {
        at: ValueSource,
        table: String,
        keys: Vec<&'static str>,
    },
    /// The value does not have the format of its key.
    #[error("{at}: {key}: {text}")]
    Value {
        at: ValueSource,
        key: String,
        text: String,
    },
    #[error("{}{contradiction}", prefix(at.as_ref()))]
    Contradiction {
        /// The last value that it refers to. `None` if all of them are defaults.
        at: Option<ValueSource>,
        contradiction: Contradiction,
    },
}

/// Every error of a configuration, at least one: first those of the file in the order of the file,
/// then those of the environment and of the command line.
#[derive(Debug)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Returns `None` if there are no errors.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Option<Self> {
        errors.sort_by_key(ConfigError::position);
        (!errors.is_empty()).then_some(Self(errors))
    }
}

impl IntoIterator for ConfigErrors {
    type Item = ConfigError;
    type IntoIter = std::vec::IntoIter<ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl ConfigError {
    /// Returns the position in the order of all errors.
    fn position(&self) -> (u8, usize, usize) {
        match self {
            Self::Read { .. } | Self::NotReloadable { .. } => (0, 0, 0),
            Self::Contradiction { at: None, .. } => (u8::MAX, 0, 0),
            Self::Contradiction { at: Some(at), .. }
            | Self::Syntax { at, .. }
            | Self::UnknownKey { at, .. }
            | Self::Table { at, .. }
            | Self::Value { at, .. } => at.position(),
        }
    }
}

/// Returns the end of the message about an unknown key.
fn hint(nearest: &[&str]) -> String {
    match nearest {
        [] => "; `fanfare keys` lists all keys".into(),
        [first @ .., last] if !first.is_empty() => {
            format!(", did you mean `{}` or `{last}`?", first.join("`, `"))
        }
        [nearest, ..] => format!(", did you mean `{nearest}`?"),
    }
}

/// Returns the beginning of the message about values that are not allowed.
fn prefix(at: Option<&ValueSource>) -> String {
    at.map_or_else(String::new, |at| format!("{at}: "))
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// Lines and columns begin at 1. Columns are counted in characters.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    /// The name of an environment variable.
    Environment(String),
    /// The argument of `-s`. Secret values have been replaced with `***` before this variant is
    /// created.
    Flag(String),
}

impl ValueSource {
    /// Returns the position in the order in which sources are read: first the file by line and
    /// column, then the environment, then the command line.
    pub(super) fn position(&self) -> (u8, usize, usize) {
        match self {
            Self::File { line, column, .. } => (0, *line, *column),
            Self::Environment(_) => (1, 0, 0),
            Self::Flag(_) => (2, 0, 0),
        }
    }
}

impl fmt::Display for ValueSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(out, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(out, "environment variable {name}"),
            Self::Flag(text) => write!(out, "-s {text}"),
        }
    }
}
