//! The errors that end a shard. They are created on the shard thread.

use std::io;

use super::preflight::PreflightError;

/// The reason why a shard has ended before it was stopped.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    #[error("the shard's ring could not be set up: {0}")]
    Setup(#[from] PreflightError),
    #[error("the shard's ring failed: {0}")]
    Ring(io::Error),
    #[error("the shard's event descriptor failed: {0}")]
    Event(String),
}
