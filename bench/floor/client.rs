//! A client of the floor: its handshake, which names its topics, then what is pending for it.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::pending;

/// The opcode of a close in the first byte of a frame.
const CLOSE: u8 = 0x88;

pub struct Client {
    stream: TcpStream,
    /// The request so far; empty once it is answered.
    request: Vec<u8>,
    open: bool,
    /// Frames, one behind the other.
    pub pending: Vec<u8>,
}

impl Client {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            request: Vec::new(),
            open: false,
            pending: Vec::new(),
        }
    }

    /// Reads what is there. Returns the topics once the request is whole; the answer is then
    /// pending. An error: the client has gone.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Vec<Vec<u8>>> {
        while let Some(len) = pending(self.stream.read(buffer))? {
            if len == 0 || self.open && buffer[0] == CLOSE {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !self.open {
                self.request.extend_from_slice(&buffer[..len]);
            }
            if len < buffer.len() {
                break;
            }
        }
        if self.open || !self.request.ends_with(b"\r\n\r\n") {
            return Ok(Vec::new());
        }
        self.open = true;
        let request = std::mem::take(&mut self.request);
        let (topics, answer) = answer(&request).ok_or(io::ErrorKind::InvalidData)?;
        self.pending.extend_from_slice(answer.as_bytes());
        Ok(topics)
    }

    /// Sends what is pending; the rest waits for the socket to take more.
    pub fn send(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Some(len) = pending(self.stream.write(&self.pending))? {
            self.pending.drain(..len);
        }
        Ok(())
    }
}

/// The topics that a request names, and the answer to it.
fn answer(request: &[u8]) -> Option<(Vec<Vec<u8>>, String)> {
    let mut lines = std::str::from_utf8(request).ok()?.lines();
    let resource = lines.next()?.split(' ').nth(1)?;
    let (_, query) = resource.split_once('?')?;
    let names = query.split('&').filter_map(|it| it.strip_prefix("topic="));
    let topics = names.map(|name| name.as_bytes().to_vec()).collect();
    let (_, key) = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some((topics, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_topics_and_gets_its_key_back() {
        let request = b"GET /raw?topic=a&topic=bc HTTP/1.1\r\nHost: h\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let (topics, answer) = answer(request).unwrap();
        assert_eq!(topics, [b"a".to_vec(), b"bc".to_vec()]);
        assert!(answer.contains("Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
        assert!(super::answer(b"GET /raw?topic=a HTTP/1.1\r\n\r\n").is_none());
    }
}
