//! ZeroMQ publishers with each socket type that the server accepts.

use std::time::Duration;

use zmq::{Context, SocketType};

use crate::client::RawSubscriber;
use crate::server::Server;
use crate::wait::{TIMEOUT, wait_for};

/// A connected ZeroMQ socket that publishes.
pub struct Publisher {
    pub socket: zmq::Socket,
    _context: Context,
}

impl Publisher {
    /// Connects a PUSH socket.
    pub fn with_push(server: &Server) -> Self {
        Self::connect(zmq::PUSH, server.ports.pull)
    }

    /// Connects a PUB socket and waits until the subscription of the server is in force. Later
    /// publications are not lost.
    pub fn with_pub(server: &Server) -> Self {
        let publisher = Self::connect(zmq::PUB, server.ports.sub);
        let mut probe = RawSubscriber::connect(server, &["probe"]);
        wait_for("the server's subscription", || {
            publisher.send("probe", "0");
            probe.next_message_within(Duration::from_millis(20))
        });
        publisher
    }

    /// Connects a REQ socket.
    pub fn with_req(server: &Server) -> Self {
        Self::connect(zmq::REQ, server.ports.router)
    }

    /// Connects a DEALER socket.
    pub fn with_dealer(server: &Server) -> Self {
        Self::connect(zmq::DEALER, server.ports.router)
    }

    fn connect(socket_type: SocketType, port: u16) -> Self {
        Self::connect_to(socket_type, &format!("tcp://127.0.0.1:{port}"), |_| {})
    }

    /// Connects a socket to an endpoint. `prepare` sets options before the connect.
    pub fn connect_to(
        socket_type: SocketType,
        endpoint: &str,
        prepare: impl FnOnce(&zmq::Socket),
    ) -> Self {
        let context = Context::new();
        let socket = context.socket(socket_type).unwrap();
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

    /// Sends one message of several parts.
    #[track_caller]
    pub fn send_parts(&self, parts: &[&[u8]]) {
        self.socket
            .send_multipart(parts, 0)
            .expect("the message is sent");
    }

    /// Sends a publication from a DEALER socket. An error is ignored: if the server has refused the
    /// connection, there is no peer to send to.
    pub fn try_send(&self, topic: &str, payload: &str) {
        let parts = ["", topic, payload];
        let _ = self.socket.send_multipart(parts, zmq::DONTWAIT);
    }

    /// Returns the parts of the next reply of the ROUTER socket.
    #[track_caller]
    pub fn reply(&self) -> Vec<Vec<u8>> {
        self.socket.recv_multipart(0).expect("a reply arrives")
    }

    /// Sends a publication from a REQ socket and waits until ingest has accepted it.
    #[track_caller]
    pub fn send_and_wait(&self, topic: &str, payload: impl AsRef<[u8]>) {
        self.send(topic, payload);
        assert_eq!(self.reply(), [b"ok"]);
    }
}
