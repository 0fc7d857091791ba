//! Opens and binds the ZeroMQ sockets. Main thread, before the ingest thread starts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use zmq::{Context, Socket, SocketType};

use crate::config::{Config, Endpoint, IngestConfig};
use crate::host::port_owner::TakenBy;
use crate::limits::{ENVELOPE_BYTES, FRAME_BYTES, META_BYTES, TOPIC_BYTES, ZEROMQ_LINGER};

use super::connections::Connections;
use super::socket_monitor::SocketMonitor;
use super::zap::{self, Authenticator};

/// The kind of socket that a message arrived on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketKind {
    /// Receives from PUSH sockets.
    Pull,
    /// Receives from REQ and DEALER sockets, which get a reply.
    Router,
    /// Receives from PUB sockets.
    Sub,
}

impl SocketKind {
    /// Returns the label `socket` of the metric `fanfare_received_total`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Router => "router",
            Self::Sub => "sub",
        }
    }
}

/// Why an endpoint could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{key} = {endpoint}: {by}")]
    Taken {
        key: &'static str,
        endpoint: String,
        by: TakenBy,
    },
    #[error("{key} = {endpoint}: {error}")]
    Endpoint {
        key: &'static str,
        endpoint: String,
        error: zmq::Error,
    },
    #[error("{key} = {endpoint}: the mode of the socket file cannot be set: {error}")]
    Mode {
        key: &'static str,
        endpoint: String,
        error: std::io::Error,
    },
    #[error("a ZeroMQ socket could not be created: {0}")]
    Setup(#[from] zmq::Error),
}

/// A socket that receives publications, and its connections.
pub(super) struct Receiver {
    pub(super) kind: SocketKind,
    pub(super) socket: Socket,
    pub(super) monitor: SocketMonitor,
    pub(super) connections: Connections,
}

/// All sockets of the ingest thread, bound.
pub struct Sockets {
    pub(super) receivers: Vec<Receiver>,
    /// `None` if the configuration restricts no publisher.
    pub(super) authenticator: Option<Authenticator>,
    /// The last field, because a context must outlive its sockets.
    pub(super) context: Context,
}

impl Sockets {
    /// Binds all endpoints of `config`.
    ///
    /// The caller has set a umask that denies others access to the files of `ipc://` endpoints
    /// until their mode is set.
    pub(super) fn bind(config: &Config) -> Result<Self, BindError> {
        let context = Context::new();
        let ingest = &config.ingest;
        // libzmq asks the authenticator from the first connection on, so it is opened first.
        let authenticator = Authenticator::open(&context, ingest)?;
        let mut receivers = Vec::new();
        for (kind, socket_type, key, endpoints) in [
            (SocketKind::Pull, zmq::PULL, "ingest.pull", &ingest.pull),
            (SocketKind::Sub, zmq::SUB, "ingest.sub", &ingest.sub),
            (
                SocketKind::Router,
                zmq::ROUTER,
                "ingest.router",
                &ingest.router,
            ),
        ] {
            if endpoints.is_empty() {
                continue;
            }
            let socket = open(&context, socket_type, ingest)?;
            if authenticator.is_some() {
                socket.set_zap_domain(zap::DOMAIN)?;
                socket.set_plain_server(!ingest.plain.is_empty())?;
            }
            let monitor = SocketMonitor::open(&context, kind.name(), &socket, ingest)?;
            for endpoint in endpoints {
                bind(&socket, key, endpoint, ingest.ipc_mode)?;
            }
            receivers.push(Receiver {
                kind,
                socket,
                monitor,
                connections: Connections::default(),
            });
        }
        Ok(Self {
            receivers,
            authenticator,
            context,
        })
    }
}

fn open(context: &Context, kind: SocketType, ingest: &IngestConfig) -> Result<Socket, zmq::Error> {
    let socket = context.socket(kind)?;
    let message_bytes = ingest.max_payload + TOPIC_BYTES + META_BYTES;
    socket.set_linger(ZEROMQ_LINGER.as_millis() as i32)?;
    socket.set_rcvhwm(high_water_mark(ingest, message_bytes))?;
    socket.set_sndhwm(high_water_mark(ingest, ENVELOPE_BYTES))?;
    socket.set_maxmsgsize(i64::try_from(FRAME_BYTES).unwrap_or(i64::MAX))?;
    socket.set_ipv6(true)?;
    match kind {
        zmq::SUB => socket.set_subscribe(b"")?,
        // A reply that cannot be delivered is then an error, which is counted.
        zmq::ROUTER => socket.set_router_mandatory(true)?,
        _ => {}
    }
    Ok(socket)
}

/// Returns how many messages of `message_bytes` libzmq may queue for one publisher. At 0, libzmq
/// would queue without bound.
fn high_water_mark(ingest: &IngestConfig, message_bytes: usize) -> i32 {
    let fitting = (ingest.publisher_memory / message_bytes).max(1);
    let fitting = i32::try_from(fitting).unwrap_or(i32::MAX);
    i32::try_from(ingest.high_water_mark).map_or(fitting, |mark| mark.min(fitting))
}

fn bind(
    socket: &Socket,
    key: &'static str,
    endpoint: &Endpoint,
    mode: u32,
) -> Result<(), BindError> {
    let endpoint_name = || endpoint.to_string();
    let taken = || BindError::Taken {
        key,
        endpoint: endpoint_name(),
        by: TakenBy::find(endpoint.socket_address()),
    };
    let path = endpoint.socket_file();
    // libzmq would remove the file of a process that listens there.
    if path.is_some_and(|path| UnixStream::connect(path).is_ok()) {
        return Err(taken());
    }
    socket
        .bind(endpoint.as_str())
        .map_err(|error| match error {
            zmq::Error::EADDRINUSE => taken(),
            error => BindError::Endpoint {
                key,
                endpoint: endpoint_name(),
                error,
            },
        })?;
    if let Some(path) = path {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| {
            BindError::Mode {
                key,
                endpoint: endpoint_name(),
                error,
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_mark_follows_the_memory_and_is_never_unlimited() {
        let mark = |marked: u32, memory: usize, message_bytes: usize| {
            let mut ingest = Config::default().ingest;
            ingest.high_water_mark = marked;
            ingest.publisher_memory = memory;
            high_water_mark(&ingest, message_bytes)
        };
        assert_eq!(mark(100_000, 1_000_000, 1_000), 1_000);
        assert_eq!(mark(7, 1_000_000, 1_000), 7);
        assert_eq!(mark(100_000, 1, 1_000), 1);
        assert_eq!(mark(u32::MAX, usize::MAX, 1), i32::MAX);
    }
}
