//! What a node says of itself at one moment, under the names a statsd knows it by. Control thread.

use crate::observe::{Counts, Kind};

use crate::load::Monitor;

use super::super::sampler::Sampler;
use super::line;

/// The figures of the whole process: those of a shard are for Prometheus, which has labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub gauges: Vec<(String, f64)>,
    pub counters: Vec<(String, u64)>,
    /// Whole histograms since the start: the highest value of each bucket in microseconds and
    /// its count, ascending.
    pub timers: Vec<(String, Vec<(u64, u64)>)>,
}

impl Sample {
    pub(super) fn of(sampler: &Sampler, monitor: &Monitor, prefix: &str) -> Self {
        let (interval, fabric) = (sampler.look(), &sampler.fabric);
        let mut sample = Self::default();
        sample.add_counts(prefix, &interval.to.ingest);
        sample.add_counts(prefix, &interval.to.total());
        let shards = || fabric.shards.iter();
        let batches: usize = shards().map(|shard| shard.lane.queued_batches()).sum();
        let bytes: usize = shards().map(|shard| shard.lane.queued_bytes()).sum();
        for (name, value) in [
            ("lane_queued_batches", batches),
            ("lane_queued_bytes", bytes),
            ("max_connections", fabric.max_connections()),
        ] {
            sample.gauge(line::name(prefix, [name]), value as f64);
        }
        for (stage, _, lately) in interval.flows() {
            let name = |figure| line::name(prefix, [figure, stage.name()]);
            sample.gauge(name("stage_difference"), lately.difference() as f64);
            sample.gauge(name("stage_ratio"), lately.ratio());
        }
        for (name, label, value) in monitor.gauges() {
            sample.gauge(line::name(prefix, [name].into_iter().chain(label)), value);
        }
        for (name, _, merged) in interval.to.delays().each() {
            let buckets = merged.buckets.clone();
            sample.timers.push((line::name(prefix, [name]), buckets));
        }
        sample
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.gauges.push((name, value));
    }

    /// `{prefix}.dropped.slow` and the like: the label's value is the last part.
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
