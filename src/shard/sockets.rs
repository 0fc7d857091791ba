//! The sockets of a shard's connections, with the operations that are under way on each socket.
//! Used on the shard thread.

use std::net::SocketAddr;

use crate::hub::{ConnectionId, Pages};

use super::ring::Socket;

/// The socket of one connection.
struct Entry<S> {
    socket: S,
    id: ConnectionId,
    /// Whether a receive operation is under way.
    receiving: bool,
    /// Whether a wait for writability is under way.
    awaiting_writable: bool,
    /// Whether the hub has closed the connection.
    closing: bool,
}

/// The sockets, indexed by the slot of their connection in the hub.
pub(super) struct Sockets<S> {
    slots: Pages<Option<Entry<S>>>,
}

/// The outcome of [`Sockets::remove`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// The socket is closed and its slot is free.
    Removed,
    /// The connection is open, or an operation still uses the socket.
    InUse,
}

impl<S: Socket> Sockets<S> {
    pub(super) fn new() -> Self {
        Self {
            slots: Pages::default(),
        }
    }

    /// Stores the socket of a new connection.
    pub(super) fn insert(&mut self, id: ConnectionId, socket: S) {
        while self.slots.len() <= id.slot() {
            self.slots.push(None);
        }
        let entry = Entry {
            socket,
            id,
            receiving: false,
            awaiting_writable: false,
            closing: false,
        };
        self.slots[id.slot()] = Some(entry);
    }

    /// Returns the socket of an open connection, or `None` once the hub has closed it.
    pub(super) fn open(&self, id: ConnectionId) -> Option<&S> {
        let entry = self.get(id)?;
        (!entry.closing).then_some(&entry.socket)
    }

    /// Returns the address of the peer, which the kernel is asked for.
    pub(super) fn peer(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.get(id)?.socket.peer()
    }

    /// Returns the socket of an open connection with a receive operation under way.
    pub(super) fn receiving(&self, id: ConnectionId) -> Option<&S> {
        let entry = self.get(id)?;
        (entry.receiving && !entry.closing).then_some(&entry.socket)
    }

    /// Records that a receive operation has started or ended.
    pub(super) fn set_receiving(&mut self, id: ConnectionId, receiving: bool) {
        if let Some(entry) = self.get_mut(id) {
            entry.receiving = receiving;
        }
    }

    /// Records that a wait for writability has started or ended.
    pub(super) fn set_awaiting_writable(&mut self, id: ConnectionId, awaiting: bool) {
        if let Some(entry) = self.get_mut(id) {
            entry.awaiting_writable = awaiting;
        }
    }

    /// Ends the stream to the peer. The peer can still send, and end its own stream.
    pub(super) fn finish_writing(&self, id: ConnectionId) {
        if let Some(entry) = self.get(id) {
            entry.socket.shut_down_writing();
        }
    }

    /// Shuts the socket down, so that the operations on it complete. [`Sockets::remove`] closes
    /// the socket later. If `abort` is set, the close resets the connection.
    pub(super) fn close(&mut self, id: ConnectionId, abort: bool) {
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        entry.closing = true;
        if abort {
            entry.socket.reset_on_close();
        }
        entry.socket.shut_down();
    }

    /// Closes the socket of a closed connection when no operation uses it any more.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Removal {
        let is_unused = self
            .get(id)
            .is_some_and(|entry| entry.closing && !entry.receiving && !entry.awaiting_writable);
        if !is_unused {
            return Removal::InUse;
        }
        self.slots[id.slot()] = None;
        Removal::Removed
    }

    /// Returns the entry of a connection, or `None` if its slot was freed since.
    fn get(&self, id: ConnectionId) -> Option<&Entry<S>> {
        self.slots
            .get(id.slot())?
            .as_ref()
            .filter(|entry| entry.id == id)
    }

    /// Returns the entry of a connection, or `None` if its slot was freed since.
    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Entry<S>> {
        self.slots
            .get_mut(id.slot())?
            .as_mut()
            .filter(|entry| entry.id == id)
    }
}
