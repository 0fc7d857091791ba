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
use crate::limits::CANARY_RETRY;

/// Where canaries fly. Without a `:` it follows the namespace `""`, and a number is a payload of
/// every kind: JSON, text and bytes.
pub(super) const TOPIC: &str = "fanfare.canary";

const REQUEST: &str = "ws://fanfare/raw?topic=fanfare.canary";

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
    /// The latest number that came back.
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
        tokio::time::sleep(CANARY_RETRY).await;
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
            Ok(Message::Text(text)) => perch.hear(text.as_bytes()),
            Ok(Message::Binary(bytes)) => perch.hear(&bytes),
            Ok(_) => {} // tungstenite answers pings, and says goodbye, with the next read.
            Err(error) if would_block(&error) => wire.0.readable().await?,
            Err(error) => return Err(error.into()),
        }
    }
}

impl Perch {
    /// Publishers may use the topic too; what is no number is not ours.
    fn hear(&self, payload: &[u8]) {
        let number = str::from_utf8(payload).ok().and_then(|it| it.parse().ok());
        if let Some(number) = number {
            self.heard.store(number, Ordering::Relaxed);
        }
    }
}

async fn open(wire: &Wire) -> Result<WebSocket<Wire>, Fault> {
    wire.0.writable().await?; // From here on it is: little is ever written.
    let mut attempt = tungstenite::client(REQUEST, wire.clone());
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
