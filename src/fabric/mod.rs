//! The only memory that cores share: lanes, broadcasts, interest, and what each core counts.
//!
//! Every part says who writes it. The one lock on the way of a message: an encoding that
//! two shards miss at the same moment is made by one of them while the other waits.

mod inlet;
mod interest;
mod lane;
mod wake;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::config::Config;
use crate::delivery::{CODECS, Codec, TopicHasher};
use crate::hub::DrainScope;
use crate::limits;
use crate::observe::{Clock, Health, Histogram, IngestCounts, Published, ShardCounts};

pub use inlet::{Inlet, Origin, Submission, Verdict};
pub use interest::{Interest, Wanted};
pub use lane::{Full, Lane, Order, Parcel};
pub use wake::Wake;
pub use watch::{Core, Notice, Watch, Watchtower};

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

    /// Descriptors that may be open: the sockets, and all that are kept back for the process.
    pub fn held_descriptors(&self) -> usize {
        self.sockets.load(Ordering::Relaxed) + own_descriptors(self.shards.len())
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

    /// Whether the process is on its way out.
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

/// Descriptors that are not for connections.
pub fn own_descriptors(shards: usize) -> usize {
    limits::OWN_DESCRIPTORS + shards * limits::OWN_DESCRIPTORS_PER_SHARD + limits::REFUSAL_SOCKETS
}

/// Whether so many descriptors are enough for the process and a first connection; if not, they
/// are given back.
pub fn check_descriptors(descriptors: u64, shards: usize) -> Result<(), u64> {
    if descriptors > own_descriptors(shards) as u64 {
        Ok(())
    } else {
        Err(descriptors)
    }
}

/// The limit on connections that a configuration and the descriptor limit give: what is left
/// after the process's own descriptors, unless the operator wants fewer.
pub fn max_connections(config: &Config, descriptors: u64, shards: usize) -> usize {
    let room = (descriptors as usize)
        .saturating_sub(own_descriptors(shards))
        .max(1);
    config
        .ws
        .max_connections
        .map_or(room, |wanted| wanted.min(room))
}
