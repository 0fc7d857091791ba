//! A client over a TCP socket that can negotiate compression and reads frame by frame.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::server::Server;
use crate::wait::TIMEOUT;
use crate::wire::{self, ReceivedFrame, ServerFrame};

/// Whether a stream can be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamState {
    Open,
    Ended,
}

/// A client that decompresses the frames it receives.
pub struct FrameClient {
    stream: TcpStream,
    /// Bytes that were received and not parsed yet.
    inbound: Vec<u8>,
    /// The server's window in bits, if permessage-deflate was negotiated.
    pub window_bits: Option<u8>,
    /// The client is connected to `/raw`.
    is_raw: bool,
    /// Number of text messages received, and number of those that were compressed.
    pub messages: u64,
    pub deflated: u64,
}

impl FrameClient {
    /// Opens a WebSocket at `target` with further header lines in the request.
    #[track_caller]
    pub fn connect(server: &Server, target: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(server.ws_address()).expect("the server listens");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut client = Self {
            stream,
            inbound: Vec::new(),
            window_bits: None,
            is_raw: target.starts_with("/raw"),
            messages: 0,
            deflated: 0,
        };
        client.send(&wire::upgrade_request_with(target, headers));
        while !client.inbound.windows(4).any(|end| end == b"\r\n\r\n") {
            assert_eq!(client.receive(), StreamState::Open, "no response");
        }
        client.window_bits = wire::agreed_window_bits(&client.inbound);
        let response = wire::take_response(&mut client.inbound);
        assert_eq!(response, Some((101, String::new())));
        client
    }

    /// Connects a client of the client protocol and subscribes it to these topics.
    #[track_caller]
    pub fn connect_subscribed(server: &Server, headers: &str, topics: &[&str]) -> Self {
        let mut client = Self::connect(server, "/connection/websocket", headers);
        let mut commands = vec![r#"{"id":1,"connect":{}}"#.to_owned()];
        for topic in topics {
            commands.push(format!(r#"{{"id":2,"subscribe":{{"channel":"{topic}"}}}}"#));
        }
        client.send(&wire::text_frame(&commands.join("\n")));
        let reply = client.next_text();
        assert_eq!(reply.split('\n').count(), commands.len(), "{reply}");
        client.messages = 0;
        client
    }

    /// Connects a subscriber on `/raw`.
    #[track_caller]
    pub fn connect_raw(server: &Server, headers: &str, topics: &[&str]) -> Self {
        let mut parameters = Vec::new();
        for topic in topics {
            parameters.push(format!("topic={topic}"));
        }
        let target = format!("/raw?{}", parameters.join("&"));
        Self::connect(server, &target, headers)
    }

    /// Sends bytes. An error is ignored, because the server may have closed the connection.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads bytes from the socket once.
    #[track_caller]
    fn receive(&mut self) -> StreamState {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => StreamState::Ended,
            Ok(read) => {
                self.inbound.extend_from_slice(&bytes[..read]);
                StreamState::Open
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => StreamState::Ended,
            Err(error) if error.kind() == ErrorKind::Interrupted => StreamState::Open,
            Err(error) => panic!("no bytes arrived: {error}"),
        }
    }

    /// Returns the next frame; `None` at the end of the stream.
    #[track_caller]
    pub fn next_frame(&mut self) -> Option<ReceivedFrame> {
        loop {
            let frame = wire::take_frame(&mut self.inbound, self.window_bits);
            let frame = frame.expect("frames are well-formed");
            if frame.is_some() {
                return frame;
            }
            if self.receive() == StreamState::Ended {
                return None;
            }
        }
    }

    /// Returns the next text message.
    #[track_caller]
    pub fn next_text(&mut self) -> String {
        loop {
            let received = self.next_frame().expect("a message arrives");
            match received.frame {
                ServerFrame::Text(text) => {
                    self.messages += 1;
                    self.deflated += u64::from(received.is_deflated);
                    return text;
                }
                ServerFrame::Ping(_) => {}
                other => panic!("not a text frame: {other:?}"),
            }
        }
    }

    /// Returns the data of the publications in the next message: one publication on `/raw`, one or
    /// more in the client protocol.
    #[track_caller]
    pub fn next_publications(&mut self) -> Vec<Value> {
        let text = self.next_text();
        let mut publications = Vec::new();
        for line in text.split('\n') {
            let mut line: Value = serde_json::from_str(line).expect("every line is JSON");
            publications.push(if self.is_raw {
                line
            } else {
                line["push"]["pub"]["data"].take()
            });
        }
        assert!(publications.len() == 1 || !self.is_raw);
        publications
    }

    /// Reads until the next close frame and returns its code; `None` if it has none.
    #[track_caller]
    pub fn read_close_code(&mut self) -> Option<u16> {
        loop {
            match self.next_frame().expect("a close frame arrives").frame {
                ServerFrame::Close(code) => return code,
                ServerFrame::Ping(_) | ServerFrame::Text(_) => {}
                other => panic!("not a close frame: {other:?}"),
            }
        }
    }
}
