//! The turn of a shard: completions in, lane drained, one submit of sends out; else sleep.

use std::collections::VecDeque;
use std::os::fd::FromRawFd;
use std::sync::Arc;

use glommio::io::BufferedFile;

use crate::fabric::{Fabric, LaneItem, Order, ShardFabric, Watch};
use crate::hub::{DrainScope, Egress, Hub, SocketAction};
use crate::limits::TURN_BROADCASTS;
use crate::observe::{PipelineStage, lossy};

use super::acceptor::Acceptor;
use super::buffers::Buffers;
use super::ring::{Completion, Operation, Ring};
use super::sockets::Sockets;
use super::survey::Inquiry;
use super::upstream::FabricUpstream;
use super::{Fault, Plan, preflight::Refused, system};

/// One shard's hub and all that connects it to the kernel.
pub(super) struct Drive {
    pub(super) ring: Ring,
    pub(super) buffers: Buffers,
    pub(super) hub: Hub,
    pub(super) sockets: Sockets,
    pub(super) acceptor: Acceptor,
    pub(super) fabric: Arc<Fabric>,
    pub(super) index: usize,
    egress: Egress,
    /// Completions that are not dealt with yet.
    pub(super) completions: Vec<Completion>,
    /// Scratch: those being dealt with.
    dealing: Vec<Completion>,
    /// Receives to be armed again once buffers are back.
    pub(super) unarmed: Vec<crate::hub::ConnectionId>,
    /// When the armed timer fires.
    pub(super) timer_due_us: Option<u64>,
    /// A signal of the lane's wake completes in the ring.
    pub(super) listening: bool,
    /// Draining; new connections are refused until this time, then no longer accepted.
    accept_until_us: Option<u64>,
    /// Asked for and not answered yet.
    pub(super) surveys: VecDeque<Inquiry>,
    watch: Watch,
}

/// Whether the shard goes on.
enum Turn {
    Worked,
    Idle,
    Over,
}

impl Drive {
    pub(super) fn new(plan: Plan) -> Result<Self, Fault> {
        let Plan {
            index,
            listener,
            config,
            fabric,
            watch,
            ..
        } = plan;
        let shard = &fabric.shards[index];
        let ring = Ring::new(shard.lane.wake.descriptor())?;
        let buffers = Buffers::new().map_err(Refused::from)?;
        ring.register(&buffers)?;
        let hub = Hub::new(
            config,
            Box::new(FabricUpstream::new(Arc::clone(&fabric), index)),
            fabric.hasher.clone(),
            Arc::clone(&shard.latency),
            fastrand::u64(..),
        );
        Ok(Self {
            ring,
            buffers,
            hub,
            sockets: Sockets::default(),
            acceptor: Acceptor::new(listener),
            fabric,
            index,
            egress: Egress::default(),
            completions: Vec::new(),
            dealing: Vec::new(),
            unarmed: Vec::new(),
            timer_due_us: None,
            listening: false,
            accept_until_us: None,
            surveys: VecDeque::new(),
            watch,
        })
    }

    /// Turns until an order or a fault ends it.
    pub(super) async fn run(mut self) -> Result<(), Fault> {
        let event = system::duplicate(self.shard().lane.wake.descriptor());
        let event = event.map_err(|error| Fault::Wake(error.to_string()))?;
        // SAFETY: the descriptor is a fresh duplicate that the file takes over.
        let event = unsafe { BufferedFile::from_raw_fd(event) };
        if let Some(listener) = self.acceptor.descriptor() {
            self.ring.accept(listener).map_err(Fault::Submit)?;
        }
        self.ring.notify(false);
        self.watch.ready();
        loop {
            match self.turn().map_err(Fault::Submit)? {
                Turn::Over => return Ok(()),
                Turn::Worked => glommio::executor().yield_if_needed().await,
                Turn::Idle => self.sleep(&event).await?,
            }
        }
    }

    fn turn(&mut self) -> std::io::Result<Turn> {
        let now_us = self.fabric.clock.now_us();
        lossy::stall(self.index, now_us);
        self.ring.reap(&mut self.completions)?;
        // What was due before this turn, hence before anything that the turn itself makes due.
        if let Some(due_us) = self.hub.overdue_us(now_us) {
            self.shard().lag.record(now_us - due_us, 1);
        }
        let mut worked = !self.completions.is_empty();
        // Orders go first: what a peer sent after one was given is dealt with by it.
        while let Some(order) = self.shard().lane.pop_order() {
            worked = true;
            if !self.obey(order, now_us)? {
                return Ok(Turn::Over);
            }
        }
        let mut dealing = std::mem::take(&mut self.dealing);
        dealing.append(&mut self.completions);
        for completion in dealing.drain(..) {
            self.dispatch(completion, now_us)?;
        }
        self.dealing = dealing;
        self.submit_questions(now_us);
        worked |= self.drain_lane(now_us)?;
        self.hub.tick(now_us);
        self.end_accept(now_us)?;
        self.rearm(now_us)?;
        worked |= self.flush()?;
        self.act_on_events();
        worked |= self.survey(now_us);
        if worked {
            self.hub.counts_mut().turns += 1;
            let turn_us = self.fabric.clock.now_us() - now_us;
            self.shard().turn.record(turn_us, 1);
        }
        self.shard().counts.store(&self.hub.counts());
        if self.accept_until_us.is_some() && self.hub.is_empty() {
            return Ok(Turn::Over);
        }
        Ok(if worked { Turn::Worked } else { Turn::Idle })
    }

    /// Matches what waits on the lane, up to a bound, so that sockets get their turn. What was
    /// matched leaves before it is more than an outbox has to hold.
    fn drain_lane(&mut self, now_us: u64) -> std::io::Result<bool> {
        let (mut taken, mut held_bytes, mut unsent_bytes) = (0, 0, 0);
        // All of these have been popped once the lane is found empty; else the last one popped
        // says how many there were. Neither depends on what became of them.
        let (pushed_total, mut reached) = (self.shard().lane.pushed_total(), 0);
        let burst_bytes = self.hub.burst_bytes();
        while taken < TURN_BROADCASTS && held_bytes < burst_bytes {
            let pushed = match self.shard().lane.pop() {
                Some(LaneItem::Batch(pushed)) => pushed,
                Some(LaneItem::Answers(answers)) => {
                    taken += answers.len();
                    self.deliver_answers(answers, now_us);
                    continue;
                }
                None => {
                    reached = pushed_total.max(reached);
                    break;
                }
            };
            if lossy::loses(PipelineStage::Lane) {
                continue;
            }
            let lag_us = self
                .fabric
                .clock
                .now_us()
                .saturating_sub(pushed.pushed_at_us);
            self.shard().lag.record(lag_us, 1);
            reached = pushed.pushed_total;
            let batch = pushed.batch;
            for broadcast in &batch.broadcasts {
                let bytes = broadcast.held_bytes();
                if unsent_bytes > 0 && unsent_bytes + bytes > burst_bytes {
                    self.flush()?;
                    unsent_bytes = 0;
                }
                self.hub.publish(broadcast, now_us);
                unsent_bytes += bytes;
            }
            let counts = self.hub.counts_mut();
            counts.batches += 1;
            counts.taken += pushed.publications;
            taken += batch.broadcasts.len();
            held_bytes += batch.held_bytes;
        }
        let counts = self.hub.counts_mut();
        counts.lane_reached = counts.lane_reached.max(reached);
        Ok(taken > 0)
    }

    /// Sends everything that is pending and not blocked. A round is gathered, submitted, and
    /// complete before the next one reuses its memory.
    fn flush(&mut self) -> std::io::Result<bool> {
        let mut worked = false;
        while self.hub.poll_egress(&mut self.egress) {
            worked = true;
            let mut in_flight = 0;
            for send in self.egress.sends() {
                let Some(socket) = self.sockets.descriptor(send.id) else {
                    continue;
                };
                // SAFETY: `egress` is neither changed nor cleared before `in_flight` is zero
                // again, and every completion of a send is counted.
                unsafe { self.ring.send(socket, send.id, self.egress.bytes(send))? };
                in_flight += 1;
            }
            self.ring.reap(&mut self.completions)?;
            while self.settle(&mut in_flight)? {
                self.ring.reap_one(&mut self.completions)?;
            }
            self.egress.clear();
        }
        Ok(worked)
    }

    /// Deals with the completed sends and leaves everything else for the next turn. True: some
    /// sends are still under way.
    fn settle(&mut self, in_flight: &mut usize) -> std::io::Result<bool> {
        let now_us = self.fabric.clock.now_us();
        let mut completions = std::mem::take(&mut self.completions);
        let mut failure = None;
        completions.retain(|completion| {
            if completion.operation != Operation::Send {
                return true;
            }
            *in_flight -= 1;
            failure = self
                .dispatch(*completion, now_us)
                .err()
                .or_else(|| failure.take());
            false
        });
        self.completions = completions;
        failure.map_or(Ok(*in_flight > 0), Err)
    }

    fn act_on_events(&mut self) {
        while let Some(event) = self.hub.poll_socket_action() {
            match event {
                SocketAction::FinishWriting(id) => self.sockets.finish_writing(id),
                SocketAction::Close { id, abort } => {
                    self.sockets.close(id, abort);
                    self.release(id);
                }
            }
        }
    }

    /// Frees the slot of a connection whose socket is done.
    pub(super) fn release(&mut self, id: crate::hub::ConnectionId) {
        if self.sockets.reap(id) {
            self.hub.release(id);
        }
    }

    /// False: the shard is to end now.
    fn obey(&mut self, order: Order, now_us: u64) -> std::io::Result<bool> {
        match order {
            Order::Stop => return Ok(false),
            Order::Adopt(socket) => self.adopt(socket, now_us)?,
            Order::Reconfigure(config) => self.hub.reconfigure(config),
            Order::Drain { leaving, period_us } => {
                if leaving == DrainScope::All {
                    self.accept_until_us = Some(now_us + period_us);
                }
                self.hub.drain(leaving, period_us, now_us);
            }
            Order::Survey { limit, reply } => self.surveys.push_back(Inquiry::new(limit, reply)),
        }
        Ok(true)
    }

    /// Stops accepting when the period of a drain is over; until then newcomers hear a 503.
    fn end_accept(&mut self, now_us: u64) -> std::io::Result<()> {
        let over = self
            .accept_until_us
            .is_some_and(|until_us| until_us <= now_us);
        if over && self.acceptor.descriptor().is_some() {
            self.ring.cancel(Operation::Accept)?;
            self.acceptor.close();
        }
        Ok(())
    }

    pub(super) fn shard(&self) -> &ShardFabric {
        &self.fabric.shards[self.index]
    }
}
