//! Settles a run: everything that is under way arrives. Then no bytes may be pending, and no client
//! may miss a frame. Also ends a run.

use fanfare::hub::{ConnectionId, DrainScope};
use fanfare::limits::CLOSE_TIMEOUT;

use super::Simulation;
use crate::counts::dropped;

const CLOSE_TIMEOUT_US: u64 = CLOSE_TIMEOUT.as_micros() as u64;

impl Simulation {
    /// Completes all sends, lets all clients read, and delivers all bytes. Does not advance the
    /// clock.
    pub fn settle(&mut self) {
        self.note(|| "settle".into());
        self.set_unbounded(true);
        loop {
            self.start_sends();
            self.apply_socket_actions();
            let mut is_idle = true;
            for id in self.ids() {
                is_idle &= !self.settle_one(id);
            }
            if is_idle {
                return self.set_unbounded(false);
            }
        }
    }

    /// Sets whether the send buffers have no bound.
    fn set_unbounded(&mut self, is_unbounded: bool) {
        for peer in self.peers.values_mut() {
            peer.kernel.is_unbounded = is_unbounded;
        }
    }

    /// Returns the ids of all connections.
    fn ids(&self) -> Vec<ConnectionId> {
        self.peers.keys().copied().collect()
    }

    /// Lets everything that is under way on one connection arrive. Returns whether there was
    /// anything.
    fn settle_one(&mut self, id: ConnectionId) -> bool {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        let has_undelivered = peer.client.delivered < peer.client.outbound.len();
        let was_busy = peer.kernel.in_flight.is_some() || peer.kernel.awaiting || has_undelivered;
        if peer.kernel.in_flight.is_some() {
            self.complete(id, usize::MAX);
        }
        self.deliver_to(id, usize::MAX);
        self.read(id, usize::MAX);
        let kernel = &mut self.peers.get_mut(&id).expect("it is connected").kernel;
        if std::mem::take(&mut kernel.awaiting) {
            self.hub.writable(id);
        }
        let kernel = &self.peers[&id].kernel;
        if kernel.closed.is_some() && kernel.in_flight.is_none() {
            self.release(id);
            return true;
        }
        if kernel.is_at_end() || kernel.reset {
            self.hub.end_of_stream(id);
            return true;
        }
        let client = &self.peers[&id].client;
        was_busy || client.delivered < client.outbound.len()
    }

    /// Checks the conditions that must hold when everything has arrived.
    pub fn check_settled(&mut self) {
        let counts = self.hub.counts();
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0), "{counts:?}");
        let (mut received, mut skipped) = (self.received, self.skipped);
        for peer in self.peers.values_mut() {
            assert!(
                !peer.client.is_over(),
                "a connection outlives its last frame"
            );
            peer.client.check_settled();
            received += peer.client.received;
            skipped += peer.client.skipped;
        }
        let drops = counts.dropped_oldest + counts.dropped_conflated + counts.dropped_slow;
        assert!(skipped <= drops, "{skipped} skipped, but {drops} counted");
        // The raw frames of one broadcast count as one delivery. If the connection ends after the
        // first of these frames, the delivery counts as dropped although the frame has arrived.
        let arrived = counts.written + counts.dropped_closed;
        assert!(
            received <= arrived,
            "{received} received, but {arrived} counted"
        );
        assert!(dropped(&counts) <= counts.matched);
    }

    /// Ends the run with a drain or with broken sockets, and checks that no connection is left.
    pub fn finish(&mut self) {
        if self.random.bool() {
            self.drain();
        } else {
            for id in self.ids() {
                self.hub.lost(id);
            }
            self.settle();
        }
        assert!(self.hub.is_empty());
        let counts = self.hub.counts();
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0), "{counts:?}");
        assert_eq!(
            (counts.connections, counts.topics, counts.subscriptions),
            (0, 0, 0)
        );
        assert_eq!(counts.matched, counts.written + dropped(&counts));
        let closed = counts.closed_peer
            + counts.closed_lost
            + counts.closed_slow
            + counts.closed_no_pong
            + counts.closed_fault
            + counts.closed_too_big
            + counts.closed_bad_request
            + counts.closed_too_fast
            + counts.closed_stale
            + counts.closed_shutdown;
        assert_eq!(
            counts.upgraded, closed,
            "not every WebSocket was closed for exactly one reason"
        );
        assert_eq!(counts.connections_deflate, 0);
        assert!(counts.deflate_spared_bytes == 0 || counts.deflate_deliveries > 0);
        assert!(
            self.inflated <= counts.written,
            "more compressed frames than written publications"
        );
        let state = self.upstream.state();
        assert_eq!(state.admitted, state.left);
        assert!(
            state.wanted_hashes.is_empty(),
            "topics without subscribers are still wanted: {:?}",
            state.wanted_hashes
        );
        assert_eq!(state.connections_by_codec, [0; 3]);
    }

    /// Drains all connections, while clients still connect.
    fn drain(&mut self) {
        let period_us = self.random.u64(..10_000_000);
        self.note(|| format!("drain over {period_us} us"));
        self.hub.drain(DrainScope::All, period_us, self.now_us);
        let end_us = self.now_us + period_us + CLOSE_TIMEOUT_US + 1_000_000;
        while self.now_us < end_us {
            if self.random.u32(..10) == 0 && self.now_us < end_us - CLOSE_TIMEOUT_US {
                self.connect();
            }
            self.advance_by(100_000);
            if self.random.bool() {
                self.settle();
            }
        }
        self.settle();
    }
}
