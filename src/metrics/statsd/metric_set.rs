//! The figures of the process at one moment, under the names that they have in a statsd. Service
//! thread.

use crate::load::Monitor;
use crate::metrics::sampler::Sampler;
use crate::observe::{Counts, Kind};

use super::line;

/// The figures of the whole process. Figures of single shards are only in `/metrics`, since statsd
/// has no labels.
#[derive(Clone, Debug, Default)]
pub(super) struct MetricSet {
    pub(super) gauges: Vec<(String, f64)>,
    pub(super) counters: Vec<(String, u64)>,
    /// Histograms since the start of the process: the highest value of each bucket in microseconds
    /// and its count, ascending.
    pub(super) timers: Vec<(String, Vec<(u64, u64)>)>,
}

impl MetricSet {
    /// Reads all figures. `prefix` is `statsd.prefix`.
    pub(super) fn collect(sampler: &Sampler, monitor: &Monitor, prefix: &str) -> Self {
        let (interval, fabric) = (sampler.interval(), &sampler.fabric);
        let mut metrics = Self::default();
        metrics.add_counts(prefix, &interval.to.ingest);
        metrics.add_counts(prefix, &interval.to.total());
        let shards = || fabric.shards.iter();
        let batches: usize = shards().map(|shard| shard.lane.queued_batches()).sum();
        let bytes: usize = shards().map(|shard| shard.lane.queued_bytes()).sum();
        for (name, value) in [
            ("lane_queued_batches", batches),
            ("lane_queued_bytes", bytes),
            ("max_connections", fabric.max_connections()),
        ] {
            metrics.gauge(line::name(prefix, [name]), value as f64);
        }
        for (stage, _, lately) in interval.flows() {
            let name = |figure| line::name(prefix, [figure, stage.name()]);
            metrics.gauge(name("stage_difference"), lately.difference() as f64);
            metrics.gauge(name("stage_ratio"), lately.ratio());
        }
        for (name, label, value) in monitor.gauges() {
            metrics.gauge(line::name(prefix, [name].into_iter().chain(label)), value);
        }
        for (name, _, histogram) in interval.to.delays().each() {
            let buckets = histogram.buckets.clone();
            metrics.timers.push((line::name(prefix, [name]), buckets));
        }
        metrics
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.gauges.push((name, value));
    }

    /// Adds a block of counters. The value of a label becomes the last component of the name:
    /// `{prefix}.dropped.slow`.
    fn add_counts(&mut self, prefix: &str, counts: &impl Counts) {
        for (description, value) in counts.each() {
            let label = description.label.map(|(_, label)| label);
            let name = line::name(prefix, [description.name].into_iter().chain(label));
            match description.kind {
                Kind::Counter => self.counters.push((name, value)),
                Kind::Gauge => self.gauge(name, value as f64),
            }
        }
    }
}
