//! WebSocket clients that use tungstenite: a client of the client protocol, and a subscriber on
//! `/raw`.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tungstenite::client::client_with_config;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

use crate::server::Server;
use crate::wait::TIMEOUT;

/// A WebSocket connection to a server.
pub struct WebSocketConnection(WebSocket<TcpStream>);

impl WebSocketConnection {
    pub fn connect(server: &Server, target: &str) -> Self {
        Self::try_connect(server, target).expect("the upgrade succeeds")
    }

    /// Connects, and fails with the HTTP status of the refusal, or with 0 if there was no response.
    pub fn try_connect(server: &Server, target: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(server.ws_address()).map_err(|_| 0_u16)?;
        Self::upgrade(stream, target)
    }

    /// Upgrades a connected stream. Fails like [`Self::try_connect`].
    pub fn upgrade(stream: TcpStream, target: &str) -> Result<Self, u16> {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let url = format!("ws://localhost{target}");
        let unlimited = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        match client_with_config(url, stream, Some(unlimited)) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    pub fn send(&mut self, message: Message) {
        self.0.send(message).expect("the server reads");
    }

    /// Returns the next message of any kind; `None` if there is none within the timeout. Pings are
    /// answered automatically. Panics if the connection is broken.
    #[track_caller]
    pub fn read_within(&mut self, timeout: Duration) -> Option<Message> {
        match self.try_read_within(timeout) {
            Ok(message) => message,
            Err(error) => panic!("the connection is broken: {error}"),
        }
    }

    /// Returns the next message like [`Self::read_within`]. Fails if the connection is broken.
    pub fn try_read_within(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(timeout)).unwrap();
        match self.0.read() {
            Ok(message) => Ok(Some(message)),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads until the close frame, answers it, and reads until the end of the stream. Returns the
    /// code of the close frame; `None` if it has none.
    #[track_caller]
    pub fn read_close_code(&mut self) -> Option<u16> {
        let deadline = Instant::now() + TIMEOUT;
        while Instant::now() < deadline {
            if let Some(Message::Close(frame)) = self.read_within(TIMEOUT) {
                let code = frame.map(|frame| u16::from(frame.code));
                // The first read sends the answer.
                while self.0.read().is_ok() {}
                return code;
            }
        }
        panic!("no close frame arrived");
    }

    pub fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }
}

/// A subscriber on `/raw`.
pub struct RawSubscriber(pub WebSocketConnection);

impl RawSubscriber {
    /// Connects with these topics, which must be valid in a query string.
    pub fn connect(server: &Server, topics: &[&str]) -> Self {
        let mut parameters = Vec::new();
        for topic in topics {
            parameters.push(format!("topic={topic}"));
        }
        let target = format!("/raw?{}", parameters.join("&"));
        Self(WebSocketConnection::connect(server, &target))
    }

    /// Returns the next data or close message.
    #[track_caller]
    pub fn next_message(&mut self) -> Message {
        self.next_message_within(TIMEOUT)
            .expect("a message arrives")
    }

    /// Returns the next data or close message; `None` if there is none within the timeout.
    #[track_caller]
    pub fn next_message_within(&mut self, timeout: Duration) -> Option<Message> {
        loop {
            match self.0.read_within(timeout)? {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return Some(message),
            }
        }
    }

    /// Returns the next message, which must be a text message.
    #[track_caller]
    pub fn next_text(&mut self) -> String {
        match self.next_message() {
            Message::Text(text) => text.to_string(),
            other => panic!("not a text message: {other:?}"),
        }
    }
}

/// A client of the client protocol.
pub struct ProtocolClient {
    pub connection: WebSocketConnection,
    /// Replies and pushes that were received and not returned yet.
    buffered: VecDeque<Value>,
    last_id: u32,
    pub answers_pings: bool,
    /// Number of pings received.
    pub pings: usize,
}

/// Topic and data of a publication.
pub type Publication = (String, Value);

impl ProtocolClient {
    /// Opens a WebSocket and sends no command.
    pub fn open(server: &Server) -> Self {
        Self {
            connection: WebSocketConnection::connect(server, "/connection/websocket"),
            buffered: VecDeque::new(),
            last_id: 0,
            answers_pings: true,
            pings: 0,
        }
    }

    /// Opens a WebSocket and sends the connect command.
    #[track_caller]
    pub fn connect(server: &Server) -> Self {
        let mut client = Self::open(server);
        let reply = client.command("connect", &json!({}));
        assert!(reply["connect"]["client"].is_string(), "{reply}");
        client
    }

    /// Connects a client and subscribes it to these topics.
    #[track_caller]
    pub fn connect_subscribed(server: &Server, topics: &[&str]) -> Self {
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

    /// Sends a command and returns its reply. Pushes that arrive before the reply are buffered.
    #[track_caller]
    pub fn command(&mut self, name: &str, parameters: &Value) -> Value {
        self.last_id += 1;
        let command = json!({ "id": self.last_id, name: parameters });
        self.connection.send(Message::text(command.to_string()));
        let mut index = self.buffered.len();
        loop {
            while self.buffered.len() == index {
                let is_received = self.receive(TIMEOUT).is_some();
                assert!(is_received, "no reply to {command}");
            }
            if self.buffered[index]["id"] == self.last_id {
                return self.buffered.remove(index).expect("the index is in range");
            }
            index += 1;
        }
    }

    /// Reads one message, buffers its replies and pushes, and answers its pings. Returns `None` if
    /// no message arrives within the timeout.
    #[track_caller]
    fn receive(&mut self, timeout: Duration) -> Option<()> {
        let text = match self.connection.read_within(timeout)? {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Some(()),
            other => panic!("not a text message: {other:?}"),
        };
        for line in text.split('\n') {
            let line: Value = serde_json::from_str(line).expect("every line is JSON");
            let is_ping = line.as_object().is_some_and(Map::is_empty);
            if !is_ping {
                self.buffered.push_back(line);
                continue;
            }
            self.pings += 1;
            if self.answers_pings {
                self.connection.send(Message::text("{}"));
            }
        }
        Some(())
    }

    /// Returns the next publication.
    #[track_caller]
    pub fn next_publication(&mut self) -> Publication {
        self.next_publication_within(TIMEOUT)
            .expect("a publication arrives")
    }

    /// Returns the next publication; `None` if there is none within the timeout.
    #[track_caller]
    pub fn next_publication_within(&mut self, timeout: Duration) -> Option<Publication> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(publication) = self.next_buffered() {
                return Some(publication);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.receive(left);
        }
    }

    /// Returns the next of the publications that arrived before a reply; `None` if there is none.
    #[track_caller]
    pub fn next_buffered(&mut self) -> Option<Publication> {
        let mut line = self.buffered.pop_front()?;
        let push = &mut line["push"];
        let data = push["pub"]["data"].take();
        match push["channel"].take() {
            Value::String(topic) => Some((topic, data)),
            _ => panic!("not a push: {line}"),
        }
    }
}
