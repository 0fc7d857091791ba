//! Counters and histograms as OpenMetrics text, for Prometheus. Control thread.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::fabric::Fabric;
use crate::observe::{Counts, Description, HistogramSnapshot, Kind};

use super::load::Monitor;
use super::process::Process;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the latency buckets, in seconds.
const BOUNDS_S: [f64; 16] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// All that is known at this moment.
pub(super) fn render(fabric: &Fabric, monitor: &Monitor) -> String {
    let mut registry = Registry::with_prefix("fanfare");
    registry.register_collector(Box::new(Scrape::of(fabric)));
    registry.register_collector(Box::new(monitor.collector()));
    // Names that all programs share have no prefix.
    let mut shared = Registry::default();
    shared.register_collector(Box::new(Process::now()));
    let mut body = String::new();
    text::encode_registry(&mut body, &registry)
        .and_then(|()| text::encode(&mut body, &shared))
        .expect("a String takes every write");
    body
}

type Labels = Vec<(&'static str, String)>;

/// The values of one name.
#[derive(Debug)]
struct Family {
    kind: Kind,
    help: &'static str,
    values: Vec<(Labels, u64)>,
}

#[derive(Debug)]
struct Scrape {
    families: BTreeMap<&'static str, Family>,
    latencies: Vec<(Labels, HistogramSnapshot)>,
}

impl Scrape {
    fn of(fabric: &Fabric) -> Self {
        let mut scrape = Self {
            families: BTreeMap::new(),
            latencies: Vec::new(),
        };
        scrape.add(&fabric.ingest_counts.load(), &[]);
        for (index, shard) in fabric.shards.iter().enumerate() {
            let labels = [("shard", index.to_string())];
            scrape.add(&shard.counts.load(), &labels);
            let lane = [
                (
                    "lane_queued_batches",
                    "Batches waiting on the lane",
                    shard.lane.queued_batches(),
                ),
                (
                    "lane_queued_bytes",
                    "Bytes waiting on the lane",
                    shard.lane.queued_bytes(),
                ),
            ];
            for (name, help, value) in lane {
                let description = Description {
                    name,
                    kind: Kind::Gauge,
                    label: None,
                    help,
                };
                scrape.add_value(description, &labels, value as u64);
            }
            scrape
                .latencies
                .push((labels.to_vec(), shard.latency.snapshot()));
        }
        for (name, help, value) in [
            (
                "max_connections",
                "Connections this process takes",
                fabric.max_connections() as u64,
            ),
            (
                "uptime_seconds",
                "Seconds since the start",
                fabric.clock.now_us() / 1_000_000,
            ),
        ] {
            let description = Description {
                name,
                kind: Kind::Gauge,
                label: None,
                help,
            };
            scrape.add_value(description, &[], value);
        }
        scrape
    }

    fn add(&mut self, counts: &impl Counts, labels: &[(&'static str, String)]) {
        for (description, value) in counts.each() {
            self.add_value(description, labels, value);
        }
    }

    fn add_value(
        &mut self,
        description: Description,
        labels: &[(&'static str, String)],
        value: u64,
    ) {
        let Description {
            name,
            kind,
            label,
            help,
        } = description;
        let own = label.map(|(key, value)| (key, value.to_owned()));
        let labels = labels.iter().cloned().chain(own).collect();
        let family = self.families.entry(name).or_insert_with(|| Family {
            kind,
            help,
            values: Vec::new(),
        });
        family.values.push((labels, value));
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, family) in &self.families {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            for (labels, value) in &family.values {
                let mut metric = metric.encode_family(labels)?;
                match family.kind {
                    Kind::Counter => metric.encode_counter::<NoLabelSet, _, u64>(value, None)?,
                    Kind::Gauge => metric.encode_gauge(value)?,
                }
            }
        }
        let help = "From arrival at the ingest socket to the end of the send, per delivery";
        let kind = MetricType::Histogram;
        let mut metric = encoder.encode_descriptor("delivery_seconds", help, None, kind)?;
        for (labels, snapshot) in &self.latencies {
            let buckets = buckets(snapshot);
            let count = buckets.iter().map(|(_, count)| count).sum();
            let sum_s = snapshot.sum_us as f64 / 1e6;
            let mut metric = metric.encode_family(labels)?;
            metric.encode_histogram::<NoLabelSet>(sum_s, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// The counts between the bounds, the last of them infinite.
fn buckets(snapshot: &HistogramSnapshot) -> Vec<(f64, u64)> {
    let bounds = BOUNDS_S.into_iter().chain([f64::INFINITY]);
    let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
    for (upper_us, count) in &snapshot.buckets {
        let upper_s = *upper_us as f64 / 1e6;
        let bucket = buckets.iter_mut().find(|(bound, _)| upper_s <= *bound);
        bucket.expect("the last bound is infinite").1 += count;
    }
    buckets
}
