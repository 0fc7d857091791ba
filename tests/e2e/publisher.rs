//! ZeroMQ publishers of every kind that the server takes.

use std::time::Duration;

use zmq::{Context, SocketType};

use super::client::Raw;
use super::server::Server;
use super::wait::{PATIENCE, until};

/// A publisher's socket, connected.
pub struct Publisher {
    pub socket: zmq::Socket,
    _context: Context,
}

impl Publisher {
    pub fn push(server: &Server) -> Self {
        Self::connect(zmq::PUSH, server.ports.pull)
    }

    /// A PUB socket to which the server's subscription has come through: what it sends from now
    /// on arrives.
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

    /// With options that have to be set before connecting.
    pub fn connect_to(
        kind: SocketType,
        endpoint: &str,
        prepare: impl FnOnce(&zmq::Socket),
    ) -> Self {
        let context = Context::new();
        let socket = context.socket(kind).unwrap();
        let patience_ms = PATIENCE.as_millis() as i32;
        socket.set_linger(0).unwrap();
        socket.set_rcvtimeo(patience_ms).unwrap();
        socket.set_sndtimeo(patience_ms).unwrap();
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
        self.socket.send_multipart(parts, 0).expect("it is sent");
    }

    /// Sends from a DEALER what the server may already have turned away.
    pub fn try_send(&self, topic: &str, payload: &str) {
        let parts = ["", topic, payload];
        // Without a connection there is nowhere to send to, which is as good.
        let _ = self.socket.send_multipart(parts, zmq::DONTWAIT);
    }

    /// The reply of the router, frame by frame.
    #[track_caller]
    pub fn reply(&self) -> Vec<Vec<u8>> {
        self.socket.recv_multipart(0).expect("a reply comes")
    }

    /// Sends one publication by REQ and waits until ingest has it.
    #[track_caller]
    pub fn send_and_wait(&self, topic: &str, payload: impl AsRef<[u8]>) {
        self.send(topic, payload);
        assert_eq!(self.reply(), [b"ok"]);
    }
}
