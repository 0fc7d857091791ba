//! Counters and latencies as JSON, for people and scripts. Control thread.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::fabric::Fabric;
use crate::observe::{Counts, HistogramSnapshot, ShardCounts};

/// The same numbers as the metrics, per shard and summed, with quantiles.
pub(super) fn render(fabric: &Fabric) -> String {
    let mut total = ShardCounts::default();
    let mut merged = latencies();
    let mut shards = Vec::new();
    for shard in &fabric.shards {
        let counts = shard.counts.load();
        total.add(&counts);
        let snapshot = shard.latency.snapshot();
        let mut own = latencies();
        record(&mut own, &snapshot);
        record(&mut merged, &snapshot);
        let mut object = object(&counts);
        object.insert("latency_us".into(), quantiles(&own));
        object.insert(
            "lane_queued_batches".into(),
            shard.lane.queued_batches().into(),
        );
        object.insert("lane_queued_bytes".into(), shard.lane.queued_bytes().into());
        shards.push(Value::Object(object));
    }
    let mut total = object(&total);
    total.insert("latency_us".into(), quantiles(&merged));
    let stats = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": fabric.clock.now_us() as f64 / 1e6,
        "max_connections": fabric.max_connections(),
        "ingest": object(&fabric.ingest_counts.load()),
        "total": total,
        "shards": shards,
    });
    format!("{stats:#}\n")
}

/// `{"matched": 1, "dropped": {"slow": 0}}`.
fn object(counts: &impl Counts) -> Map<String, Value> {
    let mut object = Map::new();
    for (description, value) in counts.each() {
        match description.label {
            None => {
                object.insert(description.name.into(), value.into());
            }
            Some((_, label)) => {
                let group = object.entry(description.name).or_insert_with(|| json!({}));
                group[label] = value.into();
            }
        }
    }
    object
}

/// Merged, never averaged: the p99 of two shards is no mean of their p99s.
fn latencies() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are allowed")
}

fn record(histogram: &mut Histogram<u64>, snapshot: &HistogramSnapshot) {
    for (upper_us, count) in &snapshot.buckets {
        histogram.saturating_record_n(*upper_us, *count);
    }
}

fn quantiles(histogram: &Histogram<u64>) -> Value {
    json!({
        "p50": histogram.value_at_quantile(0.5),
        "p99": histogram.value_at_quantile(0.99),
        "p999": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
        "count": histogram.len(),
    })
}
