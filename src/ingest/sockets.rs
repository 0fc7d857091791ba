//! The ZeroMQ sockets: what is bound where, and how a message is taken in.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use zmq::{Context, DONTWAIT, Message, SNDMORE, Socket, SocketType};

use crate::config::{Config, Ingest};
use crate::limits::{MESSAGE_FRAME_SLACK, MESSAGE_FRAMES, ZEROMQ_LINGER};

use super::zap::{self, Gate};

/// Which door a message came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Pull,
    Router,
    Sub,
}

/// An endpoint that could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("{key} = {endpoint}: the address is taken; stop what listens there or choose another")]
    Taken { key: &'static str, endpoint: String },
    #[error("{key} = {endpoint}: {error}")]
    Endpoint {
        key: &'static str,
        endpoint: String,
        error: zmq::Error,
    },
    #[error("{key} = {endpoint}: the socket file's mode cannot be set: {error}")]
    Mode {
        key: &'static str,
        endpoint: String,
        error: std::io::Error,
    },
    #[error("ZeroMQ could not set up a socket: {0}")]
    Setup(#[from] zmq::Error),
}

/// All sockets of ingest, bound.
pub struct Sockets {
    pub(super) doors: Vec<(Door, Socket)>,
    pub(super) gate: Option<Gate>,
    /// Last, so that its sockets are closed before it.
    pub(super) context: Context,
}

impl Sockets {
    /// The process has set a umask that keeps others out of `ipc://` files until their mode is set.
    pub(super) fn bind(config: &Config) -> Result<Self, BindError> {
        let context = Context::new();
        let ingest = &config.ingest;
        // libzmq asks the gate from the first connection on, so it stands before the doors.
        let gate = Gate::open(&context, ingest)?;
        let mut doors = Vec::new();
        for (door, kind, key, endpoints) in [
            (Door::Pull, zmq::PULL, "ingest.pull", &ingest.pull),
            (Door::Sub, zmq::SUB, "ingest.sub", &ingest.sub),
            (Door::Router, zmq::ROUTER, "ingest.router", &ingest.router),
        ] {
            if endpoints.is_empty() {
                continue;
            }
            let socket = open(&context, kind, ingest, gate.is_some())?;
            for endpoint in endpoints {
                bind(&socket, key, endpoint, ingest.ipc_mode)?;
            }
            doors.push((door, socket));
        }
        Ok(Self {
            doors,
            gate,
            context,
        })
    }
}

fn open(
    context: &Context,
    kind: SocketType,
    ingest: &Ingest,
    gated: bool,
) -> Result<Socket, zmq::Error> {
    let socket = context.socket(kind)?;
    socket.set_linger(ZEROMQ_LINGER.as_millis() as i32)?;
    socket.set_rcvhwm(i32::try_from(ingest.high_water_mark).unwrap_or(i32::MAX))?;
    socket.set_sndhwm(i32::try_from(ingest.high_water_mark).unwrap_or(i32::MAX))?;
    socket.set_maxmsgsize(
        i64::try_from(ingest.max_payload + MESSAGE_FRAME_SLACK).unwrap_or(i64::MAX),
    )?;
    socket.set_ipv6(true)?;
    match kind {
        zmq::SUB => socket.set_subscribe(b"")?,
        // A reply that cannot be delivered is then an error, which is counted.
        zmq::ROUTER => socket.set_router_mandatory(true)?,
        _ => {}
    }
    if gated {
        socket.set_zap_domain(zap::DOMAIN)?;
        socket.set_plain_server(!ingest.plain.is_empty())?;
    }
    Ok(socket)
}

fn bind(socket: &Socket, key: &'static str, endpoint: &str, mode: u32) -> Result<(), BindError> {
    let name = || endpoint.to_owned();
    let path = endpoint
        .strip_prefix("ipc://")
        .filter(|path| !path.starts_with('@'));
    // libzmq would take the file away from whoever listens there.
    if path.is_some_and(|path| UnixStream::connect(path).is_ok()) {
        return Err(BindError::Taken {
            key,
            endpoint: name(),
        });
    }
    socket.bind(endpoint).map_err(|error| match error {
        zmq::Error::EADDRINUSE => BindError::Taken {
            key,
            endpoint: name(),
        },
        error => BindError::Endpoint {
            key,
            endpoint: name(),
            error,
        },
    })?;
    if let Some(path) = path {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| {
            BindError::Mode {
                key,
                endpoint: name(),
                error,
            }
        })?;
    }
    Ok(())
}

/// Does it again if a signal came in between: libzmq may have taken the socket's ring by then, and
/// what it rang for would lie there unseen.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> zmq::Result<T>) -> zmq::Result<T> {
    loop {
        match call() {
            Err(zmq::Error::EINTR) => {}
            outcome => return outcome,
        }
    }
}

/// Sends one message, all of it or nothing.
pub(super) fn send(socket: &Socket, parts: &[&[u8]]) -> zmq::Result<()> {
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        let more = if index < last { SNDMORE } else { 0 };
        uninterrupted(|| socket.send(*part, DONTWAIT | more))?;
    }
    Ok(())
}

/// One frame of a message, where libzmq put it.
pub(super) struct Frame(Message);

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The frames of one message, in memory that is reused.
#[derive(Default)]
pub(super) struct Frames {
    kept: Vec<Frame>,
    used: usize,
    /// There were more than are kept.
    pub(super) truncated: bool,
}

impl Frames {
    /// Takes the next message of `socket`. False: there is none.
    pub(super) fn receive(&mut self, socket: &Socket) -> bool {
        (self.used, self.truncated) = (0, false);
        loop {
            if self.used == self.kept.len() {
                self.kept.push(Frame(Message::new()));
            }
            let message = &mut self.kept[self.used].0;
            if uninterrupted(|| socket.recv(message, DONTWAIT)).is_err() {
                return false;
            }
            let more = message.get_more();
            // The frame after the last one that is kept takes all the rest.
            if self.used < MESSAGE_FRAMES {
                self.used += 1;
            } else {
                self.truncated = true;
            }
            if !more {
                return true;
            }
        }
    }

    pub(super) fn as_slice(&self) -> &[Frame] {
        &self.kept[..self.used]
    }
}
