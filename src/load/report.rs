//! The report of the load as JSON and as metrics. Control thread; the service thread reads the
//! gauges.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use serde_json::{Map, Value, json};

use super::advice::Advice;
use super::model::LoadReport;
use super::monitor::Monitor;
use super::parts::Part;

/// A gauge: name, help text, and samples with an optional label.
type Gauge = (
    &'static str,
    &'static str,
    Vec<(Option<(&'static str, &'static str)>, f64)>,
);

impl LoadReport {
    fn gauges(&self) -> [Gauge; 4] {
        let parts = Part::ALL.iter().zip(self.parts.ratios);
        let parts = parts.map(|(part, ratio)| (Some(("part", part.name())), ratio));
        let advice = Advice::ALL.iter().map(|advice| {
            let given = f64::from(u8::from(*advice == self.advice));
            (Some(("advice", advice.name())), given)
        });
        [
            (
                "load_ratio",
                "Parts of the load, each against what makes a node full",
                parts.collect(),
            ),
            (
                "load",
                "The largest part of the load, smoothed: 1 is full",
                vec![(None, self.smoothed)],
            ),
            (
                "agent_weight_percent",
                "Weight that is announced to load balancers",
                vec![(None, f64::from(self.weight))],
            ),
            (
                "scale_advice",
                "Scaling advice: 1 for what is advised",
                advice.collect(),
            ),
        ]
    }
}

impl Monitor {
    /// Returns the gauges as triples: name, value of the label if there is one, and value.
    pub(crate) fn gauges(&self) -> Vec<(&'static str, Option<&'static str>, f64)> {
        let gauges = self.state().report.gauges().into_iter();
        let flat = gauges.flat_map(|(name, _, samples)| {
            let samples = samples.into_iter();
            samples.map(move |(label, value)| (name, label.map(|(_, label)| label), value))
        });
        flat.collect()
    }

    /// Returns the body of `GET /load`.
    pub(crate) fn json(&self) -> Value {
        let state = self.state();
        let report = &state.report;
        let parts = Part::ALL.iter().zip(report.parts.ratios);
        let parts: Map<_, _> = parts
            .map(|(part, ratio)| (part.name().to_owned(), rounded(ratio)))
            .collect();
        let now_us = self.fabric.clock.now_us();
        let drain = match (&state.share_drain, state.share_stage(now_us)) {
            (Some(drain), Some(current)) => drain.json(current, self.closed_by_drains()),
            _ => Value::Null,
        };
        json!({
            "parts": parts,
            "largest": report.parts.largest().0.name(),
            "busiest_core": report.parts.busiest.map(|core| core.to_string()),
            "raw": rounded(report.raw),
            "smoothed": rounded(report.smoothed),
            "precharge": rounded(report.precharge),
            "connection": {
                "cost": report.cost,
                "planned": report.planned,
            },
            "weight": report.weight,
            "draining": self.fabric.is_draining(),
            "advice": {
                "advice": report.advice.long_name(),
                "reason": report.reason,
            },
            "drain": drain,
        })
    }

    /// Returns the gauges for `GET /metrics`.
    pub(crate) fn collector(&self) -> impl Collector + 'static {
        GaugeCollector(self.state().report.gauges())
    }
}

/// Rounds a ratio to four decimal places.
fn rounded(ratio: f64) -> Value {
    ((ratio * 1e4).round() / 1e4).into()
}

#[derive(Debug)]
struct GaugeCollector([Gauge; 4]);

impl Collector for GaugeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, samples) in &self.0 {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (label, value) in samples {
                match label {
                    Some(label) => metric.encode_family(&[*label])?.encode_gauge(value)?,
                    None => metric.encode_gauge(value)?,
                }
            }
        }
        Ok(())
    }
}
