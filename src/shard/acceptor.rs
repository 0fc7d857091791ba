//! The listener of one shard, and what happens when descriptors run out. Shard core.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::{
    ACCEPT_BACKLOG, ACCEPT_PAUSE, ACCEPT_REFUSALS, LISTEN_RETRY_INTERVAL, LISTEN_TIMEOUT,
    NOT_SENT_BYTES,
};

/// Opens one listener per shard on the same address; the kernel spreads connections over them.
///
/// Another process that listens there, even one that would share, is an error.
pub fn listen(address: SocketAddr, shards: usize) -> io::Result<Vec<TcpListener>> {
    let exclusive = bind_alone(address)?;
    let address = exclusive.local_addr()?.as_socket().unwrap_or(address);
    drop(exclusive);
    (0..shards)
        .map(|_| {
            let socket = socket(address)?;
            socket.set_reuse_port(true)?;
            // Connections inherit both. Frames leave in whole turns already, so waiting for more
            // would only add delay; and what a peer does not take is better kept in its outbox,
            // where policies reach it, than in the kernel.
            socket.set_tcp_nodelay(true)?;
            socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
            socket.bind(&address.into())?;
            socket.listen(ACCEPT_BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

/// A killed predecessor's rings give its sockets back a moment after it is gone, so an address
/// that is taken is asked for again for a while.
fn bind_alone(address: SocketAddr) -> io::Result<Socket> {
    let give_up = Instant::now() + LISTEN_TIMEOUT;
    loop {
        let socket = socket(address)?;
        match socket.bind(&address.into()) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < give_up => {
                thread::sleep(LISTEN_RETRY_INTERVAL);
            }
            bound => return bound.map(|()| socket),
        }
    }
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // Nothing in fanfare blocks on it; accepting to refuse must not either.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Keeps the shard accepting, or pausing while it cannot.
pub(super) struct Acceptor {
    /// `None` once the period of a drain is over.
    listener: Option<TcpListener>,
    /// A descriptor kept to be given up when there are no others: with it, waiting connections
    /// are refused at once instead of hanging.
    reserve: Option<File>,
    state: State,
}

/// How accepting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Accepting,
    /// Out of descriptors: accepting goes on at this time.
    Paused {
        until_us: u64,
    },
    /// Accepting again; if it goes well until then, the shortage is over.
    Proving {
        until_us: u64,
    },
}

/// What is to be done when a pause or a proof has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Accept again.
    Resume,
    /// The shortage is over.
    Recovered,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener: Some(listener),
            reserve: spare(),
            state: State::Accepting,
        }
    }

    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.listener.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Closes the listener.
    pub(super) fn close(&mut self) {
        self.listener = None;
        self.state = State::Accepting;
    }

    /// When [`Acceptor::due`] wants to be asked next.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        match self.state {
            State::Accepting => None,
            State::Paused { until_us } | State::Proving { until_us } => Some(until_us),
        }
    }

    /// What is due by now.
    pub(super) fn due(&mut self, now_us: u64) -> Option<Due> {
        if self.deadline_us().is_none_or(|until_us| until_us > now_us) {
            return None;
        }
        let until_us = now_us + ACCEPT_PAUSE.as_micros() as u64;
        if matches!(self.state, State::Paused { .. }) {
            self.state = State::Proving { until_us };
            return Some(Due::Resume);
        }
        if self.reserve.is_none() {
            self.reserve = spare();
        }
        // That nobody came proves nothing: there has to be a descriptor for who comes next.
        if self.reserve.is_some() && spare().is_some() {
            self.state = State::Accepting;
            return Some(Due::Recovered);
        }
        self.state = State::Proving { until_us };
        None
    }

    /// No descriptors: refuses some of those who wait and pauses. Returns how many were refused
    /// and whether the shortage has just begun.
    pub(super) fn starve(&mut self, now_us: u64) -> (u64, bool) {
        let first = self.state == State::Accepting;
        let until_us = now_us + ACCEPT_PAUSE.as_micros() as u64;
        self.state = State::Paused { until_us };
        self.reserve = None;
        let mut refused = 0;
        if let Some(listener) = &self.listener {
            // Each one is accepted with the reserve's descriptor and closed again.
            refused = (0..ACCEPT_REFUSALS)
                .take_while(|_| listener.accept().is_ok())
                .count() as u64;
        }
        self.reserve = spare();
        (refused, first)
    }
}

/// A descriptor for nothing, if there is one left.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}
