//! The interface to a server: how it is started, how its clients subscribe, what it sends to them,
//! and how to publish to it. Main thread and publishing thread.

use std::fmt::Debug;
use std::net::SocketAddr;

use crate::error::BenchError;
use crate::options::{CommonOptions, Protocol};
use crate::publishing::address::PublisherAddress;
use crate::publishing::connection::PublisherConnection;
use crate::targets::guard::GuardedServer;
use crate::targets::ports::PortAllocator;

/// A kind of server.
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
    fn resource(&self, protocol: Protocol, topics: &[String]) -> String;

    /// Returns the message that a client sends when its WebSocket is open, or `None` if the request
    /// alone subscribes it.
    fn first_message(&self, _protocol: Protocol, _topics: &[String]) -> Option<FirstMessage> {
        None
    }

    /// Returns the first item of a message and its length in bytes, or `None` if the message is
    /// empty or if the rest of the item follows in the next message.
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
    pub opcode: u8,
    pub message: Vec<u8>,
    /// Number of replies after which the client counts as open.
    pub replies: usize,
}

/// One item in a message from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerItem<'a> {
    /// The payload of a publication.
    Publication(&'a [u8]),
    /// The reply to a command of the client.
    Reply(&'a [u8]),
    /// A ping, which the client answers with `answer`.
    Ping { opcode: u8, answer: &'static [u8] },
    /// An item that a client may ignore.
    Ignored,
    /// An item that belongs neither to the protocol nor to the load generator.
    Unknown,
}

/// A server that the load generator has started.
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
