//! The main loop of a shard, one turn at a time. Runs on the shard thread.
//!
//! A turn reaps completions, carries out requests, handles the completions, passes received bytes
//! to the hub, drains the lane, and sends all pending bytes. After a turn without work, the shard
//! sleeps (sleep.rs). The loop uses neither glommio nor `io_uring` directly: [`super::executor`]
//! runs it on a real ring, and the simulation in tests/sim runs it on a simulated ring.

use std::io;
use std::sync::Arc;

use crate::config::Config;
use crate::fabric::{Fabric, ShardFabric};
use crate::hub::{ConnectionId, Egress, Hub, Parking, SocketAction};
use crate::observe::lossy;

use super::acceptor::{AcceptEvent, Acceptor};
use super::receive_queue::ReceiveQueue;
use super::ring::{Completion, CompletionSignals, Ring};
use super::sockets::{Removal, Sockets};
use super::survey::SurveyQueue;
use super::upstream::FabricUpstream;
use super::user_actions::UserActionQueue;
use super::work::Work;

/// The hub of one shard, with its connections to the kernel and to the other threads.
pub struct ShardLoop<R: Ring> {
    /// The first field, so that it is dropped before `egress`, whose memory is used by operations
    /// that are under way.
    pub(super) ring: R,
    pub(super) hub: Hub,
    pub(super) sockets: Sockets<R::Socket>,
    pub(super) acceptor: Acceptor<R>,
    pub(super) fabric: Arc<Fabric>,
    /// The index of this shard in the fabric.
    pub(super) index: usize,
    /// The current round of sends.
    pub(super) egress: Egress,
    /// Completions that were reaped and not handled yet.
    pub(super) completions: Vec<Completion<R::Socket>>,
    /// The completions that the current turn handles. Kept only to reuse its memory.
    handling: Vec<Completion<R::Socket>>,
    pub(super) receives: ReceiveQueue,
    /// The time at which the timer that was started last fires.
    pub(super) timer_due_us: Option<u64>,
    /// Whether a read of the event descriptor is under way in the ring.
    pub(super) reading_wake: bool,
    /// The end of the period of a drain, or `None` if the process does not drain. Until this time
    /// connections are accepted, and the hub refuses them with status 503. The shard ends when all
    /// connections are closed.
    pub(super) accept_until_us: Option<u64>,
    pub(super) surveys: SurveyQueue,
    pub(super) user_actions: UserActionQueue,
}

/// The outcome of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// The turn found work, and there may be more.
    Worked,
    /// The turn found no work, so the shard may sleep.
    Idle,
    /// The shard was stopped, or its drain is complete.
    Ended,
}

impl<R: Ring> ShardLoop<R> {
    /// Creates the loop of shard `index` of the fabric. `seed` determines the ids of clients and
    /// the phases of their pings.
    pub fn new(
        mut ring: R,
        listener: R::Listener,
        index: usize,
        config: Arc<Config>,
        fabric: Arc<Fabric>,
        seed: u64,
    ) -> Self {
        let hub = Hub::new(
            config,
            Box::new(FabricUpstream::new(Arc::clone(&fabric), index)),
            fabric.hasher.clone(),
            Arc::clone(&fabric.shards[index].latency),
            seed,
        );
        Self {
            acceptor: Acceptor::new(listener, &mut ring),
            ring,
            hub,
            sockets: Sockets::new(),
            fabric,
            index,
            egress: Egress::default(),
            completions: Vec::new(),
            handling: Vec::new(),
            receives: ReceiveQueue::default(),
            timer_due_us: None,
            reading_wake: false,
            accept_until_us: None,
            surveys: SurveyQueue::default(),
            user_actions: UserActionQueue::default(),
        }
    }

    /// Starts to accept connections. Called once, before the first turn.
    pub fn start(&mut self) -> io::Result<()> {
        self.ring.set_signals(CompletionSignals::Off);
        self.acceptor.start(&mut self.ring)
    }

    /// Runs one turn. Fails if the ring fails.
    pub fn turn(&mut self) -> io::Result<Turn> {
        let now_us = self.ring.now_us();
        lossy::stall(self.index, now_us);
        self.ring.reap(&mut self.completions)?;
        // Measured before any work of this turn, so that the turn's own duration is not included.
        if let Some(due_us) = self.hub.overdue_us(now_us) {
            self.shard().lag.record(now_us - due_us, 1);
        }
        let mut worked = !self.completions.is_empty();
        // The configuration and requests are handled before completions, so that they already apply
        // to bytes that a peer sent after them.
        worked |= self.apply_config() == Work::Done;
        while let Some(request) = self.shard().lane.pop_request() {
            worked = true;
            if self.handle_request(request, now_us)? == Turn::Ended {
                return Ok(Turn::Ended);
            }
        }
        self.hub.set_unix_time(self.ring.unix_s());
        worked |= self.user_actions.step(&mut self.hub, now_us) == Work::Done;
        self.handle_completions(now_us)?;
        worked |= self.process_received(now_us)? == Work::Done;
        self.ask_questions(now_us);
        worked |= self.deliver_service_answers(now_us) == Work::Done;
        worked |= self.drain_lane(now_us)? == Work::Done;
        worked |= self.hub.resume_parked(now_us) == Parking::Occupied;
        self.hub.tick(now_us);
        // Those of commands that continued, and of what was due.
        self.ask_questions(now_us);
        self.confirm_silence(now_us)?;
        self.end_accepting(now_us)?;
        worked |= self.start_receives()? == Work::Done;
        self.resume_accepting(now_us)?;
        worked |= self.flush()? == Work::Done;
        self.log_refused_handshakes();
        self.apply_socket_actions();
        let survey = self.surveys.step(&mut self.hub, &self.sockets, now_us);
        worked |= survey == Work::Done;
        if worked {
            self.hub.counts_mut().turns += 1;
            let turn_us = self.ring.now_us() - now_us;
            self.shard().turn.record(turn_us, 1);
        }
        self.shard().counts.store(&self.hub.counts());
        if self.accept_until_us.is_some() && self.hub.is_empty() {
            return Ok(Turn::Ended);
        }
        Ok(if worked { Turn::Worked } else { Turn::Idle })
    }

    /// Returns the number of connections that are not read until the next second, so that tests can
    /// check it.
    pub fn paused_connections(&self) -> usize {
        self.receives.paused()
    }

    /// Returns the hub, so that tests can check its state.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Handles the completions that were reaped before this call.
    fn handle_completions(&mut self, now_us: u64) -> io::Result<()> {
        let mut handling = std::mem::take(&mut self.handling);
        handling.append(&mut self.completions);
        for completion in handling.drain(..) {
            self.dispatch(completion, now_us)?;
        }
        self.handling = handling;
        Ok(())
    }

    /// Ends accepting when the period of a drain has passed. Until then the hub
    /// refuses new connections with status 503.
    fn end_accepting(&mut self, now_us: u64) -> io::Result<()> {
        let is_over = self
            .accept_until_us
            .is_some_and(|until_us| until_us <= now_us);
        if is_over && self.acceptor.end(&mut self.ring)? == AcceptEvent::Recovered {
            self.set_out_of_descriptors(false);
        }
        Ok(())
    }

    /// Starts the accept operation again if it had ended for lack of descriptors and its pause is
    /// over.
    fn resume_accepting(&mut self, now_us: u64) -> io::Result<()> {
        if self.acceptor.advance(now_us, &mut self.ring)? == AcceptEvent::Recovered {
            self.set_out_of_descriptors(false);
            tracing::info!(
                shard = self.index,
                "descriptors are back; accepting connections again"
            );
        }
        Ok(())
    }

    /// Carries out the actions on sockets that the hub has requested.
    fn apply_socket_actions(&mut self) {
        while let Some(action) = self.hub.poll_socket_action() {
            match action {
                SocketAction::FinishWriting(id) => self.sockets.finish_writing(id),
                SocketAction::Close { id, abort } => {
                    self.sockets.close(id, abort);
                    self.release(id);
                }
            }
        }
    }

    /// Closes the socket of a closed connection and frees its slot, if no operation uses the
    /// socket any more.
    pub(super) fn release(&mut self, id: ConnectionId) {
        if self.sockets.remove(id) == Removal::Removed {
            self.hub.release(id);
        }
    }

    /// Publishes whether this shard lacks descriptors.
    pub(super) fn set_out_of_descriptors(&self, is_out: bool) {
        let flag = &self.shard().out_of_descriptors;
        flag.store(is_out, std::sync::atomic::Ordering::Relaxed);
    }

    /// Returns the part of the fabric that belongs to this shard.
    pub(super) fn shard(&self) -> &ShardFabric {
        &self.fabric.shards[self.index]
    }
}
