//! The only memory that cores share: lanes, broadcasts, interest, and what each core counts.
//!
//! Every part says who writes it. The one lock on the way of a message: an encoding that
//! two shards miss at the same moment is made by one of them while the other waits.

mod descriptor_budget;
mod inlet;
mod interest;
mod lane;
mod shard_request;
mod thread_monitor;
mod wake;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::delivery::{CODECS, Codec, TopicHasher};
use crate::hub::DrainScope;
use crate::limits;
use crate::observe::{Clock, Health, Histogram, IngestCounts, Published, ShardCounts};

pub use descriptor_budget::{DescriptorBudget, TooFewDescriptors};
pub use inlet::{Inlet, Origin, Submission, Verdict};
pub use interest::{Interest, Wanted};
pub use lane::{Full, Lane, Parcel};
pub use shard_request::{RequestNotTaken, RequestQueueFull, ShardRequest};
pub use thread_monitor::{ThreadEvent, ThreadGuard, ThreadMonitor, ThreadName};
pub use wake::Wake;

/// What all cores of one process share.
pub struct Fabric {
    pub clock: Clock,
    pub hasher: TopicHasher,
    pub inlet: Inlet,
    pub shards: Vec<ShardFabric>,
    pub ingest_counts: Published<IngestCounts>,
    /// Connections that take each codec, all shards together. Shards write, ingest reads.
    codecs: [AtomicUsize; CODECS],
    /// Open sockets, all shards together.
    sockets: AtomicUsize,
    max_connections: usize,
    draining: AtomicBool,
}

/// One shard's part.
pub struct ShardFabric {
    pub lane: Lane,
    pub interest: Interest,
    pub counts: Published<ShardCounts>,
    /// From arrival to the end of the send, per delivery.
    pub latency: Arc<Histogram>,
    /// Lengths of the turns that did something.
    pub turn: Arc<Histogram>,
    /// How late the shard got to what was due: batches on its lane, and deadlines.
    pub lag: Arc<Histogram>,
    /// Accepting has paused because the process has no descriptors left. The shard writes it.
    pub starved: AtomicBool,
}

impl Fabric {
    /// `shard_wakes`: one wake per shard; `max_connections`: for the process.
    pub fn new(shard_wakes: Vec<Wake>, inlet_wake: Wake, max_connections: usize) -> Self {
        let shard = |wake| ShardFabric {
            lane: Lane::new(wake),
            interest: Interest::default(),
            counts: Published::default(),
            latency: Arc::default(),
            turn: Arc::default(),
            lag: Arc::default(),
            starved: AtomicBool::new(false),
        };
        Self {
            clock: Clock::start(),
            hasher: TopicHasher::default(),
            inlet: Inlet::new(inlet_wake),
            shards: shard_wakes.into_iter().map(shard).collect(),
            ingest_counts: Published::default(),
            codecs: Default::default(),
            sockets: AtomicUsize::new(0),
            max_connections,
            draining: AtomicBool::new(false),
        }
    }

    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Counts a socket in: `None` beyond all limits, `Some(true)` past the limit for connections.
    pub fn admit(&self) -> Option<bool> {
        let before = self.sockets.fetch_add(1, Ordering::Relaxed);
        if before >= self.max_connections + limits::REFUSAL_SOCKETS {
            self.leave();
            return None;
        }
        Some(before >= self.max_connections)
    }

    /// Counts a socket out.
    pub fn leave(&self) {
        self.sockets.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the largest number of descriptors that may be open: one for each socket, and those
    /// that are reserved for the process.
    pub fn held_descriptors(&self) -> u64 {
        let sockets = self.sockets.load(Ordering::Relaxed) as u64;
        sockets + DescriptorBudget::reserved_for(self.shards.len())
    }

    /// A connection that takes this codec came or went.
    pub fn codec(&self, codec: Codec, came: bool) {
        let connections = &self.codecs[codec as usize];
        if came {
            connections.fetch_add(1, Ordering::Relaxed);
        } else {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether somebody is connected who takes this codec.
    pub fn is_used(&self, codec: Codec) -> bool {
        self.codecs[codec as usize].load(Ordering::Relaxed) > 0
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

    /// Returns whether the process closes all its connections and ends.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub fn health(&self) -> Health {
        if self.is_draining() {
            return Health::Draining;
        }
        let mut reasons = Vec::new();
        if self
            .shards
            .iter()
            .any(|shard| shard.starved.load(Ordering::Relaxed))
        {
            reasons.push(
                "out of file descriptors: raise LimitNOFILE or lower ws.max_connections".into(),
            );
        }
        if self.sockets.load(Ordering::Relaxed) >= self.max_connections {
            reasons.push(format!("at ws.max_connections ({})", self.max_connections));
        }
        if reasons.is_empty() {
            Health::Ok
        } else {
            Health::Degraded(reasons)
        }
    }
}
