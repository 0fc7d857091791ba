//! The interface to a server. It defines how the benchmark starts the server, subscribes clients,
//! parses the messages of the server, and publishes. Used on the main thread and the publishing
//! thread.

use std::fmt::Debug;
use std::net::SocketAddr;

use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::guard::GuardedServer;
use crate::targets::ports::PortAllocator;

/// A server program that the benchmark starts.
pub trait Target: Debug + Sync {
    /// Starts the server on free ports of loopback. The server inherits the core of the calling
    /// thread.
    fn start(
        &self,
        options: &CommonOptions,
        ports: &mut PortAllocator,
    ) -> Result<StartedServer, BenchError>;

    /// Returns the request target after `GET` in the request of a client that wants these topics.
    /// Targets with only one protocol ignore `protocol`.
    fn request_target(&self, protocol: Protocol, topics: &[String]) -> String;

    /// Returns the message that a client sends when its WebSocket is open, or
    /// `None` if the HTTP request already subscribes the client. Targets without tokens ignore
    /// `token`.
    fn first_message(
        &self,
        _protocol: Protocol,
        _topics: &[String],
        _token: Option<&str>,
    ) -> Option<FirstMessage> {
        None
    }

    /// Returns the first item of a message and the number of bytes of the message that the item
    /// occupies. Returns `None` if the message is empty or if the rest of the item follows in the
    /// next message.
    fn first_item<'a>(
        &self,
        _protocol: Protocol,
        _opcode: u8,
        message: &'a [u8],
    ) -> Option<(ServerItem<'a>, usize)> {
        let item = (ServerItem::Publication(message), message.len());
        (!message.is_empty()).then_some(item)
    }

    /// Opens a connection for publications.
    fn connect_publisher(
        &self,
        address: &PublisherAddress,
    ) -> Result<PublisherConnection, BenchError>;
}

/// The first message of a client.
#[derive(Debug, PartialEq, Eq)]
pub struct FirstMessage {
    /// The opcode of the WebSocket frame.
    pub opcode: u8,
    /// The payload of the WebSocket frame.
    pub message: Vec<u8>,
    /// Number of replies after which the client counts as subscribed.
    pub replies: usize,
}

/// One item in a message from the server, such as a line of a text protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerItem<'a> {
    /// The payload of a publication.
    Publication(&'a [u8]),
    /// The reply to a command of the client.
    Reply(&'a [u8]),
    /// A ping. The client answers with a frame that has this opcode and the payload `answer`.
    Ping { opcode: u8, answer: &'static [u8] },
    /// An item that a client may ignore.
    Ignored,
    /// An item that the protocol does not define.
    Unknown,
}

/// A server that the benchmark has started.
#[derive(Debug)]
pub struct StartedServer {
    pub server: GuardedServer,
    /// Where WebSocket clients connect.
    pub clients: SocketAddr,
    /// The endpoint for publications, in the form of `--push`.
    pub push: String,
    /// Where the server listens for publishers.
    pub publishers: SocketAddr,
    /// The admin port, if the server has one.
    pub admin: Option<SocketAddr>,
}
