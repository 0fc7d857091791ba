//! ZMTP 3.0 (ZeroMQ RFC 23) for a PUSH socket that only sends: a greeting, a READY command, then
//! messages from prepared bytes. libzmq would cost as much on the sending side as on the receiving
//! side, so a benchmark with libzmq would measure its own sender. Publishing threads.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Bits of the flags byte of a frame.
const MORE: u8 = 0x01;
const LONG: u8 = 0x02;
const COMMAND: u8 = 0x04;

const GREETING_BYTES: usize = 64;

/// Maximum size of the READY command in bytes. Its usual size is some tens of bytes.
const READY_BYTES: usize = 512;

/// Timeout for one read from or write to the peer.
const IO_TIMEOUT: Duration = Duration::from_secs(10);

/// A connected PUSH socket.
#[derive(Debug)]
pub struct PushSocket {
    stream: TcpStream,
}

impl PushSocket {
    /// Connects to `address`, HOST:PORT, and performs the handshake with the NULL mechanism.
    pub fn connect(address: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(IO_TIMEOUT))?;
        stream.set_write_timeout(Some(IO_TIMEOUT))?;
        stream.write_all(&greeting())?;
        let mut peer_greeting = [0; GREETING_BYTES];
        stream.read_exact(&mut peer_greeting)?;
        if !is_greeting(&peer_greeting) {
            return Err(io::Error::other(
                "the peer does not use ZMTP 3 with the NULL mechanism",
            ));
        }
        stream.write_all(&ready())?;
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let [kind, len] = head;
        if kind != COMMAND || usize::from(len) > READY_BYTES {
            return Err(io::Error::other("the peer sent no READY command"));
        }
        let mut command = vec![0; usize::from(len)];
        stream.read_exact(&mut command)?;
        if !command.starts_with(b"\x05READY") {
            return Err(io::Error::other("the peer refused the connection"));
        }
        Ok(Self { stream })
    }

    /// Sends bytes that [`append_message`] made. Blocks while the socket is full.
    pub fn send(&mut self, messages: &[u8]) -> io::Result<()> {
        self.stream.write_all(messages)
    }
}

/// Appends a message of two frames, topic and payload.
pub fn append_message(out: &mut Vec<u8>, topic: &[u8], payload: &[u8]) {
    append_frame(out, MORE, topic);
    append_frame(out, 0, payload);
}

fn append_frame(out: &mut Vec<u8>, bits: u8, body: &[u8]) {
    if let Ok(len) = u8::try_from(body.len()) {
        out.extend([bits, len]);
    } else {
        out.push(bits | LONG);
        out.extend((body.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(body);
}

/// Returns a greeting with signature, version 3.0, the NULL mechanism and the client role.
fn greeting() -> [u8; GREETING_BYTES] {
    let mut out = [0; GREETING_BYTES];
    (out[0], out[9], out[10]) = (0xFF, 0x7F, 3);
    out[12..16].copy_from_slice(b"NULL");
    out
}

fn is_greeting(bytes: &[u8; GREETING_BYTES]) -> bool {
    let has_signature = bytes[0] == 0xFF && bytes[9] & 1 == 1;
    has_signature && bytes[10] >= 3 && bytes[12..].starts_with(b"NULL\0")
}

fn ready() -> Vec<u8> {
    let (property, value) = (b"Socket-Type", b"PUSH");
    let mut body = b"\x05READY".to_vec();
    body.push(property.len() as u8);
    body.extend_from_slice(property);
    body.extend((value.len() as u32).to_be_bytes());
    body.extend_from_slice(value);
    let mut out = Vec::new();
    append_frame(&mut out, COMMAND, &body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libzmq_receives_the_messages() {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::PULL).unwrap();
        socket.set_rcvtimeo(10_000).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let mut push = PushSocket::connect(endpoint.strip_prefix("tcp://").unwrap()).unwrap();
        let long = vec![b'x'; 70_000];
        let mut bytes = Vec::new();
        append_message(&mut bytes, b"a", b"{}");
        append_message(&mut bytes, b"b", &long);
        append_message(&mut bytes, b"c", b"");
        push.send(&bytes).unwrap();
        for (topic, payload) in [(b"a", b"{}".as_slice()), (b"b", &long), (b"c", b"")] {
            assert_eq!(
                socket.recv_multipart(0).unwrap(),
                [topic.to_vec(), payload.to_vec()]
            );
        }
    }

    #[test]
    fn a_greeting_of_another_mechanism_or_protocol_is_rejected() {
        let mut greeting = greeting();
        assert!(is_greeting(&greeting));
        greeting[12..17].copy_from_slice(b"PLAIN");
        assert!(!is_greeting(&greeting));
        let mut http = [0; GREETING_BYTES];
        http[..12].copy_from_slice(b"HTTP/1.1 400");
        assert!(!is_greeting(&http));
    }
}
