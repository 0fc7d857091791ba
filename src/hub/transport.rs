//! What carries the messages of a connection. Shard core.
//!
//! A codec makes messages; a transport puts them on the wire. The two are independent: the same
//! JSON message is a WebSocket frame today and may be a line of an HTTP stream later.

use bytes::Bytes;

use crate::wire::encode::{self, Data};

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
}

impl Transport {
    /// Returns one message as bytes of the wire.
    pub(super) fn message(self, data: Data, payload: &[u8]) -> Bytes {
        match self {
            Self::WebSocket => encode::message(data, payload),
        }
    }

    /// Returns a ping of the transport itself, for protocols that have no ping of their own.
    pub(super) fn ping(self) -> Bytes {
        match self {
            Self::WebSocket => encode::PING,
        }
    }

    /// Returns the answer to a ping of the peer.
    pub(super) fn pong(self, payload: &[u8]) -> Bytes {
        match self {
            Self::WebSocket => encode::pong(payload),
        }
    }

    /// Returns the last bytes of a connection. Without a code they are the answer to a peer that
    /// closed without one.
    pub(super) fn close(self, code: Option<u16>, reason: &str) -> Bytes {
        match (self, code) {
            (Self::WebSocket, Some(code)) => encode::close(code, reason),
            (Self::WebSocket, None) => encode::CLOSE,
        }
    }
}
