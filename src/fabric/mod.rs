//! The only memory that the threads of the process share. Every part names its writer.
//!
//! ```text
//! submission        publications from other threads for the ingest thread, and their results
//! submission_queue  the queue of submissions
//! newest            the newest configuration, and the version that each thread has applied
//! rejection         why the ingest thread rejects a message
//! lane              the queue from the ingest thread to one shard
//! service_calls     questions of shards to the service thread, and its answers
//! interest          which topics a shard may want
//! interest_counts   the number of topics behind each bit of the interest, owned by the shard
//! wake              wakes a thread that sleeps
//! socket_limit      the limit on open client sockets
//! user_limit        the limit on connections of each user
//! codec_use         how many connections use each codec
//! shard_request     requests of the control thread to one shard
//! descriptor_budget how descriptors are divided between connections and everything else
//! thread_monitor    how the main thread learns that a thread is ready or has ended
//! ```
//!
//! A message meets one lock on its way: if two shards need the same missing encoding at the same
//! moment, one of them makes it and the other waits. The connect command of a client takes a lock
//! for a moment if there is a limit on connections of each user.

mod codec_use;
mod descriptor_budget;
mod interest;
mod interest_counts;
mod lane;
mod newest;
mod rejection;
mod service_calls;
mod shard_request;
mod socket_limit;
mod submission;
mod submission_queue;
mod thread_monitor;
mod user_limit;
mod wake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::access::{ServiceAnswer, ServiceQuestion};
use crate::config::Config;
use crate::delivery::TopicHasher;
use crate::hub::{DrainScope, Ticket};
use crate::limits::SUBMISSION_TIMEOUT;
use crate::observe::{
    Clock, Health, Histogram, IngestCounts, Published, ServiceMeters, ShardCounts,
};

pub use codec_use::CodecUse;
pub use descriptor_budget::{DescriptorBudget, TooFewDescriptors};
pub use interest::Interest;
pub use interest_counts::InterestCounts;
pub use lane::{Lane, LaneBatch, LaneFull, LaneItem};
pub use newest::{AppliedVersion, Change, Newest};
pub use rejection::Rejection;
pub use service_calls::{ServiceAnswers, ServiceBusy, ServiceCall, ServiceCalls};
pub use shard_request::{RequestNotTaken, RequestQueueFull, ShardRequest};
pub use socket_limit::SocketLimit;
pub use submission::{
    BUSY_CODE, PublishError, ReplyTarget, Submission, SubmissionResult, SubmissionSource,
    SubmittedPublication,
};
pub use submission_queue::{SubmissionQueue, SubmissionQueueFull};
pub use thread_monitor::{ThreadEvent, ThreadGuard, ThreadMonitor, ThreadName};
pub use user_limit::UserLimit;
pub use wake::Wake;

/// The memory that all threads of one process share.
pub struct Fabric {
    pub clock: Clock,
    pub hasher: TopicHasher,
    /// The configuration that was published last. The threads begin with the one of the start.
    pub config: Newest<Config>,
    pub submissions: SubmissionQueue,
    pub service_calls: ServiceCalls,
    pub service_meters: ServiceMeters,
    pub shards: Vec<ShardFabric>,
    pub ingest_counts: Published<IngestCounts>,
    /// The version of the configuration that the ingest thread has applied.
    pub ingest_config: AppliedVersion,
    pub codecs: CodecUse,
    pub sockets: SocketLimit,
    pub users: UserLimit,
    draining: AtomicBool,
}

/// The part of the shared memory that belongs to one shard.
pub struct ShardFabric {
    pub lane: Lane,
    pub service_answers: ServiceAnswers,
    pub interest: Interest,
    pub counts: Published<ShardCounts>,
    /// The version of the configuration that the shard has applied.
    pub config: AppliedVersion,
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
            service_answers: ServiceAnswers::default(),
            interest: Interest::default(),
            counts: Published::default(),
            config: AppliedVersion::default(),
            latency: Arc::default(),
            turn: Arc::default(),
            lag: Arc::default(),
            out_of_descriptors: AtomicBool::new(false),
        };
        Self {
            clock: Clock::start(),
            hasher: TopicHasher::default(),
            config: Newest::default(),
            submissions: SubmissionQueue::new(ingest_wake),
            service_calls: ServiceCalls::default(),
            service_meters: ServiceMeters::default(),
            shards: shard_wakes.into_iter().map(shard).collect(),
            ingest_counts: Published::default(),
            ingest_config: AppliedVersion::default(),
            codecs: CodecUse::default(),
            sockets: SocketLimit::new(max_connections),
            users: UserLimit::new(0),
            draining: AtomicBool::new(false),
        }
    }

    /// Limits the connections of each user. 0 is no limit.
    #[must_use]
    pub fn with_user_limit(self, max_connections: usize) -> Self {
        Self {
            users: UserLimit::new(max_connections),
            ..self
        }
    }

    /// Submits the publications of clients of shard `index`, one ticket per publication. The
    /// results return on the lane of that shard. Called by the shard, at `now_us`.
    ///
    /// If there is no room, no publication is submitted and the tickets are returned.
    pub fn submit_from_shard(
        &self,
        index: usize,
        publications: Vec<SubmittedPublication>,
        tickets: Vec<Ticket>,
        now_us: u64,
    ) -> Result<(), Vec<Ticket>> {
        let lane = &self.shards[index].lane;
        if lane.reserve_answers().is_err() {
            return Err(tickets);
        }
        let submission = Submission {
            source: SubmissionSource::Client,
            publications,
            reply: ReplyTarget::Shard { index, tickets },
            deadline_us: Some(now_us + SUBMISSION_TIMEOUT.as_micros() as u64),
        };
        let Err(SubmissionQueueFull(returned)) = self.submissions.submit(submission) else {
            return Ok(());
        };
        lane.release_answers();
        Err(returned.reply.into_tickets())
    }

    /// Asks the service thread. Called by shard `index`, at `now_us`.
    pub fn ask_service(
        &self,
        index: usize,
        ticket: Ticket,
        question: ServiceQuestion,
        now_us: u64,
    ) -> Result<(), ServiceBusy> {
        let answers = &self.shards[index].service_answers;
        answers.reserve()?;
        let call = ServiceCall {
            shard: index,
            ticket,
            question,
            asked_at_us: now_us,
        };
        let pushed = self.service_calls.push(call);
        if pushed.is_err() {
            answers.release();
        }
        pushed
    }

    /// Answers a question of a shard and wakes the shard if it sleeps. Every question that was
    /// taken is answered once. Called by the service thread.
    pub fn answer_shard(&self, shard: usize, ticket: Ticket, answer: ServiceAnswer) {
        let shard = &self.shards[shard];
        shard.service_answers.push(ticket, answer);
        shard.lane.wake.wake();
    }

    /// Publishes a configuration. Each thread applies the newest one in its next turn or round,
    /// even a thread that is stalled now. Called by the control thread.
    pub fn publish_config(&self, config: Arc<Config>) {
        self.config.publish(config);
        self.submissions.wake.wake();
        for shard in &self.shards {
            shard.lane.wake.wake();
        }
    }

    /// Returns each thread that applies configurations, with the version that it has applied.
    pub fn applied_configs(&self) -> impl Iterator<Item = (ThreadName, u64)> {
        let shard =
            |(index, shard): (usize, &ShardFabric)| (ThreadName::Shard(index), shard.config.get());
        let ingest = (ThreadName::Ingest, self.ingest_config.get());
        [ingest]
            .into_iter()
            .chain(self.shards.iter().enumerate().map(shard))
    }

    /// Returns the limit on connections of the process.
    pub fn max_connections(&self) -> usize {
        self.sockets.max_connections()
    }

    /// Returns the number of descriptors that may be open: those of sockets, and those that are
    /// reserved for the process.
    pub fn held_descriptors(&self) -> u64 {
        self.sockets.open() as u64 + DescriptorBudget::reserved_for(self.shards.len())
    }

    /// Sends a request to every shard. `request` creates the request of one shard.
    pub fn request_all(
        &self,
        mut request: impl FnMut() -> ShardRequest,
    ) -> Result<(), RequestNotTaken> {
        let mut shards = Vec::new();
        for (index, shard) in self.shards.iter().enumerate() {
            if shard.lane.request(request()).is_err() {
                shards.push(index);
            }
        }
        if shards.is_empty() {
            Ok(())
        } else {
            Err(RequestNotTaken { shards })
        }
    }

    /// Makes every shard close all its connections over `period_us` and end, and marks the process
    /// as draining. This cannot be undone.
    pub fn drain(&self, period_us: u64) -> Result<(), RequestNotTaken> {
        self.draining.store(true, Ordering::Relaxed);
        self.request_all(|| ShardRequest::Drain {
            scope: DrainScope::All,
            period_us,
        })
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
