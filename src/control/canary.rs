//! A connection to one shard that the process holds both ends of, subscribed to a topic that only
//! the watchdog publishes to. The shard serves it like any other: handshake, interest, ring.
//! Control thread.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tokio::net::UnixStream;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

use crate::fabric::{Fabric, Order};
use crate::limits::CANARY_RETRY_INTERVAL;
use crate::protocol::topic;

/// Why a canary connection is over.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no descriptors: {0}")]
    Descriptors(io::Error),
    #[error("the shard does not take orders")]
    Order,
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("{0}")]
    Lost(Box<tungstenite::Error>),
}

impl From<tungstenite::Error> for Fault {
    fn from(error: tungstenite::Error) -> Self {
        Self::Lost(Box::new(error))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        tungstenite::Error::Io(error).into()
    }
}

/// What is known of a shard's canary: its connection writes, the watchdog reads.
#[derive(Debug, Default)]
pub(super) struct Perch {
    /// How many messages came back.
    pub(super) heard: AtomicU64,
    absence: AtomicU8,
}

/// Why there is no canary connection, where that is no fault of the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Absence {
    None,
    /// The process drains.
    Farewell,
    /// The process is out of descriptors.
    Descriptors,
}

impl Perch {
    /// The shard need not answer.
    pub(super) fn is_excused(&self) -> bool {
        self.absence.load(Ordering::Relaxed) != Absence::None as u8
    }

    fn set(&self, absence: Absence) {
        self.absence.store(absence as u8, Ordering::Relaxed);
    }
}

/// Keeps a canary connection to shard `index` open until the process drains.
pub(super) async fn keep(index: usize, fabric: Arc<Fabric>, perch: Arc<Perch>) {
    while !fabric.is_draining() {
        let Err(fault) = listen(index, &fabric, &perch).await;
        if fabric.is_draining() {
            break;
        }
        if matches!(fault, Fault::Descriptors(_)) {
            perch.set(Absence::Descriptors);
        }
        tracing::warn!("the canary connection to shard-{index} is opened again: {fault}");
        tokio::time::sleep(CANARY_RETRY_INTERVAL).await;
    }
    perch.set(Absence::Farewell);
}

/// Opens one and listens for as long as it lasts.
async fn listen(
    index: usize,
    fabric: &Fabric,
    perch: &Perch,
) -> Result<std::convert::Infallible, Fault> {
    let (ours, theirs) = net::UnixStream::pair().map_err(Fault::Descriptors)?;
    ours.set_nonblocking(true)?;
    perch.set(Absence::None);
    let adopt = Order::Adopt(Arc::new(OwnedFd::from(theirs)));
    if !fabric.shards[index].lane.order(adopt) {
        return Err(Fault::Order);
    }
    let wire = Wire(Arc::new(UnixStream::from_std(ours)?));
    let mut socket = open(&wire).await?;
    loop {
        match socket.read() {
            // tungstenite answers pings, and says goodbye, with the next read.
            Ok(message) => perch.hear(&message),
            Err(error) if would_block(&error) => wire.0.readable().await?,
            Err(error) => return Err(error.into()),
        }
    }
}

impl Perch {
    /// Publishers may use the topic too. Whoever sent it, a publication that is here has come all
    /// the way.
    fn hear(&self, message: &Message) {
        if message.is_text() || message.is_binary() {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn open(wire: &Wire) -> Result<WebSocket<Wire>, Fault> {
    wire.0.writable().await?; // From here on it is: little is ever written.
    let request = format!("ws://fanfare/raw?topic={}", topic::RESERVED);
    let mut attempt = tungstenite::client(request, wire.clone());
    loop {
        match attempt {
            Ok((socket, _)) => return Ok(socket),
            Err(HandshakeError::Interrupted(unfinished)) => {
                wire.0.readable().await?;
                attempt = unfinished.handshake();
            }
            Err(HandshakeError::Failure(error)) => {
                return Err(Fault::Handshake(error.to_string()));
            }
        }
    }
}

fn would_block(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Our end, as tungstenite wants it: it reads and writes what can be at once.
#[derive(Clone)]
struct Wire(Arc<UnixStream>);

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_publication_counts_whatever_it_says() {
        let perch = Perch::default();
        let messages = [
            Message::text("7"),
            Message::text("7"),
            Message::binary(b"\xff".as_slice()),
            Message::text("not ours"),
        ];
        for (before, message) in messages.iter().enumerate() {
            assert_eq!(perch.heard.load(Ordering::Relaxed), before as u64);
            perch.hear(message);
        }
        perch.hear(&Message::Ping(b"7".as_slice().into()));
        assert_eq!(perch.heard.load(Ordering::Relaxed), 4);
    }
}
