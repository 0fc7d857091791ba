//! Counters, histograms, and the figures of the last ten seconds, as OpenMetrics text for
//! Prometheus (`GET /metrics`). Control thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::config::HookKind;
use crate::fabric::Fabric;
use crate::host::process::ProcessUsage;
use crate::load::Monitor;
use crate::observe::{Counts, Description, HistogramSnapshot, Kind, RequestResult};

use super::histogram::buckets;
use super::process::ProcessCollector;
use super::sampler::Sampler;
use super::window::{Interval, QUANTILES};

/// Media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Returns all metrics.
pub(crate) fn render(sampler: &Sampler, monitor: &Monitor) -> String {
    let mut registry = Registry::with_prefix("fanfare");
    let scrape = Scrape::new(&sampler.fabric, &sampler.interval());
    registry.register_collector(Box::new(scrape));
    registry.register_collector(Box::new(monitor.collector()));
    // The standard metrics of a process have no prefix.
    let mut unprefixed = Registry::default();
    let usage = ProcessUsage::read(sampler.fabric.held_descriptors());
    unprefixed.register_collector(Box::new(ProcessCollector(usage)));
    let mut body = String::new();
    text::encode_registry(&mut body, &registry)
        .and_then(|()| text::encode(&mut body, &unprefixed))
        .expect("a String takes every write");
    body
}

type Labels = Vec<(&'static str, String)>;

/// The value of a sample. Integers are written without a fraction.
#[derive(Clone, Copy, Debug)]
enum Value {
    Whole(u64),
    Signed(i64),
    Real(f64),
}

/// A metric family: all samples of one name.
#[derive(Debug)]
struct Family {
    kind: Kind,
    help: String,
    samples: Vec<(Labels, Value)>,
}

/// A histogram family: the histograms of one name since the start of the process.
#[derive(Debug)]
struct Distribution {
    name: String,
    help: &'static str,
    histograms: Vec<LabelledHistogram>,
}

#[derive(Debug)]
struct LabelledHistogram {
    labels: Labels,
    /// Upper bound in seconds and count of each bucket, not cumulative.
    buckets: Vec<(f64, u64)>,
    sum_s: f64,
}

impl LabelledHistogram {
    fn new(snapshot: &HistogramSnapshot, labels: Labels) -> Self {
        Self {
            labels,
            buckets: buckets(snapshot),
            sum_s: snapshot.sum_us as f64 / 1e6,
        }
    }
}

/// The metrics of the engine at one moment.
#[derive(Debug, Default)]
struct Scrape {
    families: BTreeMap<String, Family>,
    distributions: Vec<Distribution>,
}

impl Scrape {
    fn new(fabric: &Fabric, interval: &Interval) -> Self {
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
        scrape.add_config(fabric);
        let connections = Value::Whole(fabric.max_connections() as u64);
        let help = "Connections this process takes";
        scrape.gauge("max_connections", help, &[], connections);
        let uptime_s = Value::Whole(reading.at_us / 1_000_000);
        scrape.gauge("uptime_seconds", "Seconds since the start", &[], uptime_s);
        scrape.add_service(fabric);
        scrape.add_stages(interval);
        scrape.add_delays(interval);
        scrape
    }

    /// Adds the version of the configuration, and the version that each thread has applied.
    fn add_config(&mut self, fabric: &Fabric) {
        let help = "Version of the newest configuration: 1 at the start, and 1 more for each reload \
                    that changed something";
        let version = Value::Whole(fabric.config.version());
        self.gauge("config_version", help, &[], version);
        for (thread, version) in fabric.applied_configs() {
            let labels = [("thread", thread.to_string())];
            let help = "Version of the configuration that a thread has applied";
            let version = Value::Whole(version);
            self.gauge("config_applied_version", help, &labels, version);
        }
    }

    /// Adds the figures of the hooks that are in use, and of the fetches of key sets.
    fn add_service(&mut self, fabric: &Fabric) {
        let meters = &fabric.service_meters;
        let mut histograms = Vec::new();
        for kind in HookKind::ALL {
            let hook = meters.hook(kind);
            if !hook.is_in_use.load(Ordering::Relaxed) {
                continue;
            }
            let label = ("hook", kind.name().to_owned());
            for result in RequestResult::ALL {
                let labels = [label.clone(), ("result", result.name().to_owned())];
                let help = "Calls of hooks, by result";
                self.counter("hook_calls", help, &labels, hook.results.get(result));
            }
            let labels = [label];
            let waiting = Value::Whole(hook.waiting.load(Ordering::Relaxed));
            let help = "Calls of hooks that wait, because hooks.max_concurrent are under way";
            self.gauge("hook_calls_waiting", help, &labels, waiting);
            let under_way = Value::Whole(hook.under_way.load(Ordering::Relaxed));
            let help = "Requests to hooks that are under way";
            self.gauge("hook_calls_under_way", help, &labels, under_way);
            let snapshot = hook.duration.snapshot();
            histograms.push(LabelledHistogram::new(&snapshot, labels.into()));
        }
        if !histograms.is_empty() {
            self.distributions.push(Distribution {
                name: "hook_duration_seconds".into(),
                help: "From the command of a client to the result of its call of a hook",
                histograms,
            });
        }
        for result in RequestResult::ALL {
            let labels = [("result", result.name().to_owned())];
            let help = "Fetches of key sets, by result";
            self.counter(
                "key_set_fetches",
                help,
                &labels,
                meters.key_set_fetches.get(result),
            );
        }
    }

    /// Adds the flow through each stage, since the start of the process and in the interval.
    fn add_stages(&mut self, interval: &Interval) {
        for (stage, since_start, in_interval) in interval.flows() {
            let labels = [("stage", stage.name().to_owned())];
            let help = "Publications or deliveries that entered a stage and were seen to its end";
            self.counter("stage_in", help, &labels, since_start.entered);
            let help = "Those of stage_in that left the stage or are known to wait in it";
            self.counter("stage_out", help, &labels, since_start.left);
            let help = "In minus out of a stage over the last ten seconds: what was lost silently";
            let difference = Value::Signed(in_interval.difference());
            self.gauge("stage_difference", help, &labels, difference);
            let help = "Out over in of a stage over the last ten seconds: 1 if nothing was lost";
            self.gauge(
                "stage_ratio",
                help,
                &labels,
                Value::Real(in_interval.ratio()),
            );
        }
    }

    /// Adds the histograms since the start of the process and the quantiles of the interval.
    /// Without a value in the interval there are no quantiles, hence no samples.
    fn add_delays(&mut self, interval: &Interval) {
        let (in_interval, since_start) = (interval.delays(), interval.to.delays());
        let pairs = in_interval.each().into_iter().zip(since_start.each());
        for ((name, help, in_interval), (_, _, since_start)) in pairs {
            self.distributions.push(Distribution {
                name: format!("{name}_seconds"),
                help,
                histograms: vec![LabelledHistogram::new(since_start, Labels::new())],
            });
            for (label, quantile) in QUANTILES {
                let Some(value_us) = in_interval.quantile_us(quantile) else {
                    continue;
                };
                let labels = [("quantile", label.to_owned())];
                let help = format!("{help}: quantiles of the last ten seconds, all shards merged");
                let name = format!("{name}_quantile_seconds");
                self.gauge(&name, &help, &labels, Value::Real(value_us as f64 / 1e6));
            }
        }
    }

    /// Adds a block of counters, each with `labels` and its own label.
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
            samples: Vec::new(),
        });
        family.samples.push((labels.to_vec(), value));
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
            for (labels, value) in &family.samples {
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
            for each in &each.histograms {
                let (sum_s, buckets) = (each.sum_s, &each.buckets);
                let count = buckets.iter().map(|(_, count)| count).sum();
                if each.labels.is_empty() {
                    metric.encode_histogram::<NoLabelSet>(sum_s, count, buckets, None)?;
                } else {
                    let mut metric = metric.encode_family(&each.labels)?;
                    metric.encode_histogram::<NoLabelSet>(sum_s, count, buckets, None)?;
                }
            }
        }
        Ok(())
    }
}
