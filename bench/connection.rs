//! One WebSocket connection: connect, handshake, subscribe, then frames. Nothing blocks.
//! Receiving thread.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use socket2::{Domain, SockRef, Socket, Type};

use crate::arguments::Protocol;
use crate::frames;
use crate::payload;
use crate::targets::Target;

/// A fixed key, the one of RFC 6455, section 1.3, so that the answer is known too.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The offer of `--deflate`: what browsers send.
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// Connections from one source address: the ephemeral ports of a Linux host are about 28,000.
const PER_SOURCE_ADDRESS: usize = 20_000;

/// Receive buffer of a client that never reads: the kernel's smallest, so that the server, not
/// the kernel, soon holds what is not read.
const STUCK_RECEIVE_BYTES: usize = 4096;

/// What a connection is for.
#[derive(Clone, Debug)]
pub struct Plan {
    pub protocol: Protocol,
    pub topics: Vec<u32>,
    /// False: once open it never reads again.
    pub reads: bool,
}

impl Plan {
    fn topic_names(&self) -> Vec<String> {
        let names = self.topics.iter().map(|&topic| payload::topic_name(topic));
        names.collect()
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Planned,
    Connecting,
    /// The request is sent.
    Upgrading,
    /// The commands are sent; that many replies are to come.
    Subscribing(usize),
    Open,
    Ended,
}

/// What the start of the server's answer says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Partial,
    /// Accepted; `len` bytes are the response head.
    Upgraded {
        len: usize,
        /// The server agreed to permessage-deflate, and to keep no context.
        deflate: bool,
    },
    Refused,
}

/// A connection and what of its stream has come, but not whole.
#[derive(Debug)]
pub struct Connection {
    pub plan: Plan,
    pub stage: Stage,
    pub stream: Option<TcpStream>,
    pub kept: Vec<u8>,
    /// The start of an item that goes on in the next message.
    pub partial: Vec<u8>,
    pub begun_us: u64,
}

impl Connection {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            stage: Stage::Planned,
            stream: None,
            kept: Vec::new(),
            partial: Vec::new(),
            begun_us: 0,
        }
    }

    /// Starts connecting. On loopback, `index` picks the source address.
    pub fn connect(&mut self, address: SocketAddr, index: usize, now_us: u64) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if !self.plan.reads {
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
        self.stage = Stage::Connecting;
        self.begun_us = now_us;
        Ok(())
    }

    /// The outcome of connecting: true once it has succeeded, false while it is under way.
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

    /// Asks for the WebSocket; `deflate`: and for permessage-deflate.
    pub fn upgrade(
        &mut self,
        target: &dyn Target,
        address: SocketAddr,
        deflate: bool,
    ) -> io::Result<()> {
        let resource = target.resource(self.plan.protocol, &self.plan.topic_names());
        let request = request(&resource, address, deflate);
        self.stage = Stage::Upgrading;
        self.write(request.as_bytes())
    }

    /// Sends what the target needs before publications come.
    pub fn subscribe(&mut self, target: &dyn Target) -> io::Result<()> {
        let Some(opening) = target.opening(self.plan.protocol, &self.plan.topic_names()) else {
            self.stage = Stage::Open;
            return Ok(());
        };
        self.stage = Stage::Subscribing(opening.replies);
        self.write(&frames::masked(opening.opcode, &opening.message))
    }

    /// Writes bytes whole. What the load generator writes is small and always fits a socket that
    /// the server reads; one where it does not is broken.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(stream) = &mut self.stream else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match stream.write(bytes)? {
            len if len == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Reads what fits; `None` when nothing is there.
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

/// What a nonblocking connect answers while it is under way.
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == io::ErrorKind::WouldBlock
}

fn request(resource: &str, address: SocketAddr, deflate: bool) -> String {
    let offer = if deflate { OFFER } else { "" };
    format!(
        "GET {resource} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         {offer}\r\n"
    )
}

/// Reads the server's answer to the request.
pub fn answer(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Answer::Partial;
    };
    let head = &bytes[..end];
    let accepted = head.windows(ACCEPT.len()).any(|window| window == ACCEPT);
    match agreement(head) {
        Some(deflate) if head.starts_with(b"HTTP/1.1 101") && accepted => Answer::Upgraded {
            len: end + 4,
            deflate,
        },
        _ => Answer::Refused,
    }
}

/// Whether the server agreed to permessage-deflate. `None`: to what was not offered, or to
/// messages that refer to earlier ones.
fn agreement(head: &[u8]) -> Option<bool> {
    let head = std::str::from_utf8(head).ok()?;
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"))
        .map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Some(false);
    };
    let mut parts = value.split(';').map(str::trim);
    let named = parts.next() == Some("permessage-deflate");
    let fresh = parts.any(|part| part == "server_no_context_takeover");
    (named && fresh && values.next().is_none()).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_must_be_whole_and_accept_the_key() {
        let good = b"HTTP/1.1 101 Switching Protocols\r\n\
            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest";
        assert_eq!(answer(&good[..40]), Answer::Partial);
        let (len, deflate) = (good.len() - 4, false);
        assert_eq!(answer(good), Answer::Upgraded { len, deflate });
        assert_eq!(
            answer(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            Answer::Refused
        );
        assert_eq!(
            answer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Answer::Refused
        );
    }

    #[test]
    fn an_agreement_keeps_no_context() {
        let agreement = |line: &str| agreement(format!("HTTP/1.1 101 S\r\n{line}").as_bytes());
        assert_eq!(agreement("upgrade: websocket"), Some(false));
        for (value, agreed) in [
            ("permessage-deflate; server_no_context_takeover", Some(true)),
            (
                "permessage-deflate;client_no_context_takeover; server_no_context_takeover",
                Some(true),
            ),
            ("permessage-deflate", None),
            ("permessage-bzip2; server_no_context_takeover", None),
            ("", None),
        ] {
            let line = format!("Sec-WebSocket-Extensions: {value}");
            assert_eq!(agreement(&line), agreed, "{value}");
        }
        let twice = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover";
        assert_eq!(agreement(twice), Some(true));
        assert_eq!(agreement(&format!("{twice}\r\n{twice}")), None);
    }

    #[test]
    fn a_request_offers_what_it_is_told_to() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8000));
        let plain = request("/raw?topic=a", address, false);
        assert!(plain.starts_with("GET /raw?topic=a HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"));
        assert!(!plain.contains("Extensions") && plain.ends_with("13\r\n\r\n"));
        let offering = request("/raw?topic=a", address, true);
        assert!(offering.ends_with(&format!("13\r\n{OFFER}\r\n")));
    }
}
