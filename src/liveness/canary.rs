//! An internal connection to one shard: the process holds both ends of the socket. It subscribes to
//! a topic that is reserved for the watchdog. The shard serves it like any other connection.
//! Control thread.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::net::UnixStream;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Message, WebSocket};

use crate::fabric::{Fabric, RequestQueueFull, ShardRequest};
use crate::limits::CANARY_RETRY_INTERVAL;
use crate::protocol::topic;

/// Why a canary connection ended.
#[derive(Debug, thiserror::Error)]
enum CanaryError {
    #[error("no descriptors: {0}")]
    Descriptors(io::Error),
    #[error(transparent)]
    Request(#[from] RequestQueueFull),
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("{0}")]
    Lost(Box<tungstenite::Error>),
}

impl From<tungstenite::Error> for CanaryError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Lost(Box::new(error))
    }
}

impl From<io::Error> for CanaryError {
    fn from(error: io::Error) -> Self {
        tungstenite::Error::Io(error).into()
    }
}

/// The canary connection of one shard. The connection writes it, the watchdog reads it.
#[derive(Debug, Default)]
pub(super) struct CanaryState {
    delivered: AtomicU64,
    is_exempt: AtomicBool,
}

impl CanaryState {
    /// Returns the number of messages that the connection has received since the start.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Returns whether the connection cannot exist for a reason outside of the shard: the process
    /// drains or has no descriptors left.
    pub(super) fn is_exempt(&self) -> bool {
        self.is_exempt.load(Ordering::Relaxed)
    }

    fn set_exempt(&self, is_exempt: bool) {
        self.is_exempt.store(is_exempt, Ordering::Relaxed);
    }

    /// Counts a message if it is a publication. Only the watchdog may publish to the topic.
    fn count(&self, message: &Message) {
        if message.is_text() || message.is_binary() {
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Keeps a canary connection to a shard open until the process drains.
pub(super) async fn keep_connected(shard: usize, fabric: Arc<Fabric>, state: Arc<CanaryState>) {
    while !fabric.is_draining() {
        let Err(error) = connect_and_receive(shard, &fabric, &state).await;
        if fabric.is_draining() {
            break;
        }
        if matches!(error, CanaryError::Descriptors(_)) {
            state.set_exempt(true);
        }
        tracing::warn!("the canary connection to shard-{shard} is opened again: {error}");
        tokio::time::sleep(CANARY_RETRY_INTERVAL).await;
    }
    state.set_exempt(true);
}

/// Opens a connection and receives until it ends.
async fn connect_and_receive(
    shard: usize,
    fabric: &Fabric,
    state: &CanaryState,
) -> Result<Infallible, CanaryError> {
    let (client, server) = net::UnixStream::pair().map_err(CanaryError::Descriptors)?;
    client.set_nonblocking(true)?;
    state.set_exempt(false);
    let request = ShardRequest::AcceptInternal(OwnedFd::from(server));
    fabric.shards[shard].lane.request(request)?;
    let stream = ClientStream(Arc::new(UnixStream::from_std(client)?));
    let mut socket = handshake(&stream).await?;
    loop {
        match socket.read() {
            // tungstenite answers a ping or a close with the next read.
            Ok(message) => state.count(&message),
            Err(error) if would_block(&error) => stream.0.readable().await?,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn handshake(stream: &ClientStream) -> Result<WebSocket<ClientStream>, CanaryError> {
    // The little that is written always fits the socket's buffer, so this is waited for only once.
    stream.0.writable().await?;
    let request = format!("ws://fanfare/raw?topic={}", topic::RESERVED);
    let mut attempt = tungstenite::client(request, stream.clone());
    loop {
        match attempt {
            Ok((socket, _)) => return Ok(socket),
            Err(HandshakeError::Interrupted(unfinished)) => {
                stream.0.readable().await?;
                attempt = unfinished.handshake();
            }
            Err(HandshakeError::Failure(error)) => {
                return Err(CanaryError::Handshake(error.to_string()));
            }
        }
    }
}

fn would_block(error: &tungstenite::Error) -> bool {
    matches!(error, tungstenite::Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// The client's end of the socket, with the blocking interface that tungstenite requires. Each call
/// returns at once.
#[derive(Clone)]
struct ClientStream(Arc<UnixStream>);

impl Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for ClientStream {
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
    fn every_publication_counts_whatever_its_content() {
        let state = CanaryState::default();
        let messages = [
            Message::text("7"),
            Message::text("7"),
            Message::binary(b"\xff".as_slice()),
            Message::text("not ours"),
        ];
        for (before, message) in messages.iter().enumerate() {
            assert_eq!(state.delivered(), before as u64);
            state.count(message);
        }
        state.count(&Message::Ping(b"7".as_slice().into()));
        assert_eq!(state.delivered(), 4);
    }
}
