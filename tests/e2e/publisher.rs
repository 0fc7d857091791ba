//! ZeroMQ publishers of every socket type that the server accepts.

use std::time::Duration;

use zmq::{Context, SocketType};

use super::client::Raw;
use super::server::Server;
use super::wait::{TIMEOUT, until};

/// A connected socket of a publisher.
pub struct Publisher {
    pub socket: zmq::Socket,
    _context: Context,
}

impl Publisher {
    pub fn push(server: &Server) -> Self {
        Self::connect(zmq::PUSH, server.ports.pull)
    }

    /// Connects a PUB socket and waits for the subscription of the server. Messages that are sent
    /// after that arrive.
    pub fn publish(server: &Server) -> Self {
        let publisher = Self::connect(zmq::PUB, server.ports.sub);
        let mut probe = Raw::connect(server, &["probe"]);
        until("the server's subscription", || {
            publisher.send("probe", "0");
            probe.next_within(Duration::from_millis(20))
        });
        publisher
    }

    pub fn request(server: &Server) -> Self {
        Self::connect(zmq::REQ, server.ports.router)
    }

    pub fn dealer(server: &Server) -> Self {
        Self::connect(zmq::DEALER, server.ports.router)
    }

    fn connect(kind: SocketType, port: u16) -> Self {
        Self::connect_to(kind, &format!("tcp://127.0.0.1:{port}"), |_| {})
    }

    /// Connects a socket. `prepare` sets options that have to be set before that.
    pub fn connect_to(
        kind: SocketType,
        endpoint: &str,
        prepare: impl FnOnce(&zmq::Socket),
    ) -> Self {
        let context = Context::new();
        let socket = context.socket(kind).unwrap();
        let timeout_ms = TIMEOUT.as_millis() as i32;
        socket.set_linger(0).unwrap();
        socket.set_rcvtimeo(timeout_ms).unwrap();
        socket.set_sndtimeo(timeout_ms).unwrap();
        socket.set_sndhwm(1_000_000).unwrap();
        prepare(&socket);
        socket.connect(endpoint).unwrap();
        Self {
            socket,
            _context: context,
        }
    }

    #[track_caller]
    pub fn send(&self, topic: &str, payload: impl AsRef<[u8]>) {
        self.send_parts(&[topic.as_bytes(), payload.as_ref()]);
    }

    #[track_caller]
    pub fn send_parts(&self, parts: &[&[u8]]) {
        self.socket
            .send_multipart(parts, 0)
            .expect("the message is sent");
    }

    /// Sends a message from a DEALER that the server may have disconnected.
    pub fn try_send(&self, topic: &str, payload: &str) {
        let parts = ["", topic, payload];
        // Without a connection, sending fails. That is permitted.
        let _ = self.socket.send_multipart(parts, zmq::DONTWAIT);
    }

    /// Returns the frames of the reply of the router.
    #[track_caller]
    pub fn reply(&self) -> Vec<Vec<u8>> {
        self.socket.recv_multipart(0).expect("a reply is received")
    }

    /// Sends one publication by REQ and waits for the reply of ingest.
    #[track_caller]
    pub fn send_and_wait(&self, topic: &str, payload: impl AsRef<[u8]>) {
        self.send(topic, payload);
        assert_eq!(self.reply(), [b"ok"]);
    }
}
