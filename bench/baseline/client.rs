//! A client of the baseline server: its handshake, which names the topics, and its pending frames.
//! Thread of the baseline server.

use std::io::{self, Read, Write};

use mio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use crate::baseline::nonblocking::available;

/// The first byte of a close frame.
const CLOSE: u8 = 0x88;

/// A connection of a client.
pub struct BaselineClient {
    stream: TcpStream,
    /// The request so far. It is empty after the request has been answered.
    request: Vec<u8>,
    is_open: bool,
    /// Frames that have not been sent.
    pub pending: Vec<u8>,
}

impl BaselineClient {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            request: Vec::new(),
            is_open: false,
            pending: Vec::new(),
        }
    }

    /// Reads the available data. When the request is complete, adds the response to the pending
    /// bytes and returns the topics. Returns an error if the client has closed the connection.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Vec<Vec<u8>>> {
        while let Some(len) = available(self.stream.read(buffer))? {
            if len == 0 || self.is_open && buffer[0] == CLOSE {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !self.is_open {
                self.request.extend_from_slice(&buffer[..len]);
            }
            if len < buffer.len() {
                break;
            }
        }
        if self.is_open || !self.request.ends_with(b"\r\n\r\n") {
            return Ok(Vec::new());
        }
        self.is_open = true;
        let request = std::mem::take(&mut self.request);
        let (topics, response) = respond(&request).ok_or(io::ErrorKind::InvalidData)?;
        self.pending.extend_from_slice(response.as_bytes());
        Ok(topics)
    }

    /// Sends pending bytes. The rest waits until the socket is writable again.
    pub fn send(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Some(len) = available(self.stream.write(&self.pending))? {
            self.pending.drain(..len);
        }
        Ok(())
    }
}

/// Returns the topics of a request, and the response.
fn respond(request: &[u8]) -> Option<(Vec<Vec<u8>>, String)> {
    let mut lines = std::str::from_utf8(request).ok()?.lines();
    let resource = lines.next()?.split(' ').nth(1)?;
    let (_, query) = resource.split_once('?')?;
    let names = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("topic="));
    let topics = names.map(|name| name.as_bytes().to_vec()).collect();
    let (_, key) = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))?;
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some((topics, response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_contains_the_accept_key_and_a_request_the_topics() {
        let request = b"GET /raw?topic=a&topic=bc HTTP/1.1\r\nHost: h\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let (topics, response) = respond(request).unwrap();
        assert_eq!(topics, [b"a".to_vec(), b"bc".to_vec()]);
        assert!(response.contains("Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
        assert!(respond(b"GET /raw?topic=a HTTP/1.1\r\n\r\n").is_none());
    }
}
