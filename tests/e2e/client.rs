//! WebSocket clients with tungstenite: one for the client protocol and one for `/raw`.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::client::client_with_config;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

use super::server::Server;
use super::wait::TIMEOUT;

/// A connected WebSocket.
pub struct Socket(WebSocket<TcpStream>);

impl Socket {
    pub fn connect(server: &Server, target: &str) -> Self {
        Self::try_connect(server, target).expect("the upgrade succeeds")
    }

    /// Connects. Returns the HTTP status of a refusal as error, or 0 if there was no response.
    pub fn try_connect(server: &Server, target: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(server.ws_address()).map_err(|_| 0_u16)?;
        Self::over(stream, target)
    }

    /// Upgrades a connected stream.
    pub fn over(stream: TcpStream, target: &str) -> Result<Self, u16> {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let url = format!("ws://localhost{target}");
        let unbounded = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        match client_with_config(url, stream, Some(unbounded)) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(_) => Err(0),
        }
    }

    pub fn send(&mut self, message: Message) {
        self.0.send(message).expect("the server reads");
    }

    /// Returns the next message of any kind, or `None` if nothing was received in time. Answers
    /// pings.
    #[track_caller]
    pub fn read_within(&mut self, timeout: Duration) -> Option<Message> {
        match self.try_read_within(timeout) {
            Ok(message) => message,
            Err(error) => panic!("the connection broke: {error}"),
        }
    }

    /// Reads like [`Socket::read_within`], but returns an error if the connection is broken.
    pub fn try_read_within(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(timeout)).unwrap();
        match self.0.read() {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads to the close frame and returns its code, or `None` for a close without one.
    #[track_caller]
    pub fn closed(&mut self) -> Option<u16> {
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if let Some(Message::Close(frame)) = self.read_within(TIMEOUT) {
                let code = frame.map(|frame| u16::from(frame.code));
                // Sends the response, then reads the end of the stream.
                while self.0.read().is_ok() {}
                return code;
            }
        }
        panic!("the connection stayed open");
    }

    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }
}

/// A subscriber of `/raw`.
pub struct Raw(pub Socket);

impl Raw {
    /// Connects. `topics` are written as in a query string.
    pub fn connect(server: &Server, topics: &[&str]) -> Self {
        let query = topics.iter().map(|topic| format!("topic={topic}"));
        let query = query.collect::<Vec<_>>().join("&");
        Self(Socket::connect(server, &format!("/raw?{query}")))
    }

    #[track_caller]
    pub fn next(&mut self) -> Message {
        self.next_within(TIMEOUT).expect("a message is received")
    }

    #[track_caller]
    pub fn next_within(&mut self, timeout: Duration) -> Option<Message> {
        loop {
            match self.0.read_within(timeout)? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Some(message),
            }
        }
    }

    #[track_caller]
    pub fn next_text(&mut self) -> String {
        match self.next() {
            Message::Text(text) => text.to_string(),
            other => panic!("not a text message: {other:?}"),
        }
    }
}

/// A subscriber with the client protocol.
pub struct Client {
    pub socket: Socket,
    lines: VecDeque<Value>,
    last_id: u32,
    pub answers_pings: bool,
    pub pings: usize,
}

/// A publication that a client received: its topic and its data.
pub type Push = (String, Value);

impl Client {
    /// Connects and upgrades without sending a command.
    pub fn open(server: &Server) -> Self {
        Self {
            socket: Socket::connect(server, "/connection/websocket"),
            lines: VecDeque::new(),
            last_id: 0,
            answers_pings: true,
            pings: 0,
        }
    }

    #[track_caller]
    pub fn connect(server: &Server) -> Self {
        let mut client = Self::open(server);
        let reply = client.command("connect", &json!({}));
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        client
    }

    #[track_caller]
    pub fn subscribed(server: &Server, topics: &[&str]) -> Self {
        let mut client = Self::connect(server);
        for topic in topics {
            client.subscribe(topic);
        }
        client
    }

    #[track_caller]
    pub fn subscribe(&mut self, topic: &str) {
        let reply = self.command("subscribe", &json!({ "channel": topic }));
        assert!(reply["subscribe"].is_object(), "{reply}");
    }

    #[track_caller]
    pub fn unsubscribe(&mut self, topic: &str) {
        let reply = self.command("unsubscribe", &json!({ "channel": topic }));
        assert!(reply["unsubscribe"].is_object(), "{reply}");
    }

    /// Sends a command and returns its reply. Pushes that are received before it are kept.
    #[track_caller]
    pub fn command(&mut self, name: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, name: parameters });
        self.socket.send(Message::text(command.to_string()));
        let mut seen = self.lines.len();
        loop {
            while self.lines.len() == seen {
                assert!(self.read(TIMEOUT), "no reply to {command}");
            }
            if self.lines[seen]["id"] == self.last_id {
                return self.lines.remove(seen).expect("the index is valid");
            }
            seen += 1;
        }
    }

    /// Reads one message into `lines`. Returns whether one was received in time.
    #[track_caller]
    fn read(&mut self, timeout: Duration) -> bool {
        let Some(message) = self.socket.read_within(timeout) else {
            return false;
        };
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return true,
            other => panic!("not a text message: {other:?}"),
        };
        for line in text.split('\n') {
            let line: Value = serde_json::from_str(line).expect("every line is JSON");
            if line.as_object().is_some_and(serde_json::Map::is_empty) {
                self.pings += 1;
                if self.answers_pings {
                    self.socket.send(Message::text("{}"));
                }
            } else {
                self.lines.push_back(line);
            }
        }
        true
    }

    #[track_caller]
    pub fn next(&mut self) -> Push {
        self.next_within(TIMEOUT)
            .expect("a publication is received")
    }

    #[track_caller]
    pub fn next_within(&mut self, timeout: Duration) -> Option<Push> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(push) = self.next_kept() {
                return Some(push);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.read(left);
        }
    }

    /// Returns the next publication that was received before a reply.
    #[track_caller]
    pub fn next_kept(&mut self) -> Option<Push> {
        let mut line = self.lines.pop_front()?;
        let push = &mut line["push"];
        let data = push["pub"]["data"].take();
        match push["channel"].take() {
            Value::String(topic) => Some((topic, data)),
            _ => panic!("not a push: {line}"),
        }
    }
}
