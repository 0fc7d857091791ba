//! Errors of `fanfare top`.

use std::io;

use fanfare::admin_client::AdminClientError;

/// The reason why `fanfare top` ended.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum TopError {
    #[error(transparent)]
    Admin(#[from] AdminClientError),
    #[error("{target} of {address} is not understood: {error}; is the node of another version?")]
    Response {
        address: String,
        target: &'static str,
        error: serde_json::Error,
    },
    #[error("the terminal: {0}")]
    Terminal(io::Error),
    #[error("the threads that query the node and read the terminal have ended")]
    ThreadsEnded,
    #[error(transparent)]
    Output(io::Error),
}
