//! The JSON codec of the client protocol, and JSON in general. Every core.
//!
//! ```text
//! commands  parses what clients send        check   checks and reads JSON, memory reused
//! replies   writes replies                  scan    scans of text that is known to be JSON
//! pushes    writes pushes                   escape  strings
//! hook_parameters  reads what only hooks get
//! ```

mod check;
mod commands;
pub mod escape;
mod hook_parameters;
pub mod pushes;
pub mod replies;
mod scan;

pub use check::{Checker, JsonError, on_one_line};
pub use commands::{Parser, lines};
pub use hook_parameters::hook_parameters;
pub use scan::{compact, depth};
