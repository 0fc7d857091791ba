//! Counters, histograms and the figures of the last ten seconds as OpenMetrics text, for
//! Prometheus. Control thread.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::fabric::Fabric;
use crate::limits::BUCKET_QUARTERS;
use crate::observe::{Counts, Description, HistogramSnapshot, Kind};

use crate::host::process::ProcessUsage;
use crate::load::Monitor;

use super::process::ProcessCollector;
use super::sampler::Sampler;
use super::window::{Interval, QUANTILES, quantile_us};

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that is known at this moment.
pub(crate) fn render(sampler: &Sampler, monitor: &Monitor) -> String {
    let mut registry = Registry::with_prefix("fanfare");
    let scrape = Scrape::of(&sampler.fabric, &sampler.look());
    registry.register_collector(Box::new(scrape));
    registry.register_collector(Box::new(monitor.collector()));
    // Names that all programs share have no prefix.
    let mut shared = Registry::default();
    let usage = ProcessUsage::read(sampler.fabric.held_descriptors() as u64);
    shared.register_collector(Box::new(ProcessCollector(usage)));
    let mut body = String::new();
    text::encode_registry(&mut body, &registry)
        .and_then(|()| text::encode(&mut body, &shared))
        .expect("a String takes every write");
    body
}

type Labels = Vec<(&'static str, String)>;

/// A sample's value. Whole numbers stay whole in the text.
#[derive(Clone, Copy, Debug)]
enum Value {
    Whole(u64),
    Signed(i64),
    Real(f64),
}

/// The values of one name.
#[derive(Debug)]
struct Family {
    kind: Kind,
    help: String,
    values: Vec<(Labels, Value)>,
}

/// A histogram of the whole process since its start.
#[derive(Debug)]
struct Distribution {
    name: String,
    help: &'static str,
    /// Upper bounds in seconds, the last infinite, and the count of each bucket by itself.
    buckets: Vec<(f64, u64)>,
    sum_s: f64,
}

#[derive(Debug, Default)]
struct Scrape {
    families: BTreeMap<String, Family>,
    distributions: Vec<Distribution>,
}

impl Scrape {
    fn of(fabric: &Fabric, interval: &Interval) -> Self {
        let mut scrape = Self::default();
        let reading = &interval.to;
        scrape.add_counts(&reading.ingest, &[]);
        for (index, shard) in reading.shards.iter().enumerate() {
            let labels = [("shard", index.to_string())];
            scrape.add_counts(&shard.counts, &labels);
            let lane = &fabric.shards[index].lane;
            let (batches, bytes) = (lane.queued_batches() as u64, lane.queued_bytes() as u64);
            let help = "Batches waiting on the lane";
            scrape.gauge("lane_queued_batches", help, &labels, Value::Whole(batches));
            let help = "Bytes waiting on the lane";
            scrape.gauge("lane_queued_bytes", help, &labels, Value::Whole(bytes));
        }
        let connections = Value::Whole(fabric.max_connections() as u64);
        let help = "Connections this process takes";
        scrape.gauge("max_connections", help, &[], connections);
        let uptime_s = Value::Whole(reading.at_us / 1_000_000);
        scrape.gauge("uptime_seconds", "Seconds since the start", &[], uptime_s);
        scrape.add_stages(interval);
        scrape.add_delays(interval);
        scrape
    }

    /// What each stage took in and gave out, since the start and in the interval.
    fn add_stages(&mut self, interval: &Interval) {
        for (stage, since_start, lately) in interval.flows() {
            let labels = [("stage", stage.name().to_owned())];
            let help = "Publications or deliveries that entered a stage and were seen to its end";
            self.counter("stage_in", help, &labels, since_start.entered);
            let help = "Those of stage_in that left the stage or are known to wait in it";
            self.counter("stage_out", help, &labels, since_start.left);
            let help = "In minus out of a stage over the last ten seconds: what was lost silently";
            let difference = Value::Signed(lately.difference());
            self.gauge("stage_difference", help, &labels, difference);
            let help = "Out over in of a stage over the last ten seconds: 1 if nothing was lost";
            self.gauge("stage_ratio", help, &labels, Value::Real(lately.ratio()));
        }
    }

    /// The histograms since the start, and the quantiles of the interval. Without a value in the
    /// interval there is no quantile, and no sample.
    fn add_delays(&mut self, interval: &Interval) {
        let (lately, whole) = (interval.delays(), interval.to.delays());
        for ((name, help, lately), (_, _, whole)) in lately.each().into_iter().zip(whole.each()) {
            self.distributions.push(Distribution {
                name: format!("{name}_seconds"),
                help,
                buckets: buckets(whole),
                sum_s: whole.sum_us as f64 / 1e6,
            });
            for (label, quantile) in QUANTILES {
                let Some(value_us) = quantile_us(lately, quantile) else {
                    continue;
                };
                let labels = [("quantile", label.to_owned())];
                let help = format!("{help}: quantiles of the last ten seconds, all shards merged");
                let name = format!("{name}_quantile_seconds");
                self.gauge(&name, &help, &labels, Value::Real(value_us as f64 / 1e6));
            }
        }
    }

    fn add_counts(&mut self, counts: &impl Counts, labels: &[(&'static str, String)]) {
        for (description, value) in counts.each() {
            let Description {
                name,
                kind,
                label,
                help,
            } = description;
            let own = label.map(|(key, value)| (key, value.to_owned()));
            let labels: Labels = labels.iter().cloned().chain(own).collect();
            self.add(name, kind, help, &labels, Value::Whole(value));
        }
    }

    fn counter(&mut self, name: &str, help: &str, labels: &[(&'static str, String)], value: u64) {
        self.add(name, Kind::Counter, help, labels, Value::Whole(value));
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&'static str, String)], value: Value) {
        self.add(name, Kind::Gauge, help, labels, value);
    }

    fn add(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        labels: &[(&'static str, String)],
        value: Value,
    ) {
        let family = self.families.entry(name.to_owned());
        let family = family.or_insert_with(|| Family {
            kind,
            help: help.to_owned(),
            values: Vec::new(),
        });
        family.values.push((labels.to_vec(), value));
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, family) in &self.families {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut metric = encoder.encode_descriptor(name, &family.help, None, kind)?;
            for (labels, value) in &family.values {
                let mut metric = metric.encode_family(labels)?;
                match (family.kind, value) {
                    (Kind::Counter, Value::Whole(value)) => {
                        metric.encode_counter::<NoLabelSet, _, u64>(value, None)?;
                    }
                    (_, Value::Whole(value)) => metric.encode_gauge(value)?,
                    (_, Value::Signed(value)) => metric.encode_gauge(value)?,
                    (_, Value::Real(value)) => metric.encode_gauge(value)?,
                }
            }
        }
        let kind = MetricType::Histogram;
        for each in &self.distributions {
            let mut metric = encoder.encode_descriptor(&each.name, each.help, None, kind)?;
            let count = each.buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(each.sum_s, count, &each.buckets, None)?;
        }
        Ok(())
    }
}

/// The counts between the bounds of [`BUCKET_QUARTERS`], the last of them infinite. A bucket of
/// ours that lies across a bound, 1.6 % wide, goes to the upper side whole.
fn buckets(snapshot: &HistogramSnapshot) -> Vec<(f64, u64)> {
    let bounds = BUCKET_QUARTERS.map(|quarters| (f64::from(quarters) / 4.0).exp2());
    let bounds = bounds.chain([f64::INFINITY]);
    let mut buckets: Vec<(f64, u64)> = bounds.map(|bound| (bound, 0)).collect();
    for (upper_us, count) in &snapshot.buckets {
        let upper_s = *upper_us as f64 / 1e6;
        let bucket = buckets.partition_point(|(bound, _)| *bound < upper_s);
        buckets[bucket].1 += count;
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(buckets: &[(u64, u64)]) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: buckets.to_vec(),
            sum_us: 0,
        }
    }

    #[test]
    fn bounds_are_those_of_schema_2() {
        let bounds: Vec<f64> = buckets(&HistogramSnapshot::default())
            .into_iter()
            .map(|(bound, _)| bound)
            .collect();
        assert!(bounds.is_sorted() && bounds.len() < 100);
        for pair in bounds[..bounds.len() - 1].windows(2) {
            assert!((pair[1] / pair[0] - 2_f64.powf(0.25)).abs() < 1e-12);
        }
        for exact in [0.25, 1.0, 2.0, 32.0, f64::INFINITY] {
            assert!(bounds.contains(&exact), "{exact}");
        }
    }

    #[test]
    fn every_value_is_counted_once_within_its_bounds() {
        let (one, other) = (
            snapshot(&[(0, 1), (1_000_000, 2)]),
            snapshot(&[(99_999_999, 4)]),
        );
        let buckets = buckets(&HistogramSnapshot::merge([&one, &other]));
        let of = |bound: f64| buckets.iter().find(|(each, _)| *each >= bound).unwrap().1;
        assert_eq!((of(0.0), of(1.0), of(f64::INFINITY)), (1, 2, 4));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 7);
    }
}
