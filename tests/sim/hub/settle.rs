//! Quiet moments, in which everything that is under way arrives: then nothing may be pending, and
//! no client may miss anything. Also the end of a run.

use fanfare::hub::{ConnectionId, DrainScope};
use fanfare::limits::CLOSE_TIMEOUT;

use super::Simulation;
use crate::counts::dropped;

const CLOSE_TIMEOUT_US: u64 = CLOSE_TIMEOUT.as_micros() as u64;

impl Simulation {
    /// Completes all sends, lets all clients read, and delivers all bytes, at one moment.
    pub fn settle(&mut self) {
        self.note(|| "settle".into());
        self.set_roomy(true);
        loop {
            self.gather();
            self.apply_socket_actions();
            let mut idle = true;
            for id in self.ids() {
                idle &= !self.settle_one(id);
            }
            if idle {
                return self.set_roomy(false);
            }
        }
    }

    fn set_roomy(&mut self, roomy: bool) {
        for peer in self.peers.values_mut() {
            peer.kernel.roomy = roomy;
        }
    }

    fn ids(&self) -> Vec<ConnectionId> {
        self.peers.keys().copied().collect()
    }

    /// Lets everything of one connection arrive. Returns whether something moved.
    fn settle_one(&mut self, id: ConnectionId) -> bool {
        let peer = self.peers.get_mut(&id).expect("it is connected");
        let undelivered = peer.client.delivered < peer.client.outbound.len();
        let busy = peer.kernel.in_flight.is_some() || peer.kernel.awaiting || undelivered;
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
        if kernel.at_end() || kernel.reset {
            self.hub.end_of_stream(id);
            return true;
        }
        busy
    }

    /// Checks what must hold when everything has arrived.
    pub fn check_settled(&mut self) {
        let counts = self.hub.counts();
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0), "{counts:?}");
        let (mut received, mut skipped) = (self.received, self.skipped);
        for peer in self.peers.values_mut() {
            assert!(!peer.client.is_over(), "a closed client leaves");
            peer.client.check_settled();
            received += peer.client.received;
            skipped += peer.client.skipped;
        }
        let excused = counts.dropped_oldest + counts.dropped_conflated + counts.dropped_slow;
        assert!(
            skipped <= excused,
            "{skipped} skipped, but {excused} counted"
        );
        // Several raw frames are counted as one, and the first may have arrived when the
        // connection ended.
        let arrived = counts.written + counts.dropped_closed;
        assert!(
            received <= arrived,
            "{received} received, but {arrived} counted"
        );
        assert!(dropped(&counts) <= counts.matched);
    }

    /// Ends the run with a drain or with broken sockets, and checks that nothing is left.
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
            "every WebSocket is closed for one reason"
        );
        assert_eq!(counts.connections_deflate, 0);
        assert!(counts.deflate_spared_bytes == 0 || counts.deflate_deliveries > 0);
        assert!(
            self.inflated <= counts.written,
            "a frame holds at least one publication"
        );
        let state = self.upstream.state();
        assert_eq!(state.admitted, state.left);
        assert!(
            state.wanted_hashes.is_empty(),
            "interest is cleared: {:?}",
            state.wanted_hashes
        );
        assert_eq!(state.connections_by_codec, [0, 0]);
    }

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
