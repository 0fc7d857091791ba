//! Settles a run, so that everything that is under way arrives, and ends a run.

use fanfare::fabric::{DescriptorBudget, ShardRequest};
use fanfare::hub::DrainScope;
use fanfare::limits::CLOSE_TIMEOUT;
use fanfare::observe::ShardCounts;
use fanfare::shard::ShardLoop;

use super::connection::ServerEnd;
use super::coverage::Coverage;
use super::descriptors::Target;
use super::world::World;
use super::{Simulation, Thread};
use crate::client::TOPICS;
use crate::counts::dropped;

impl Simulation {
    /// Lets everything that is under way arrive. No operation fails, clients read all bytes and
    /// close ended connections, and the shard runs until it sleeps.
    pub fn settle(&mut self) {
        self.world.borrow_mut().set_settling(true);
        for round in 0.. {
            assert!(round < 10_000, "the run does not settle");
            let (has_moved, has_queued) = {
                let world = &mut *self.world.borrow_mut();
                let has_queued = !world.kernel.queue.is_empty();
                (world.settle_clients(), has_queued)
            };
            self.run_until_asleep();
            let world = &mut *self.world.borrow_mut();
            world.check_surveys();
            if self.thread == Thread::Ended {
                // Operations that are still queued are never submitted.
                if has_moved {
                    continue;
                }
                break;
            }
            let has_work = !world.fabric.submissions.is_empty() || world.kernel.event_count > 0;
            if has_moved || has_queued || has_work || self.thread == Thread::Turn {
                continue;
            }
            // Connections may wait for the end of an accept pause or of a pause in reading.
            if !world.can_accept() && self.shard.paused_connections() == 0 {
                break;
            }
            let timers = world.kernel.timers.iter().map(|timer| timer.fires_us);
            world.now_us = timers
                .min()
                .expect("a timer runs for the end of the pause")
                .max(world.now_us);
        }
        self.world.borrow_mut().set_settling(false);
    }

    /// Runs the shard until it waits for a signal or has ended.
    fn run_until_asleep(&mut self) {
        for _ in 0..1_000 {
            if matches!(self.thread, Thread::WaitForSignal | Thread::Ended) {
                let kernel = &mut self.world.borrow_mut().kernel;
                kernel.read_event();
                if kernel.event_count == 0 || self.thread == Thread::Ended {
                    return;
                }
            }
            self.run_shard();
        }
    }

    /// Checks the conditions that must hold when everything has arrived.
    pub fn check_settled(&mut self) {
        let counts = self.shard.hub().counts();
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0), "{counts:?}");
        let world = &mut *self.world.borrow_mut();
        let (mut received, mut skipped) = (world.received, world.skipped);
        for (key, peer) in &mut world.peers {
            if world.kernel.connections[key].server == ServerEnd::Waiting {
                continue;
            }
            assert!(
                !peer.client.is_over(),
                "{key}: a connection outlives its last frame"
            );
            peer.client.check_settled();
            received += peer.client.received;
            skipped += peer.client.skipped;
            for topic in peer.client.subscriptions() {
                let hash = world.fabric.hasher.hash(TOPICS[topic].0);
                assert!(world.fabric.shards[0].interest.may_want(hash));
            }
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
        assert!(world.surveys.is_empty(), "a survey is not answered");
        assert!(world.kernel.descriptors.count(|it| it == Target::Reserve) <= 1);
    }

    /// Ends the run with a drain, with broken connections or at once, and checks that no descriptor
    /// is left open.
    pub fn finish(mut self) -> (ShardCounts, Coverage) {
        match self.random_ending() {
            0 => self.drain(),
            1 => {
                self.world.borrow_mut().reset_all();
                self.settle();
                self.check_empty();
            }
            _ => {}
        }
        if self.thread != Thread::Ended {
            self.request(ShardRequest::Stop);
            for _ in 0..100 {
                self.run_shard();
            }
            assert_eq!(
                self.thread,
                Thread::Ended,
                "the shard has not ended after the request to stop"
            );
        }
        let counts = self.shard.hub().counts();
        let Self { world, shard, .. } = self;
        drop::<ShardLoop<_>>(shard);
        let world = &mut *world.borrow_mut();
        world.check_closed();
        (counts, world.kernel.coverage)
    }

    /// Returns a random number that selects the end of the run.
    fn random_ending(&mut self) -> u32 {
        self.world.borrow_mut().random.u32(..4)
    }

    /// Puts a request of the control thread on the lane.
    fn request(&mut self, request: ShardRequest) {
        let world = self.world.borrow();
        assert!(
            world.fabric.shards[0].lane.request(request).is_ok(),
            "the lane has no room for the request"
        );
    }

    /// Checks the conditions that must hold when every connection has ended.
    fn check_empty(&self) {
        let counts = self.shard.hub().counts();
        let world = self.world.borrow();
        let internal = world.internal_connections() as u64;
        assert_eq!(counts.connections, internal, "{counts:?}");
        let held = world.fabric.held_descriptors() - DescriptorBudget::reserved_for(1);
        assert_eq!(held, 0, "the fabric counts connections that have ended");
        if internal == 0 {
            assert_eq!((counts.pending, counts.pending_bytes), (0, 0), "{counts:?}");
            assert_eq!(counts.matched, counts.written + dropped(&counts));
            assert_eq!((counts.topics, counts.subscriptions), (0, 0));
            for (name, _) in TOPICS {
                let hash = world.fabric.hasher.hash(name);
                assert!(!world.fabric.shards[0].interest.may_want(hash), "{name}");
            }
        }
        assert!(world.inflated <= counts.written);
    }

    /// Drains all connections, while clients still connect and all other events continue.
    fn drain(&mut self) {
        let (period_us, end_us) = {
            let world = &mut *self.world.borrow_mut();
            let period_us = world.random.u64(..10_000_000);
            world.note(|| format!("drain over {period_us} us"));
            (period_us, world.now_us + period_us)
        };
        let scope = DrainScope::All;
        self.request(ShardRequest::Drain { scope, period_us });
        let deadline_us = end_us + 2 * CLOSE_TIMEOUT.as_micros() as u64;
        // The clock may jump far beyond the deadline between two turns. The shard then needs some
        // turns to close all connections.
        let mut late_rounds = 0;
        while self.thread != Thread::Ended {
            {
                let world = &mut *self.world.borrow_mut();
                world.now_us += world.random.u64(..150_000);
                late_rounds += u32::from(world.now_us > deadline_us);
                assert!(late_rounds < 400, "the drain does not end");
            }
            for _ in 0..20 {
                self.step();
            }
            if self.world.borrow_mut().random.u32(..4) == 0 {
                self.settle();
            }
        }
        self.check_empty();
        assert!(self.shard.hub().is_empty());
    }
}

impl World {
    /// Sets whether the run settles: then no random events occur, and send buffers have no bound.
    pub fn set_settling(&mut self, is_settling: bool) {
        self.is_settling = is_settling;
        self.kernel.has_faults = !is_settling;
        for connection in self.kernel.connections.values_mut() {
            connection.is_unbounded = is_settling;
        }
        if is_settling {
            self.close_other_descriptors();
        }
    }

    /// Returns whether connections wait that the shard can accept or refuse.
    fn can_accept(&self) -> bool {
        let descriptors = &self.kernel.descriptors;
        let has_reserve = descriptors.count(|target| target == Target::Reserve) > 0;
        !self.kernel.backlog.is_empty() && (has_reserve || !descriptors.is_full())
    }

    /// Lets clients send and read all bytes and close ended connections. Clients that have answered
    /// a close frame wait until the server closes. Completes every operation that can complete.
    /// Returns whether anything changed.
    pub fn settle_clients(&mut self) -> bool {
        let mut has_moved = self.answer_submission() | self.answer_service();
        for key in self.peers.keys().copied().collect::<Vec<_>>() {
            has_moved |= self.transmit(key, usize::MAX);
            has_moved |= self.read(key, usize::MAX);
            let connection = &self.kernel.connections[&key];
            let client = &self.peers[&key].client;
            let is_over = connection.is_at_end()
                || connection.client_reset
                || (client.is_over() && !client.awaits_end());
            has_moved |= is_over && self.disconnect(key);
        }
        has_moved | self.kernel.progress_all(&mut self.random, self.now_us)
    }

    /// Checks that every descriptor was closed once. Called when the shard was dropped.
    fn check_closed(&mut self) {
        self.close_other_descriptors();
        for number in std::mem::take(&mut self.internal).into_values() {
            self.kernel.close(number);
        }
        let descriptors = &self.kernel.descriptors;
        assert_eq!(descriptors.count(|_| true), 0, "{descriptors:?}");
        assert_eq!(descriptors.opened, descriptors.closed);
    }
}
