//! Errors in a configuration, and the places of values. At start, the main thread prints the error
//! and exits with code 2. At a reload, the control thread logs the error, and the running
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
    #[error("{at}: {text}")]
    Syntax { at: ValueSource, text: String },
    #[error("{at}: unknown key `{key}`, did you mean `{nearest}`?")]
    UnknownKey {
        at: ValueSource,
        key: String,
        nearest: &'static str,
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
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
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

impl fmt::Display for ValueSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(out, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(out, "environment variable {name}"),
            Self::Flag(text) => write!(out, "-s {text}"),
        }
    }
}
