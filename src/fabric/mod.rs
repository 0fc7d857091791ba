//! The only memory that the threads of the process share. Every part names its writer.
//!
//! ```text
//! submission        publications from other threads for the ingest thread, and their results
//! submission_queue  the queue of submissions and new configurations
//! rejection         why the ingest thread rejects a message
//! lane              the queue from the ingest thread to one shard
//! interest          which topics a shard may want
//! wake              wakes a thread that sleeps
//! socket_limit      the limit on open client sockets
//! codec_use         how many connections use each codec
//! descriptors       the descriptor budget
//! watch             how the main thread learns that a thread is ready or has ended
//! ```
//!
//! A message meets one lock on its way: if two shards need the same missing encoding at the same
//! moment, one of them makes it and the other waits.

mod codec_use;
mod descriptors;
mod interest;
mod lane;
mod rejection;
mod socket_limit;
mod submission;
mod submission_queue;
mod wake;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::delivery::TopicHasher;
use crate::hub::{DrainScope, Ticket};
use crate::observe::{Clock, Health, Histogram, IngestCounts, Published, ShardCounts};

pub use codec_use::CodecUse;
pub use descriptors::{TooFewDescriptors, check_descriptors, max_connections, own_descriptors};
pub use interest::{Interest, InterestCounts};
pub use lane::{Lane, LaneBatch, LaneFull, LaneItem, Order};
pub use rejection::Rejection;
pub use socket_limit::SocketLimit;
pub use submission::{
    BUSY_CODE, PublishError, ReplyTarget, Submission, SubmissionResult, SubmissionSource,
    SubmittedPublication,
};
pub use submission_queue::{PreviousConfigPending, SubmissionQueue, SubmissionQueueFull};
pub use wake::Wake;
pub use watch::{Core, Notice, Watch, Watchtower};

/// The memory that all threads of one process share.
pub struct Fabric {
    pub clock: Clock,
    pub hasher: TopicHasher,
    pub submissions: SubmissionQueue,
    pub shards: Vec<ShardFabric>,
    pub ingest_counts: Published<IngestCounts>,
    pub codecs: CodecUse,
    pub sockets: SocketLimit,
    draining: AtomicBool,
}

/// The part of the shared memory that belongs to one shard.
pub struct ShardFabric {
    pub lane: Lane,
    pub interest: Interest,
    pub counts: Published<ShardCounts>,
    /// Time from the arrival of a publication at the ingest thread to the end of the send, in
    /// microseconds, per delivery.
    pub latency: Arc<Histogram>,
    /// Duration of the turns that did work, in microseconds.
    pub turn: Arc<Histogram>,
    /// Delay between the time at which work became due (a batch on the lane, a deadline) and the
    /// time at which the shard started it, in microseconds.
    pub lag: Arc<Histogram>,
    /// The shard has paused accepting because the process has no free descriptor. The shard writes
    /// it.
    pub out_of_descriptors: AtomicBool,
}

impl Fabric {
    /// Creates the shared memory for one shard per element of `shard_wakes`. `max_connections` is
    /// the limit of the process.
    pub fn new(shard_wakes: Vec<Wake>, ingest_wake: Wake, max_connections: usize) -> Self {
        let shard = |wake| ShardFabric {
            lane: Lane::new(wake),
            interest: Interest::default(),
            counts: Published::default(),
            latency: Arc::default(),
            turn: Arc::default(),
            lag: Arc::default(),
            out_of_descriptors: AtomicBool::new(false),
        };
        Self {
            clock: Clock::start(),
            hasher: TopicHasher::default(),
            submissions: SubmissionQueue::new(ingest_wake),
            shards: shard_wakes.into_iter().map(shard).collect(),
            ingest_counts: Published::default(),
            codecs: CodecUse::default(),
            sockets: SocketLimit::new(max_connections),
            draining: AtomicBool::new(false),
        }
    }

    /// Submits the publications of clients of shard `index`, one ticket per publication. The
    /// results return on the lane of that shard. Called by the shard.
    ///
    /// If there is no room, no publication is submitted and the tickets are returned.
    pub fn submit_from_shard(
        &self,
        index: usize,
        publications: Vec<SubmittedPublication>,
        tickets: Vec<Ticket>,
    ) -> Result<(), Vec<Ticket>> {
        let lane = &self.shards[index].lane;
        if lane.reserve_answers().is_err() {
            return Err(tickets);
        }
        let submission = Submission {
            source: SubmissionSource::Client,
            publications,
            reply: ReplyTarget::Shard { index, tickets },
        };
        let Err(SubmissionQueueFull(returned)) = self.submissions.submit(submission) else {
            return Ok(());
        };
        lane.release_answers();
        Err(returned.reply.into_tickets())
    }

    /// Returns the limit on connections of the process.
    pub fn max_connections(&self) -> usize {
        self.sockets.max_connections()
    }

    /// Returns the number of descriptors that may be open: those of sockets, and those that are
    /// reserved for the process.
    pub fn held_descriptors(&self) -> usize {
        self.sockets.open() + own_descriptors(self.shards.len())
    }

    /// Sends every shard the same order. False: one of them did not take it.
    pub fn order(&self, order: &Order) -> bool {
        if matches!(
            order,
            Order::Drain {
                leaving: DrainScope::All,
                ..
            }
        ) {
            self.draining.store(true, Ordering::Relaxed);
        }
        let mut all = true;
        for shard in &self.shards {
            all &= shard.lane.order(order.clone());
        }
        all
    }

    /// Returns whether the process closes all connections in order to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Returns the state of the process for load balancers and operators.
    pub fn health(&self) -> Health {
        if self.is_draining() {
            return Health::Draining;
        }
        let mut reasons = Vec::new();
        let is_out_of_descriptors =
            |shard: &ShardFabric| shard.out_of_descriptors.load(Ordering::Relaxed);
        if self.shards.iter().any(is_out_of_descriptors) {
            reasons.push(
                "out of file descriptors: raise LimitNOFILE or lower ws.max_connections".into(),
            );
        }
        if self.sockets.is_reached() {
            reasons.push(format!(
                "at ws.max_connections ({})",
                self.max_connections()
            ));
        }
        if reasons.is_empty() {
            Health::Ok
        } else {
            Health::Degraded(reasons)
        }
    }
}
