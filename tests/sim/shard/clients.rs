//! Simulates the clients: what they send, read and break at random.

use super::connection::{Connection, ServerEnd};
use super::descriptors::Key;
use super::world::{Peer, World};
use crate::behaviour;
use crate::client::TOPICS;

impl World {
    /// Connects one client, or many in a burst.
    pub fn connect(&mut self) {
        let is_burst = self.random.u32(..30) == 0;
        let clients = if is_burst { self.burst } else { 1 };
        for _ in 0..clients {
            if self.peers.len() >= self.max_peers || self.kernel.listener.is_none() {
                return;
            }
            let client = behaviour::random_client(&mut self.random);
            let kind = client.kind;
            let key = self.add_peer(client, false);
            self.kernel.backlog.push_back(key);
            self.note(|| format!("{key}: {kind:?} connects"));
        }
    }

    /// Lets a random client send a message.
    pub fn client_sends(&mut self) {
        let has_hook = self.config.auth.hooks.connect.endpoint.is_some();
        let can_send = |peer: &Peer, connection: &Connection| {
            peer.client.kind.has_websocket()
                && !peer.client.is_over()
                // The model of a client knows only messages that are executed when they arrive.
                && (!has_hook || !peer.client.is_connecting())
                && !connection.client_ended
                && !connection.client_reset
        };
        let Some(key) = self.pick(can_send) else {
            return;
        };
        let client = &mut self.peers.get_mut(&key).expect("it is connected").client;
        if client.kind.has_commands() && self.random.u32(..8) == 0 {
            let topic = self.random.usize(..TOPICS.len());
            let body = self.bodies.create(false, &mut self.random).remove(0);
            client.publish(topic, &body);
            return self.note(|| format!("{key}: publishes to {}", TOPICS[topic].0));
        }
        let action = behaviour::send_random(client, &mut self.random);
        self.note(|| format!("{key}: {action}"));
    }

    /// Lets a random client pass bytes to the kernel.
    pub fn transmit_some(&mut self) {
        let has_bytes = |peer: &Peer, _: &Connection| peer.sent < peer.client.outbound.len();
        let Some(key) = self.pick(has_bytes) else {
            return;
        };
        let max_bytes = if self.random.bool() {
            usize::MAX
        } else {
            self.random.usize(1..60)
        };
        self.transmit(key, max_bytes);
    }

    /// Passes at most `max_bytes` of a client to the kernel. Returns whether there were any.
    pub fn transmit(&mut self, key: Key, max_bytes: usize) -> bool {
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let connection = self.kernel.connection(key);
        let unsent = &peer.client.outbound[peer.sent..];
        let taken = unsent.len().min(max_bytes);
        peer.sent += taken;
        // Bytes to a closed socket are lost.
        let is_closed = matches!(connection.server, ServerEnd::Closed | ServerEnd::Reset);
        if !(is_closed || connection.client_ended || connection.client_reset) {
            connection.to_server.extend(&unsent[..taken]);
        }
        taken > 0
    }

    /// Checks bytes that the shard has received from a client, and applies their effects.
    pub fn check_received(&mut self, key: Key, bytes: &[u8]) {
        self.expect_publications();
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let expected = peer.client.deliver(bytes.len());
        assert!(expected == bytes, "{key}: received bytes are out of order");
        let connection = self.kernel.connection(key);
        connection.read_us = self.turn_us.expect("the shard is in a turn");
        let send_failed = connection.send_failed;
        self.kernel.coverage.received_after_failed_send += u64::from(send_failed);
        self.note(|| format!("{key}: {} bytes in", bytes.len()));
    }

    /// Lets some clients read.
    pub fn read_some(&mut self) {
        for _ in 0..self.random.usize(1..6) {
            let Some(key) = self.pick(|peer, _| peer.reads) else {
                return;
            };
            let max_bytes = if self.random.bool() {
                usize::MAX
            } else {
                self.random.usize(1..500)
            };
            self.read(key, max_bytes);
        }
    }

    /// Lets a client read at most `max_bytes`, and answer the pings among them. Returns whether
    /// there were any bytes.
    pub fn read(&mut self, key: Key, max_bytes: usize) -> bool {
        self.expect_publications();
        let bytes = self.kernel.connection(key).read(max_bytes);
        let peer = self.peers.get_mut(&key).expect("it is connected");
        let pings = peer.client.read(&bytes);
        if pings > 0 {
            peer.client.pong();
        }
        !bytes.is_empty()
    }

    /// Lets a random client stop reading, or resume.
    pub fn toggle_reading(&mut self) {
        if let Some(key) = self.pick(|_, _| true) {
            let peer = self.peers.get_mut(&key).expect("it is connected");
            peer.reads = !peer.reads;
        }
    }

    /// Disconnects some clients that have read the end of their stream.
    pub fn disconnect_some(&mut self) {
        for _ in 0..self.random.usize(1..4) {
            let is_over = |peer: &Peer, connection: &Connection| {
                connection.is_at_end() || connection.client_reset || peer.client.is_over()
            };
            if let Some(key) = self.pick(is_over) {
                self.disconnect(key);
            }
        }
    }

    /// Ends the client's stream, or removes the connection if the server has closed it. Returns
    /// whether anything changed.
    pub fn disconnect(&mut self, key: Key) -> bool {
        let connection = self.kernel.connection(key);
        if matches!(connection.server, ServerEnd::Open | ServerEnd::Waiting) {
            return !std::mem::replace(&mut connection.client_ended, true);
        }
        self.read(key, usize::MAX);
        let peer = self.peers.remove(&key).expect("it is connected");
        self.kernel.connections.remove(&key);
        self.received += peer.client.received;
        self.skipped += peer.client.skipped;
        self.inflated += peer.client.inflated;
        self.kernel.coverage.publish_replies += peer.client.publish_replies;
        self.note(|| format!("{key}: disconnected"));
        true
    }

    /// Ends or resets the connection of a random client without a close frame.
    pub fn break_connection(&mut self) {
        let Some(key) = self.pick(|_, _| true) else {
            return;
        };
        let connection = self.kernel.connection(key);
        if self.random.bool() {
            connection.client_ended = true;
        } else {
            connection.client_reset = true;
        }
        self.note(|| format!("{key}: broken"));
    }

    /// Resets the connections of all clients.
    pub fn reset_all(&mut self) {
        for connection in self.kernel.connections.values_mut() {
            connection.client_reset = true;
        }
    }
}
