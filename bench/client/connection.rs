//! One WebSocket connection: connect, handshake, subscribe, then frames. No call blocks. Receiving
//! thread.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use socket2::{Domain, SockRef, Socket, Type};

use crate::client::{frames, upgrade};
use crate::options::Protocol;
use crate::payload;
use crate::targets::target::Target;

/// Connections from one source address. A Linux host has about 28,000 ephemeral ports.
const PER_SOURCE_ADDRESS: usize = 20_000;

/// Receive buffer of a client that never reads. It is the kernel's smallest, so that unread bytes
/// soon wait in the server and not in the kernel.
const STUCK_RECEIVE_BYTES: usize = 4096;

/// Whether a client reads what the server sends after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMode {
    Always,
    /// The client stops reading when the connection is open.
    NeverOnceOpen,
}

/// The topics and the behavior of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionPlan {
    pub protocol: Protocol,
    pub topics: Vec<u32>,
    pub read_mode: ReadMode,
    /// The token of the connect command.
    pub token: Option<String>,
}

impl ConnectionPlan {
    /// Returns the plan of a subscriber that reads.
    pub fn new(protocol: Protocol, topics: Vec<u32>) -> Self {
        Self {
            protocol,
            topics,
            read_mode: ReadMode::Always,
            token: None,
        }
    }

    fn topic_names(&self) -> Vec<String> {
        let names = self.topics.iter().map(|&topic| payload::topic_name(topic));
        names.collect()
    }
}

/// The stage of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStage {
    /// Not started.
    Planned,
    Connecting,
    /// The upgrade request is sent.
    Upgrading,
    /// The commands are sent. The number is that of the outstanding replies.
    Subscribing(usize),
    Open,
    Ended,
}

/// A connection and the received bytes that do not yet form a whole frame or item.
#[derive(Debug)]
pub struct Connection {
    pub plan: ConnectionPlan,
    pub stage: ConnectionStage,
    pub stream: Option<TcpStream>,
    /// The start of an incomplete frame.
    pub partial_frame: Vec<u8>,
    /// The start of an item that continues in the next message.
    pub partial_item: Vec<u8>,
    /// Time at which the connect started.
    pub started_us: u64,
}

impl Connection {
    pub fn new(plan: ConnectionPlan) -> Self {
        Self {
            plan,
            stage: ConnectionStage::Planned,
            stream: None,
            partial_frame: Vec::new(),
            partial_item: Vec::new(),
            started_us: 0,
        }
    }

    /// Starts to connect. On loopback, `index` selects the source address.
    pub fn connect(&mut self, address: SocketAddr, index: usize, now_us: u64) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if self.plan.read_mode == ReadMode::NeverOnceOpen {
            socket.set_recv_buffer_size(STUCK_RECEIVE_BYTES)?;
        }
        if let (true, nth @ 1..=200) = (address.ip().is_loopback(), index / PER_SOURCE_ADDRESS) {
            socket.bind(&SocketAddr::from(([127, 0, 0, nth as u8 + 1], 0)).into())?;
        }
        match socket.connect(&address.into()) {
            Err(error) if !is_in_progress(&error) => return Err(error),
            _ => {}
        }
        self.stream = Some(TcpStream::from_std(socket.into()));
        self.stage = ConnectionStage::Connecting;
        self.started_us = now_us;
        Ok(())
    }

    /// Returns whether the connect has succeeded. Returns an error if it has failed.
    pub fn is_connected(&self) -> io::Result<bool> {
        let Some(stream) = &self.stream else {
            return Ok(false);
        };
        if let Some(error) = SockRef::from(stream).take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends the upgrade request. `deflate` adds the offer of permessage-deflate.
    pub fn upgrade(
        &mut self,
        target: &dyn Target,
        address: SocketAddr,
        deflate: bool,
    ) -> io::Result<()> {
        let request_target = target.request_target(self.plan.protocol, &self.plan.topic_names());
        let request = upgrade::request(&request_target, address, deflate);
        self.stage = ConnectionStage::Upgrading;
        self.write(request.as_bytes())
    }

    /// Sends the message that the target needs before it delivers publications.
    pub fn subscribe(&mut self, target: &dyn Target) -> io::Result<()> {
        let (names, token) = (self.plan.topic_names(), self.plan.token.as_deref());
        let Some(first) = target.first_message(self.plan.protocol, &names, token) else {
            self.stage = ConnectionStage::Open;
            return Ok(());
        };
        self.stage = ConnectionStage::Subscribing(first.replies);
        self.write(&frames::masked(first.opcode, &first.message))
    }

    /// Writes all bytes. The messages of the load generator are small and always fit into the send
    /// buffer of a socket that the server reads. If one does not fit, the connection is broken.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match stream.write(bytes)? {
            len if len == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Reads up to the size of `buffer`. Returns `None` if the socket has no data.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        match stream.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(len) => Ok(Some(len)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns whether the error of a nonblocking connect means that it is in progress.
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == io::ErrorKind::WouldBlock
}
