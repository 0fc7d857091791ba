//! The connection that carries publications to the server: ZeroMQ, or plain TCP in the format of
//! the target. Publishing thread.

use crate::error::BenchError;
use crate::publishing::address::PublisherAddress;
use crate::publishing::replies::ReplyCounts;
use crate::publishing::stream::{EncodePublication, StreamConnection};
use crate::publishing::zeromq::ZeroMqConnection;

/// A connection for publications.
pub enum PublisherConnection {
    ZeroMq(ZeroMqConnection),
    Stream(StreamConnection),
}

impl PublisherConnection {
    /// Connects a PUSH socket, or a DEALER socket with `--acknowledged`, and waits until it is
    /// connected. A publication is two frames, topic and payload, or the one frame that `encode`
    /// makes.
    pub fn zeromq(
        address: &PublisherAddress,
        encode: Option<EncodePublication>,
    ) -> Result<Self, BenchError> {
        ZeroMqConnection::open(address, encode).map(Self::ZeroMq)
    }

    /// Opens a TCP connection and sends `greeting`. `encode` makes the bytes of a publication.
    pub fn stream(
        address: &PublisherAddress,
        greeting: &[u8],
        encode: EncodePublication,
    ) -> Result<Self, BenchError> {
        StreamConnection::open(address.tcp()?, greeting, encode).map(Self::Stream)
    }

    /// Publishes. Messages that the server cannot accept yet wait in the connection.
    pub fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), BenchError> {
        match self {
            Self::ZeroMq(socket) => socket.send(topic, payload),
            Self::Stream(stream) => stream.send(topic, payload),
        }
    }

    /// Receives the available replies, and waits up to `wait_ms` for the first. Returns their
    /// number.
    pub fn receive_replies(
        &self,
        replies: &mut ReplyCounts,
        wait_ms: i64,
    ) -> Result<u64, BenchError> {
        match self {
            Self::ZeroMq(socket) => socket.receive_replies(replies, wait_ms),
            Self::Stream(_) => Ok(0),
        }
    }

    /// Waits until `wanted` replies have been received. Missing replies count as rejections.
    pub fn await_replies(&self, replies: &mut ReplyCounts, wanted: u64) -> Result<(), BenchError> {
        match self {
            Self::ZeroMq(socket) => socket.await_replies(replies, wanted),
            Self::Stream(_) => Ok(()),
        }
    }
}
