//! A client on a plain TCP socket. It may negotiate compression and then inflates messages.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::server::Server;
use super::wait::TIMEOUT;
use super::wire::{self, Frame, Taken};

pub struct Peer {
    stream: TcpStream,
    inbound: Vec<u8>,
    /// The negotiated window of the server in bits, or `None` without compression.
    pub window_bits: Option<u8>,
    /// Whether the client is connected to `/raw`.
    is_raw: bool,
    /// Received text messages.
    pub messages: u64,
    /// Received text messages that were compressed.
    pub deflated: u64,
}

impl Peer {
    /// Connects and upgrades at `target`. `headers` are additional header lines of the request.
    #[track_caller]
    pub fn connect(server: &Server, target: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(server.ws_address()).expect("the server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut peer = Self {
            stream,
            inbound: Vec::new(),
            window_bits: None,
            is_raw: target.starts_with("/raw"),
            messages: 0,
            deflated: 0,
        };
        peer.send(&wire::upgrade_with(target, headers));
        while !peer.inbound.windows(4).any(|end| end == b"\r\n\r\n") {
            assert!(peer.receive(), "the server responds to the upgrade");
        }
        peer.window_bits = wire::agreed_window_bits(&peer.inbound);
        let response = wire::take_response(&mut peer.inbound);
        assert_eq!(response, Some((101, String::new())));
        peer
    }

    /// Connects a subscriber with the client protocol.
    #[track_caller]
    pub fn subscribed(server: &Server, headers: &str, topics: &[&str]) -> Self {
        let mut peer = Self::connect(server, "/connection/websocket", headers);
        let mut commands = vec![r#"{"id":1,"connect":{}}"#.to_owned()];
        for topic in topics {
            commands.push(format!(r#"{{"id":2,"subscribe":{{"channel":"{topic}"}}}}"#));
        }
        peer.send(&wire::text(&commands.join("\n")));
        let reply = peer.next_text();
        assert_eq!(reply.split('\n').count(), commands.len(), "{reply}");
        peer.messages = 0;
        peer
    }

    /// Connects a subscriber to `/raw`.
    #[track_caller]
    pub fn raw(server: &Server, headers: &str, topics: &[&str]) -> Self {
        let topics: Vec<_> = topics
            .iter()
            .map(|topic| format!("topic={topic}"))
            .collect();
        Self::connect(server, &format!("/raw?{}", topics.join("&")), headers)
    }

    /// Sends bytes. Errors are ignored.
    pub fn send(&mut self, bytes: &[u8]) {
        // A server that closed the connection may have reset it.
        let _ = self.stream.write_all(bytes);
    }

    /// Reads some bytes. Returns whether the stream is still open.
    #[track_caller]
    fn receive(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(read) => {
                self.inbound.extend_from_slice(&bytes[..read]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("nothing was received: {error}"),
        }
    }

    /// Returns the next frame, or `None` at the end of the stream.
    #[track_caller]
    pub fn next(&mut self) -> Option<Taken> {
        loop {
            let taken =
                wire::take(&mut self.inbound, self.window_bits).expect("the frame is well-formed");
            if taken.is_some() {
                return taken;
            }
            if !self.receive() {
                return None;
            }
        }
    }

    #[track_caller]
    pub fn next_text(&mut self) -> String {
        loop {
            let taken = self.next().expect("a message is received");
            match taken.frame {
                Frame::Text(text) => {
                    self.messages += 1;
                    self.deflated += u64::from(taken.is_deflated);
                    return text;
                }
                Frame::Ping(_) => {}
                other => panic!("not a text message: {other:?}"),
            }
        }
    }

    /// Returns the publications in the next message: one on `/raw`, one or more in the client
    /// protocol.
    #[track_caller]
    pub fn next_publications(&mut self) -> Vec<Value> {
        let text = self.next_text();
        let lines = text.split('\n').map(|line| {
            let mut line: Value = serde_json::from_str(line).expect("every line is JSON");
            if self.is_raw {
                line
            } else {
                line["push"]["pub"]["data"].take()
            }
        });
        let lines: Vec<_> = lines.collect();
        assert!(lines.len() == 1 || !self.is_raw);
        lines
    }

    /// Returns the code of the next close frame.
    #[track_caller]
    pub fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next().expect("a close frame is received").frame {
                Frame::Close(code) => return code,
                Frame::Ping(_) | Frame::Text(_) => {}
                other => panic!("not a close frame: {other:?}"),
            }
        }
    }
}
