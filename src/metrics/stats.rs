//! Counters, and the figures of the last ten seconds, as JSON (`GET /stats`). Control thread.

use serde_json::{Map, Value, json};

use crate::fabric::Fabric;
use crate::observe::Counts;

use super::reading::Delays;
use super::sampler::Sampler;
use super::window::Interval;

/// Returns the figures of each shard and of the process. They are those of the metrics.
pub(crate) fn render(sampler: &Sampler) -> String {
    let interval = sampler.interval();
    let fabric = &sampler.fabric;
    let mut shards = Vec::new();
    let delays = interval.shard_delays();
    for ((index, reading), delays) in interval.to.shards.iter().enumerate().zip(delays) {
        let lane = &fabric.shards[index].lane;
        let mut object = counts_object(&reading.counts);
        add_delays(&mut object, &delays);
        object.insert("busy_us".into(), reading.delays.turn.sum_us.into());
        object.insert("lane_queued_batches".into(), lane.queued_batches().into());
        object.insert("lane_queued_bytes".into(), lane.queued_bytes().into());
        shards.push(Value::Object(object));
    }
    let mut total = counts_object(&interval.to.total());
    add_delays(&mut total, &interval.delays());
    let stats = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": interval.to.at_us as f64 / 1e6,
        "window_s": interval.length_us() as f64 / 1e6,
        "max_connections": fabric.max_connections(),
        "config": config(fabric),
        "ingest": counts_object(&interval.to.ingest),
        "stages": stages(&interval),
        "total": total,
        "shards": shards,
    });
    format!("{stats:#}\n")
}

/// Returns the versions of the configuration: the newest, and the one that each thread has applied.
/// For example `{"version": 2, "applied": {"ingest": 2, "shard-0": 2}}`.
fn config(fabric: &Fabric) -> Value {
    let applied = fabric.applied_configs();
    let applied: Map<_, _> = applied
        .map(|(thread, version)| (thread.to_string(), version.into()))
        .collect();
    json!({ "version": fabric.config.version(), "applied": applied })
}

/// Returns counters as an object: `{"matched": 1, "dropped": {"slow": 0}}`.
fn counts_object(counts: &impl Counts) -> Map<String, Value> {
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

/// Returns the flow through each stage: `{"check": {"in": 7, "out": 7, "difference": 0,
/// "ratio": 1.0}}`. `in` and `out` count from the start of the process, the others are of the
/// interval.
fn stages(interval: &Interval) -> Value {
    let stages = interval.flows().map(|(stage, since_start, in_interval)| {
        let flow = json!({
            "in": since_start.entered,
            "out": since_start.left,
            "difference": in_interval.difference(),
            "ratio": in_interval.ratio(),
        });
        (stage.name().to_owned(), flow)
    });
    Value::Object(stages.into_iter().collect())
}

/// Adds the quantiles of each histogram: `"delivery_us": {"p50": 1, "p99": 2, "p999": 2, "max": 2,
/// "count": 9}`. Without a value in the interval they are `null`.
fn add_delays(object: &mut Map<String, Value>, delays: &Delays) {
    for (name, _, histogram) in delays.each() {
        let quantiles = json!({
            "p50": histogram.quantile_us(0.5),
            "p99": histogram.quantile_us(0.99),
            "p999": histogram.quantile_us(0.999),
            "max": histogram.quantile_us(1.0),
            "count": histogram.count(),
        });
        object.insert(format!("{name}_us"), quantiles);
    }
}
