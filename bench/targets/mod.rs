//! The servers that a scenario can measure. Scenarios do not know which one they run against:
//! what differs between servers is behind [`Target`], one file each.

mod cores;
mod fanfare;
mod floor;
pub mod guard;
mod installed;
mod nats;
mod nchan;
mod ports;
mod pushpin;
mod start;

pub use cores::{Cores, pin};
pub use ports::Ports;
pub use start::start;

use std::fmt::{self, Debug, Display};
use std::net::SocketAddr;

use clap::ValueEnum;

use crate::arguments::{Common, Protocol};
use crate::fault::Fault;
use crate::line::Line;
use guard::Guarded;

/// Names of the servers, for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    Fanfare,
    /// The least that such a server can do: a bare epoll and send loop inside this program
    Floor,
    /// The same, fed through libzmq as fanfare is
    FloorZeromq,
    /// nats-server, of the Debian package of that name
    Nats,
    /// nginx with nchan, of the Debian packages nginx-light and libnginx-mod-nchan
    Nchan,
    /// pushpin, of the Debian package of that name
    Pushpin,
}

impl Name {
    pub fn target(self) -> &'static dyn Target {
        match self {
            Self::Fanfare => FANFARE,
            Self::Floor => &floor::Floor::Stream,
            Self::FloorZeromq => &floor::Floor::ZeroMq,
            Self::Nats => &nats::Nats,
            Self::Nchan => &nchan::Nchan,
            Self::Pushpin => &pushpin::Pushpin,
        }
    }
}

impl Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Fanfare => "fanfare",
            Self::Floor => "floor",
            Self::FloorZeromq => "floor-zeromq",
            Self::Nats => "nats",
            Self::Nchan => "nchan",
            Self::Pushpin => "pushpin",
        })
    }
}

/// What is measured unless the command line says otherwise.
pub const FANFARE: &dyn Target = &fanfare::Fanfare;

/// A server: how it is started, what its clients say and hear, how it is published to.
pub trait Target: Debug + Sync {
    /// Starts it on free ports of loopback, on the cores that the calling thread is pinned to.
    fn start(&self, common: &Common, ports: &mut Ports) -> Result<Running, Fault>;

    /// What follows `GET` in the request of a client that wants these topics. `protocol` is for
    /// servers that speak both; the others have their own.
    fn resource(&self, protocol: Protocol, topics: &[String]) -> String;

    /// What such a client sends once its WebSocket is open. `None`: its request was enough.
    fn opening(&self, _protocol: Protocol, _topics: &[String]) -> Option<Opening> {
        None
    }

    /// The first item of a message, and how many bytes it takes. `None`: the rest of it comes
    /// with the next message, or nothing is left.
    fn item<'a>(
        &self,
        _protocol: Protocol,
        _opcode: u8,
        message: &'a [u8],
    ) -> Option<(Item<'a>, usize)> {
        let whole = (Item::Publication(message), message.len());
        (!message.is_empty()).then_some(whole)
    }

    /// Connects the publishing side.
    fn line(&self, common: &Common) -> Result<Line, Fault>;
}

/// The first message of a client.
#[derive(Debug, PartialEq, Eq)]
pub struct Opening {
    pub opcode: u8,
    pub message: Vec<u8>,
    /// How many replies make the client open.
    pub replies: usize,
}

/// What a client hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The payload of a publication.
    Publication(&'a [u8]),
    /// A reply to what the client has sent.
    Reply(&'a [u8]),
    /// Asks for this answer.
    Ping { opcode: u8, answer: &'static [u8] },
    /// Nothing that a client needs to know.
    Aside,
    /// Neither of the server's protocol nor of the load generator.
    Unknown,
}

/// A server that was started.
#[derive(Debug)]
pub struct Running {
    pub server: Guarded,
    /// Where WebSocket clients connect.
    pub clients: SocketAddr,
    /// Where publications go, as [`Common::push`] names it.
    pub push: String,
    /// Where it listens for those.
    pub publishers: SocketAddr,
    /// The admin port, if it has one.
    pub admin: Option<SocketAddr>,
}
