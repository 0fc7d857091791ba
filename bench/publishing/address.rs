//! The address that publications are sent to. All threads.

use crate::error::BenchError;

/// Default addresses of fanfare's PULL and ROUTER sockets.
const DEFAULT_PULL: &str = "tcp://127.0.0.1:5560";
const DEFAULT_ROUTER: &str = "tcp://127.0.0.1:5563";

/// Where and how a run publishes.
#[derive(Clone, Debug)]
pub struct PublisherAddress {
    /// The value of `--push`, or the address of the server that was started.
    pub endpoint: Option<String>,
    /// Whether the server replies to every publication.
    pub acknowledged: bool,
}

impl PublisherAddress {
    /// Returns the ZeroMQ endpoint.
    pub fn zeromq(&self) -> String {
        let default = if self.acknowledged {
            DEFAULT_ROUTER
        } else {
            DEFAULT_PULL
        };
        self.endpoint.clone().unwrap_or_else(|| default.to_owned())
    }

    /// Returns HOST:PORT of a target without ZeroMQ.
    pub fn tcp(&self) -> Result<&str, BenchError> {
        if self.acknowledged {
            return Err(BenchError::Arguments(
                "--acknowledged: only for targets with ZeroMQ".into(),
            ));
        }
        self.endpoint.as_deref().ok_or_else(|| {
            BenchError::Arguments("--push HOST:PORT is required for this target".into())
        })
    }
}
