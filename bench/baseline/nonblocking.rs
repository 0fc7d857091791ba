//! Results of nonblocking calls. Thread of the baseline server.

use std::io;

/// Whether a publisher may have more data after a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    MoreMayFollow,
    Drained,
}

/// Turns the error `WouldBlock` into `None`.
pub fn available<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        result => result.map(Some),
    }
}
