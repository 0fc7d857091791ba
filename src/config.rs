//! TOML, environment and flags to one typed configuration; contradictions are refused.
//! Read once before the cores start, then shared read-only.

mod draft;
mod error;
mod form;
mod keys;
mod layout;
mod load;
mod place;
mod reference;
mod reload;
mod rules;
mod secret;
mod source;
mod statsd;
mod summary;
mod template;
mod units;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

pub use error::{ConfigError, Origin};
pub use keys::{KEYS, Key};
pub use layout::Layout;
pub use load::{Agent, Load, Scale};
pub use reference::reference;
pub use reload::{LiveChanges, live_changes};
pub use rules::Contradiction;
pub use secret::same_secret;
pub use source::ConfigSource;
pub use statsd::Statsd;
pub use template::template;
pub use units::{duration, share};

/// The whole configuration, checked.
#[derive(Clone, PartialEq)]
pub struct Config {
    pub ws: WebSocket,
    pub ingest: Ingest,
    pub cpu: Cpu,
    pub admin: Admin,
    pub drain: Drain,
    pub agent: Agent,
    pub load: Load,
    pub scale: Scale,
    pub log: Log,
    pub statsd: Statsd,
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
    /// Bytes of a frame that publications arriving together may share; 0: each has its own.
    pub batch: usize,
    /// Serve `/echo`, for conformance tests only.
    pub echo: bool,
    pub deflate: Deflate,
}

/// `[ws.deflate]`: permessage-deflate (RFC 7692).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Whether new connections may negotiate it.
    pub enabled: bool,
    /// One of [`limits::DEFLATE_LEVELS`](crate::limits::DEFLATE_LEVELS).
    pub level: u8,
    /// Bytes of a frame's payload below which it goes plain.
    pub threshold: usize,
    pub apple: ApplePolicy,
}

/// What an offer of compression by a WebSocket client of Apple's is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApplePolicy {
    /// As if it had offered none: some versions fail on compressed frames.
    #[default]
    Decline,
    /// As anyone's.
    On,
}

/// `[ingest]`: publishers.
#[derive(Clone, PartialEq)]
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
#[derive(Clone, PartialEq)]
pub struct Admin {
    /// `None`: off.
    pub listen: Option<SocketAddr>,
    /// Required as `Authorization: Bearer TOKEN` when set.
    pub token: Option<String>,
}

/// `[drain]`: how connections are moved away.
#[derive(Clone, Debug, PartialEq)]
pub struct Drain {
    /// The time over which connections are closed, evenly, after a SIGTERM.
    pub period: Duration,
    /// How long a node that closed a share of them goes on announcing the least weight.
    pub dwell: Duration,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `fanfare=debug`.
    pub level: String,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One object per line.
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
    /// Whether its publications may be compressed.
    pub deflate: bool,
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

impl Default for Config {
    fn default() -> Self {
        let local = |port: u16| vec![format!("tcp://127.0.0.1:{port}")];
        Self {
            ws: WebSocket::default(),
            ingest: Ingest {
                pull: local(5560),
                sub: local(5562),
                router: local(5563),
                max_payload: 1024 * 1024,
                high_water_mark: 100_000,
                allow: Vec::new(),
                plain: Vec::new(),
                ipc_mode: 0o600,
            },
            cpu: Cpu {
                shards: None,
                cores: Vec::new(),
            },
            admin: Admin {
                listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8001))),
                token: None,
            },
            drain: Drain {
                period: Duration::from_secs(10),
                dwell: Duration::from_secs(30),
            },
            agent: Agent::default(),
            load: Load::default(),
            scale: Scale::default(),
            log: Log {
                format: LogFormat::Human,
                level: "info".into(),
            },
            statsd: Statsd::default(),
            namespaces: vec![Namespace {
                name: String::new(),
                payload: PayloadKind::Json,
                slow: SlowPolicy::Disconnect,
                publish: false,
                deflate: true,
            }],
        }
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8000)),
            origins: Vec::new(),
            ping: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            handshake_timeout: Duration::from_secs(5),
            max_message: 64 * 1024,
            max_topics: 128,
            max_connections: None,
            max_command_rate: 1000,
            outbox: 1024 * 1024,
            slow: SlowPolicy::Disconnect,
            batch: 8 * 1024,
            echo: false,
            deflate: Deflate::default(),
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            enabled: true,
            level: 1,
            threshold: 256,
            apple: ApplePolicy::Decline,
        }
    }
}

impl Config {
    /// The rules for `topic`: those of its configured namespace, else the default ones.
    pub fn namespace(&self, topic: &str) -> &Namespace {
        let name = topic.split_once(':').map_or("", |(name, _)| name);
        let find = |name: &str| self.namespaces.iter().find(|each| each.name == name);
        find(name)
            .or_else(|| find(""))
            .expect("the default namespace is always there")
    }
}
