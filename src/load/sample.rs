//! One measurement of the node. No clock, no IO. Control thread.

use std::fmt;

use crate::observe::HistogramSnapshot;

/// One measurement. Counters count from the start of the process.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadSample {
    pub(super) at_us: u64,
    pub(super) threads: Vec<ThreadTime>,
    /// Bytes given to the kernel for clients.
    pub(super) egress_bytes: u64,
    /// The lag of all shards: how late they handled batches and deadlines.
    pub(super) lag: HistogramSnapshot,
    /// Bytes in outboxes and on lanes.
    pub(super) queued_bytes: u64,
    pub(super) sockets: u64,
    pub(super) max_connections: u64,
    /// Handshakes that ended in an upgrade. Unlike accepted sockets, these include no health
    /// checks.
    pub(super) upgraded: u64,
    pub(super) resident_bytes: u64,
    /// The value of `load.memory = auto`.
    pub(super) memory_bytes: u64,
}

/// CPU time of one thread of the process.
#[derive(Clone, Debug)]
pub(super) struct ThreadTime {
    pub(super) id: u32,
    pub(super) core: Core,
    pub(super) cpu_us: u64,
}

/// The core that a thread is pinned to, named after the thread that the core is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Core {
    /// The core of the threads ingest, control and service, of those of libzmq, and of a shard that
    /// has no core of its own.
    Ingest,
    Shard(usize),
}

impl Core {
    /// Returns the core of a thread by the name of the thread. Glommio names the thread of shard 0
    /// `shard-0-1`. `shard_on_ingest_core` is the shard that has no core of its own.
    pub(super) fn of_thread(name: &str, shard_on_ingest_core: Option<usize>) -> Self {
        let shard = name.strip_prefix("shard-");
        let index = shard.and_then(|rest| rest.trim_end().split('-').next()?.parse().ok());
        match index {
            Some(index) if shard_on_ingest_core != Some(index) => Self::Shard(index),
            _ => Self::Ingest,
        }
    }
}

impl fmt::Display for Core {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ingest => formatter.write_str("ingest"),
            Self::Shard(index) => write!(formatter, "shard-{index}"),
        }
    }
}
