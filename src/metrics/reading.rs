//! All counters and histograms of the process at one moment. Control and service thread.

use crate::fabric::Fabric;
use crate::observe::{
    Counts as _, Flow, HistogramSnapshot, IngestCounts, PipelineStage, ShardCounts,
};

/// A reading of all counters and histograms, which count from the start of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// Time since the start of the process.
    pub(crate) at_us: u64,
    pub(crate) ingest: IngestCounts,
    pub(crate) shards: Vec<ShardReading>,
}

/// The counters and histograms of one shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShardReading {
    pub(crate) counts: ShardCounts,
    pub(crate) delays: Delays,
}

/// The histograms of a shard, or of all shards together. Their names in metrics are those of the
/// fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delays {
    pub(crate) delivery: HistogramSnapshot,
    pub(crate) turn: HistogramSnapshot,
    pub(crate) lag: HistogramSnapshot,
}

impl Delays {
    /// Returns name, help text and content of each histogram.
    pub(crate) fn each(&self) -> [(&'static str, &'static str, &HistogramSnapshot); 3] {
        let delivery = "From arrival at the ingest socket to the end of the send, per delivery";
        let lag = "How late a shard got to what was due: batches on its lane, and deadlines";
        [
            ("delivery", delivery, &self.delivery),
            ("turn", "Length of the turns of a shard", &self.turn),
            ("lag", lag, &self.lag),
        ]
    }

    /// Returns the values that were recorded after an earlier reading.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            delivery: self.delivery.since(&earlier.delivery),
            turn: self.turn.since(&earlier.turn),
            lag: self.lag.since(&earlier.lag),
        }
    }

    /// Merges the histograms of several shards. Quantiles must be computed from merged histograms,
    /// because the mean of the quantiles of shards is not a quantile.
    pub(super) fn merge<'a>(shards: impl Iterator<Item = &'a Self> + Clone) -> Self {
        Self {
            delivery: HistogramSnapshot::merge(shards.clone().map(|delays| &delays.delivery)),
            turn: HistogramSnapshot::merge(shards.clone().map(|delays| &delays.turn)),
            lag: HistogramSnapshot::merge(shards.map(|delays| &delays.lag)),
        }
    }
}

impl Reading {
    /// Reads everything that the threads publish.
    pub(super) fn take(fabric: &Fabric) -> Self {
        let shards = fabric.shards.iter().map(|shard| ShardReading {
            counts: shard.counts.load(),
            delays: Delays {
                delivery: shard.latency.snapshot(),
                turn: shard.turn.snapshot(),
                lag: shard.lag.snapshot(),
            },
        });
        Self {
            at_us: fabric.clock.now_us(),
            ingest: fabric.ingest_counts.load(),
            shards: shards.collect(),
        }
    }

    /// Returns the sums of the counters of all shards.
    pub(crate) fn total(&self) -> ShardCounts {
        let mut total = ShardCounts::default();
        for shard in &self.shards {
            total.add(&shard.counts);
        }
        total
    }

    /// Returns the merged histograms of all shards.
    pub(crate) fn delays(&self) -> Delays {
        Delays::merge(self.shards.iter().map(|shard| &shard.delays))
    }

    /// Returns the flow through each stage of the pipeline.
    pub(super) fn flows(&self) -> [Flow; 4] {
        let total = self.total();
        PipelineStage::ALL.map(|stage| stage.flow(&self.ingest, &total))
    }
}
