//! The connection that publications take to the server: ZeroMQ, or a plain stream on which the
//! target says how one looks. Publishing thread.

mod stream;
mod zeromq;

pub use stream::Encode;

use crate::arguments::Common;
use crate::fault::Fault;
use stream::Stream;
use zeromq::ZeroMq;

/// The replies so far, with `--acknowledged`.
#[derive(Debug, Default)]
pub struct Replies {
    taken: u64,
    /// Negative ones, and those that never came.
    pub rejected: u64,
}

/// The connection to the server.
pub enum Line {
    ZeroMq(ZeroMq),
    Stream(Stream),
}

impl Line {
    /// Connects, as the target wants it, and waits until that is done.
    pub fn open(common: &Common) -> Result<Self, Fault> {
        common.target.line(common)
    }

    /// A PUSH socket, or a DEALER with `--acknowledged`. A publication is two frames, topic and
    /// payload, or the one that `encode` makes.
    pub fn zeromq(common: &Common, encode: Option<Encode>) -> Result<Self, Fault> {
        ZeroMq::open(common, encode).map(Self::ZeroMq)
    }

    /// A TCP connection that begins with `greeting`; `encode` makes a publication.
    pub fn stream(common: &Common, greeting: &[u8], encode: Encode) -> Result<Self, Fault> {
        if common.acknowledged {
            let text = "--acknowledged is for targets with ZeroMQ";
            return Err(Fault::Arguments(text.into()));
        }
        let Some(address) = &common.push else {
            return Err(Fault::Arguments(
                "--push HOST:PORT: where to publish".into(),
            ));
        };
        Stream::open(address, greeting, encode).map(Self::Stream)
    }

    /// Publishes; what the connection cannot take yet waits in it.
    pub fn send(&self, topic: &[u8], payload: &[u8]) -> Result<(), Fault> {
        match self {
            Self::ZeroMq(socket) => socket.send(topic, payload),
            Self::Stream(stream) => stream.send(topic, payload),
        }
    }

    /// Takes the replies that have come; waits up to `wait_ms` for the first. Returns how many.
    pub fn take_replies(&self, replies: &mut Replies, wait_ms: i64) -> Result<u64, Fault> {
        match self {
            Self::ZeroMq(socket) => socket.take_replies(replies, wait_ms),
            Self::Stream(_) => Ok(0),
        }
    }

    /// Waits until `wanted` replies have come; those that do not come count as rejections.
    pub fn await_replies(&self, replies: &mut Replies, wanted: u64) -> Result<(), Fault> {
        match self {
            Self::ZeroMq(socket) => socket.await_replies(replies, wanted),
            Self::Stream(_) => Ok(()),
        }
    }
}
