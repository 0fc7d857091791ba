//! ZMTP 3.0 (ZeroMQ RFC 23) as a PUSH socket speaks it that only sends: a greeting, a READY, then
//! messages as bytes made beforehand. libzmq on the sending side would cost as much as on the
//! receiving side, and measure itself. Publishing threads.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bits of the first byte of a frame.
const MORE: u8 = 0x01;
const LONG: u8 = 0x02;
const COMMAND: u8 = 0x04;

const GREETING_BYTES: usize = 64;

/// Longest command of a handshake that is believed; READY takes some tens.
const READY_BYTES: usize = 512;

/// How long the peer may take to answer, and to take what is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connected socket.
#[derive(Debug)]
pub struct Push {
    stream: TcpStream,
}

impl Push {
    /// Connects to `address`, HOST:PORT, and shakes hands without any security.
    pub fn connect(address: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&greeting())?;
        let mut theirs = [0; GREETING_BYTES];
        stream.read_exact(&mut theirs)?;
        if !is_greeting(&theirs) {
            return Err(io::Error::other("no ZMTP 3 without security"));
        }
        stream.write_all(&ready())?;
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let [kind, len] = head;
        if kind != COMMAND || usize::from(len) > READY_BYTES {
            return Err(io::Error::other("no READY"));
        }
        let mut command = vec![0; usize::from(len)];
        stream.read_exact(&mut command)?;
        if !command.starts_with(b"\x05READY") {
            return Err(io::Error::other("refused"));
        }
        Ok(Self { stream })
    }

    /// Sends bytes that [`message`] made; waits while the peer takes nothing.
    pub fn send(&mut self, messages: &[u8]) -> io::Result<()> {
        self.stream.write_all(messages)
    }
}

/// Appends a message of two frames.
pub fn message(out: &mut Vec<u8>, topic: &[u8], payload: &[u8]) {
    frame(out, MORE, topic);
    frame(out, 0, payload);
}

fn frame(out: &mut Vec<u8>, bits: u8, body: &[u8]) {
    if let Ok(len) = u8::try_from(body.len()) {
        out.extend([bits, len]);
    } else {
        out.push(bits | LONG);
        out.extend((body.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(body);
}

/// Signature, version 3.0, the mechanism NULL, not a server.
fn greeting() -> [u8; GREETING_BYTES] {
    let mut out = [0; GREETING_BYTES];
    (out[0], out[9], out[10]) = (0xFF, 0x7F, 3);
    out[12..16].copy_from_slice(b"NULL");
    out
}

fn is_greeting(bytes: &[u8; GREETING_BYTES]) -> bool {
    let signed = bytes[0] == 0xFF && bytes[9] & 1 == 1;
    signed && bytes[10] >= 3 && bytes[12..].starts_with(b"NULL\0")
}

fn ready() -> Vec<u8> {
    let (property, value) = (b"Socket-Type", b"PUSH");
    let mut body = b"\x05READY".to_vec();
    body.push(property.len() as u8);
    body.extend_from_slice(property);
    body.extend((value.len() as u32).to_be_bytes());
    body.extend_from_slice(value);
    let mut out = Vec::new();
    frame(&mut out, COMMAND, &body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libzmq_takes_what_is_sent() {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PULL).unwrap();
        socket.set_rcvtimeo(10_000).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let mut push = Push::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
        let long = vec![b'x'; 70_000];
        let mut bytes = Vec::new();
        message(&mut bytes, b"a", b"{}");
        message(&mut bytes, b"b", &long);
        message(&mut bytes, b"c", b"");
        push.send(&bytes).unwrap();
        for (topic, payload) in [(b"a", b"{}".as_slice()), (b"b", &long), (b"c", b"")] {
            assert_eq!(
                socket.recv_multipart(0).unwrap(),
                [topic.to_vec(), payload.to_vec()]
            );
        }
    }

    #[test]
    fn another_server_is_no_peer() {
        let mut greeting = greeting();
        assert!(is_greeting(&greeting));
        greeting[12..17].copy_from_slice(b"PLAIN");
        assert!(!is_greeting(&greeting));
        let mut http = [0; GREETING_BYTES];
        http[..12].copy_from_slice(b"HTTP/1.1 400");
        assert!(!is_greeting(&http));
    }
}
