//! Counters and the figures of the last ten seconds as JSON, for people and scripts. Control
//! thread.

use serde_json::{Map, Value, json};

use crate::observe::Counts;

use super::sampler::Sampler;
use super::window::{Delays, Interval, Merged, merge, quantile_us};

/// The same numbers as the metrics, per shard and summed.
pub(crate) fn render(sampler: &Sampler) -> String {
    let interval = sampler.look();
    let fabric = &sampler.fabric;
    let mut shards = Vec::new();
    for ((index, reading), delays) in interval.to.shards.iter().enumerate().zip(interval.shards()) {
        let lane = &fabric.shards[index].lane;
        let mut object = object(&reading.counts);
        add_delays(&mut object, &merge([&delays].into_iter()));
        object.insert("busy_us".into(), reading.delays.turn.sum_us.into());
        object.insert("lane_queued_batches".into(), lane.queued_batches().into());
        object.insert("lane_queued_bytes".into(), lane.queued_bytes().into());
        shards.push(Value::Object(object));
    }
    let mut total = object(&interval.to.total());
    add_delays(&mut total, &interval.delays());
    let stats = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": interval.to.at_us as f64 / 1e6,
        "window_s": interval.length_us() as f64 / 1e6,
        "max_connections": fabric.max_connections(),
        "ingest": object(&interval.to.ingest),
        "stages": stages(&interval),
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

/// `{"check": {"in": 7, "out": 7, "difference": 0, "ratio": 1.0}}`; the first two since the start.
fn stages(interval: &Interval) -> Value {
    let stages = interval.flows().map(|(stage, since_start, lately)| {
        let flow = json!({
            "in": since_start.entered,
            "out": since_start.left,
            "difference": lately.difference(),
            "ratio": lately.ratio(),
        });
        (stage.name().to_owned(), flow)
    });
    Value::Object(stages.into_iter().collect())
}

/// `"delivery_us": {"p50": 1, "p99": 2, "p999": 2, "max": 2, "count": 9}`, each `null` without a
/// value in the interval, and the same of turns and lag.
fn add_delays(object: &mut Map<String, Value>, delays: &Delays<Merged>) {
    for (name, _, histogram) in delays.each() {
        let of = |quantile| quantile_us(histogram, quantile);
        let quantiles = json!({
            "p50": of(0.5),
            "p99": of(0.99),
            "p999": of(0.999),
            "max": of(1.0),
            "count": histogram.len(),
        });
        object.insert(format!("{name}_us"), quantiles);
    }
}
