//! What can be wrong with a configuration, and where it was said. Every one is exit code 2.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::rules::Contradiction;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{at}: {text}")]
    Syntax { at: Origin, text: String },
    #[error("{at}: unknown key `{key}`, did you mean `{nearest}`?")]
    UnknownKey {
        at: Origin,
        key: String,
        nearest: &'static str,
    },
    #[error("{at}: `{table}` is a table; its keys are {}", keys.join(", "))]
    Table {
        at: Origin,
        table: String,
        keys: Vec<&'static str>,
    },
    #[error("{at}: {key}: {text}")]
    Value {
        at: Origin,
        key: String,
        text: String,
    },
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

/// Where a key was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Line and column count from 1, columns in characters.
    File {
        path: PathBuf,
        line: usize,
        column: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A `-s` of the command line, as it was given.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(out, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(out, "environment {name}"),
            Self::Flag(text) => write!(out, "-s {text}"),
        }
    }
}
