//! TOML, environment and flags to one typed configuration; contradictions are refused.
//! Read once before the cores start, then shared read-only.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

/// The whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub ws: WebSocket,
    pub ingest: Ingest,
    pub cpu: Cpu,
    pub admin: Admin,
    pub drain: Drain,
    pub log: Log,
    pub namespaces: Vec<Namespace>,
}

/// `[ws]`: WebSocket clients.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocket {
    pub listen: SocketAddr,
    pub origins: Vec<String>,
    pub ping: Duration,
    pub pong_timeout: Duration,
    pub handshake_timeout: Duration,
    /// Bytes of an inbound message.
    pub max_message: usize,
    /// Topics of one connection.
    pub max_topics: usize,
    /// `None`: derived from the descriptor limit.
    pub max_connections: Option<usize>,
    /// Commands a client may send per second, with a burst of as many.
    pub max_command_rate: u32,
    /// Bytes a connection may have pending.
    pub outbox: usize,
    pub slow: SlowPolicy,
    /// Serve `/echo`, for conformance tests only.
    pub echo: bool,
}

/// `[ingest]`: publishers.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingest {
    pub pull: Vec<String>,
    pub sub: Vec<String>,
    pub router: Vec<String>,
    pub max_payload: usize,
    /// Messages libzmq may hold per publisher before its own high-water mark acts.
    pub high_water_mark: u32,
    /// Networks publishers may connect from; empty: any that reaches the socket.
    pub allow: Vec<IpNet>,
    /// User and password pairs (`user:password`); empty: no authentication.
    pub plain: Vec<String>,
    /// File mode of `ipc://` sockets.
    pub ipc_mode: u32,
}

/// `[cpu]`: which core does what.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpu {
    /// `None`: allowed cores minus one, at least one.
    pub shards: Option<usize>,
    /// Empty: all allowed cores. The first is for ingest and control, the rest for shards.
    pub cores: Vec<usize>,
}

/// `[admin]`: metrics, health, stats, HTTP publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    /// `None`: off.
    pub listen: Option<SocketAddr>,
    /// Required as `Authorization: Bearer TOKEN` when set.
    pub token: Option<String>,
}

/// `[drain]`: how a SIGTERM ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Drain {
    /// The time over which connections are closed, evenly.
    pub period: Duration,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `fanfare=debug`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// `[[namespace]]`: what holds for the topics `name:…`. The name `""` sets the rules for topics
/// whose prefix is no configured namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    pub name: String,
    pub payload: PayloadKind,
    pub slow: SlowPolicy,
    /// Whether clients may publish.
    pub publish: bool,
}

/// What a namespace's payloads are; they are checked on the way in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadKind {
    #[default]
    Json,
    Text,
    Binary,
}

/// What happens to a connection whose outbox is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowPolicy {
    /// Close it with 3008; it reconnects and starts afresh.
    #[default]
    Disconnect,
    /// Drop its oldest pending publications.
    DropOldest,
    /// While it is behind, keep only the latest publication per topic.
    Conflate,
}

impl Config {
    /// The rules for `topic`: those of its configured namespace, else the default ones.
    pub fn namespace(&self, topic: &str) -> &Namespace {
        let name = topic.split_once(':').map_or("", |(name, _)| name);
        let find = |name: &str| self.namespaces.iter().find(|each| each.name == name);
        find(name).or_else(|| find("")).expect("the default namespace is always there")
    }
}
