//! The listener of one shard, and what happens when descriptors run out. Shard core.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::{ACCEPT_BACKLOG, ACCEPT_PAUSE_US, ACCEPT_REFUSALS};

/// Opens one listener per shard on the same address; the kernel spreads connections over them.
///
/// Another process that listens there, even one that would share, is an error.
pub fn listen(address: SocketAddr, shards: usize) -> io::Result<Vec<TcpListener>> {
    let exclusive = socket(address)?;
    exclusive.bind(&address.into())?;
    let address = exclusive.local_addr()?.as_socket().unwrap_or(address);
    drop(exclusive);
    (0..shards)
        .map(|_| {
            let socket = socket(address)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            socket.listen(ACCEPT_BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
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
    /// `None` once the shard drains.
    listener: Option<TcpListener>,
    /// A descriptor kept to be given up when there are no others: with it, waiting connections
    /// are refused at once instead of hanging.
    reserve: Option<File>,
    /// Accepting goes on at this time.
    resume_us: Option<u64>,
    starved: bool,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self {
            listener: Some(listener),
            reserve: reserve(),
            resume_us: None,
            starved: false,
        }
    }

    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.listener.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Closes the listener.
    pub(super) fn close(&mut self) {
        self.listener = None;
        self.resume_us = None;
    }

    /// When a pause ends.
    pub(super) fn resume_us(&self) -> Option<u64> {
        self.resume_us
    }

    /// Whether a pause has ended; then it is over.
    pub(super) fn is_due(&mut self, now_us: u64) -> bool {
        let due = self.resume_us.is_some_and(|resume_us| resume_us <= now_us);
        if due {
            self.resume_us = None;
        }
        due
    }

    /// A connection was accepted. True: it is the first one after descriptors had run out.
    pub(super) fn accepted(&mut self) -> bool {
        if self.starved && self.reserve.is_none() {
            self.reserve = reserve();
        }
        std::mem::take(&mut self.starved)
    }

    /// No descriptors: refuses some of those who wait and pauses. Returns how many were refused
    /// and whether this is the first time in a row.
    pub(super) fn starve(&mut self, now_us: u64) -> (u64, bool) {
        let first = !std::mem::replace(&mut self.starved, true);
        self.resume_us = Some(now_us + ACCEPT_PAUSE_US);
        self.reserve = None;
        let mut refused = 0;
        if let Some(listener) = &self.listener {
            // Each one is accepted with the reserve's descriptor and closed again.
            refused = (0..ACCEPT_REFUSALS)
                .take_while(|_| listener.accept().is_ok())
                .count() as u64;
        }
        self.reserve = reserve();
        (refused, first)
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}
