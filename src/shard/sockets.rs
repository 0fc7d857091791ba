//! The descriptors of a shard's connections, and what the kernel still does with each.

use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::SockRef;

use crate::hub::{ConnectionId, Pages};

struct Socket {
    descriptor: OwnedFd,
    id: ConnectionId,
    receiving: bool,
    awaiting_writable: bool,
    /// The hub is done with it.
    closing: bool,
}

/// Sockets by slot, as the hub numbers them.
#[derive(Default)]
pub(super) struct Sockets {
    slots: Pages<Option<Socket>>,
}

impl Sockets {
    pub(super) fn insert(&mut self, id: ConnectionId, descriptor: OwnedFd) {
        while self.slots.len() <= id.slot() {
            self.slots.push(None);
        }
        let socket = Socket {
            descriptor,
            id,
            receiving: false,
            awaiting_writable: false,
            closing: false,
        };
        self.slots[id.slot()] = Some(socket);
    }

    /// The descriptor to send on; `None` once the hub is done with it.
    pub(super) fn descriptor(&self, id: ConnectionId) -> Option<RawFd> {
        let socket = self.get(id)?;
        (!socket.closing).then(|| socket.descriptor.as_raw_fd())
    }

    /// Who is at the other end, which the kernel is asked for.
    pub(super) fn peer(&self, id: ConnectionId) -> Option<SocketAddr> {
        let address = SockRef::from(&self.get(id)?.descriptor).peer_addr();
        address.ok()?.as_socket()
    }

    /// A receive was armed, or has ended.
    pub(super) fn set_receiving(&mut self, id: ConnectionId, receiving: bool) {
        if let Some(socket) = self.get_mut(id) {
            socket.receiving = receiving;
        }
    }

    /// A wait for room was armed, or has ended.
    pub(super) fn set_awaiting_writable(&mut self, id: ConnectionId, awaiting: bool) {
        if let Some(socket) = self.get_mut(id) {
            socket.awaiting_writable = awaiting;
        }
    }

    /// Ends our side of the stream; the peer may still end its own in order.
    pub(super) fn finish_writing(&self, id: ConnectionId) {
        if let Some(socket) = self.get(id) {
            // Fails if the peer is gone, which the receive reports.
            let _ = SockRef::from(&socket.descriptor).shutdown(Shutdown::Write);
        }
    }

    /// Closes the socket, or wakes the operations that still hold it so that it can be closed.
    pub(super) fn close(&mut self, id: ConnectionId, abort: bool) {
        let Some(socket) = self.get_mut(id) else {
            return;
        };
        socket.closing = true;
        let reference = SockRef::from(&socket.descriptor);
        // Both fail only for a peer that is gone already.
        if abort {
            let _ = reference.set_linger(Some(Duration::ZERO));
        }
        let _ = reference.shutdown(Shutdown::Both);
    }

    /// Drops a closing socket that no operation holds any more. True: its slot is free.
    pub(super) fn reap(&mut self, id: ConnectionId) -> bool {
        let over = self
            .get(id)
            .is_some_and(|socket| socket.closing && !socket.receiving && !socket.awaiting_writable);
        if over {
            self.slots[id.slot()] = None;
        }
        over
    }

    fn get(&self, id: ConnectionId) -> Option<&Socket> {
        self.slots
            .get(id.slot())?
            .as_ref()
            .filter(|socket| socket.id == id)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        self.slots
            .get_mut(id.slot())?
            .as_mut()
            .filter(|socket| socket.id == id)
    }
}
