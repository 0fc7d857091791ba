//! TOML, environment and flags to one typed configuration; contradictions are refused.
//! Read once before the cores start, then shared read-only.

mod draft;
mod error;
mod form;
mod keys;
mod layout;
mod place;
mod reference;
mod reload;
mod rules;
mod secret;
mod source;
mod units;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

pub use error::{ConfigError, Origin};
pub use keys::{KEYS, Key};
pub use layout::Layout;
pub use reference::reference;
pub use reload::{LiveChanges, live_changes};
pub use rules::Contradiction;
pub use secret::same_secret;
pub use source::ConfigSource;

/// The whole configuration, checked.
#[derive(Clone, PartialEq)]
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
            },
            log: Log {
                format: LogFormat::Human,
                level: "info".into(),
            },
            namespaces: vec![Namespace {
                name: String::new(),
                payload: PayloadKind::Json,
                slow: SlowPolicy::Disconnect,
                publish: false,
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
            echo: false,
        }
    }
}

/// What is not at its default, with passwords hidden: configuration may end up in a log.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.differences()).finish()
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

    /// Every key that is not at its default, as `section.key = value`; passwords stay hidden.
    pub fn differences(&self) -> Vec<String> {
        let default = Self::default();
        let differs = |key: &&Key| !(key.same)(self, &default);
        let line = |key: &Key| format!("{} = {}", key.name, show(self, key));
        let mut lines: Vec<_> = KEYS.iter().filter(differs).map(line).collect();
        for namespace in &self.namespaces {
            let Namespace {
                name,
                payload,
                slow,
                publish,
            } = namespace;
            let inherited = Namespace {
                slow: self.ws.slow,
                ..default.namespaces[0].clone()
            };
            if *namespace != inherited {
                let (payload, slow) = ((form::PAYLOAD.show)(payload), (form::SLOW.show)(slow));
                lines.push(format!(
                    "namespace {name:?}: payload {payload}, slow {slow}, publish {publish}"
                ));
            }
        }
        lines
    }

    /// What works and is still likely a mistake, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(listen) = self.admin.listen
            && !listen.ip().is_loopback()
            && self.admin.token.is_none()
        {
            warnings.push(format!(
                "admin.listen ({listen}) is not loopback and admin.token is not set: whoever \
                 reaches it can publish"
            ));
        }
        let ingest = &self.ingest;
        let open = ingest.allow.is_empty() && ingest.plain.is_empty();
        let endpoints = [&ingest.pull, &ingest.sub, &ingest.router]
            .into_iter()
            .flatten();
        let exposed = |endpoint: &&String| {
            endpoint.starts_with("tcp://")
                && !endpoint.starts_with("tcp://127.")
                && !endpoint.starts_with("tcp://localhost:")
                && !endpoint.starts_with("tcp://[::1]:")
        };
        for endpoint in endpoints.filter(exposed).filter(|_| open) {
            warnings.push(format!(
                "{endpoint} is not loopback, and neither ingest.allow nor ingest.plain is set: \
                 whoever reaches it can publish"
            ));
        }
        if self.ws.echo {
            warnings.push("ws.echo is on: /echo is for conformance tests".into());
        }
        warnings
    }
}

/// The value of `key` as a person would write it.
fn show(config: &Config, key: &Key) -> String {
    (key.show)(config)
}
