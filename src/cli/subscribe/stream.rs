//! The TCP stream of `fanfare subscribe`, whose reads wait a limited time, each or all together.
//! Runs on the main thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long reads wait before they fail with [`ErrorKind::TimedOut`].
#[derive(Clone, Copy, Debug)]
pub(super) enum ReadLimit {
    /// All reads together, until this time.
    Until(Instant),
    /// Each read.
    Each(Duration),
    Unlimited,
}

/// A TCP stream whose reads fail when the limit is reached.
pub(super) struct BoundedStream {
    stream: TcpStream,
    limit: ReadLimit,
}

impl BoundedStream {
    pub(super) fn new(stream: TcpStream, limit: ReadLimit) -> Self {
        Self { stream, limit }
    }

    pub(super) fn set_limit(&mut self, limit: ReadLimit) {
        self.limit = limit;
    }
}

impl Read for BoundedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wait = match self.limit {
            ReadLimit::Until(deadline) => Some(deadline.saturating_duration_since(Instant::now())),
            ReadLimit::Each(wait) => Some(wait),
            ReadLimit::Unlimited => None,
        };
        if wait.is_some_and(|wait| wait.is_zero()) {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(wait)?;
        self.stream
            .read(buffer)
            .map_err(|error| match error.kind() {
                // Linux reports a timeout as an operation that would block.
                ErrorKind::WouldBlock => ErrorKind::TimedOut.into(),
                _ => error,
            })
    }
}

impl Write for BoundedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
