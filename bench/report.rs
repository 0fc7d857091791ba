//! What a scenario found: a closing table or one JSON object, and whether expectations were met.

use std::fmt::{self, Display};

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::ledger::Counts;
use crate::timeline::{self, Interval};

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// What several runs found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Without any values nothing of it is a number.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(sorted.len() / 2)),
            least: at(0),
            most: at(last),
        }
    }
}

impl Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, least, most] = [self.median, self.least, self.most].map(rounded);
        // Through a string, so that it can be padded.
        out.pad(&format!("{median} ({least} to {most})"))
    }
}

/// With four decimals, or with two from 10 on: more would only look exact.
fn rounded(value: f64) -> f64 {
    let scale = if value.abs() < 10.0 { 1e4 } else { 1e2 };
    (value * scale).round() / scale
}

/// Named values in the order they were found, and the expectations that were not met.
#[derive(Debug)]
pub struct Report {
    scenario: &'static str,
    rows: Vec<(String, Value)>,
    /// For programs only.
    details: Vec<(String, Value)>,
    /// For people only.
    texts: Vec<String>,
    failures: Vec<String>,
    /// The run over time, of scenarios that record it.
    timeline: Vec<Interval>,
}

impl Report {
    pub fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            rows: Vec::new(),
            details: Vec::new(),
            texts: Vec::new(),
            failures: Vec::new(),
            timeline: Vec::new(),
        }
    }

    /// Adds a value; the name ends in its unit.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.rows.push((name.into(), value.into()));
    }

    /// Adds a value with two decimals, or with four where it is less than 10.
    pub fn add_decimal(&mut self, name: impl Into<String>, value: f64) {
        self.add(name, rounded(value));
    }

    /// Adds a value that the table does not show, rounded like the others.
    pub fn add_detail(&mut self, name: impl Into<String>, value: f64) {
        self.details.push((name.into(), rounded(value).into()));
    }

    /// A row as a number. `None`: it has none of that name.
    pub fn value(&self, name: &str) -> Option<f64> {
        let mut rows = self.rows.iter().chain(&self.details);
        rows.find(|(row, _)| row == name)?.1.as_f64()
    }

    /// Adds what the table shows below its rows.
    pub fn add_text(&mut self, text: String) {
        self.texts.push(text);
    }

    /// Adds the percentiles of a histogram of microseconds.
    pub fn add_latency(&mut self, name: &str, histogram: &Histogram<u64>) {
        for (suffix, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
            self.add(
                format!("{name}_{suffix}_us"),
                histogram.value_at_quantile(quantile),
            );
        }
        self.add(format!("{name}_max_us"), histogram.max());
    }

    /// Adds the median of what several runs found, and the least and the most. Returns the
    /// median; without any runs it is not a number.
    pub fn add_spread(&mut self, name: &str, values: &[f64]) -> f64 {
        let spread = Spread::of(values);
        self.add_decimal(name, spread.median);
        self.add_decimal(format!("{name}_least"), spread.least);
        self.add_decimal(format!("{name}_most"), spread.most);
        spread.median
    }

    /// Adds the counts of deliveries; each must be zero but the received ones.
    pub fn add_deliveries(&mut self, expected: u64, missing: u64, counts: Counts) {
        self.add("expected", expected);
        self.add("received", counts.received);
        self.add_zero("missing", missing);
        self.add_zero("duplicate", counts.duplicate);
        self.add_zero("disordered", counts.disordered);
        self.add_zero("foreign", counts.foreign);
    }

    /// Adds a count that must be zero.
    pub fn add_zero(&mut self, name: &str, value: u64) {
        self.add(name, value);
        self.expect(value == 0, || format!("{name}: {value}, expected 0"));
    }

    /// States what a figure must reach, and whether it does.
    pub fn gate(&mut self, name: &str, value: f64, bar: Bar) {
        let (met, wanted) = match bar {
            Bar::AtLeast(least) => (value >= least, format!("at least {least}")),
            Bar::AtMost(most) => (value <= most, format!("at most {most}")),
        };
        let text = format!("{name}: {value:.2}, {wanted}");
        if met {
            self.texts.push(format!("  met     {text}"));
        } else {
            self.failures.push(format!("not met: {text}"));
        }
    }

    /// Keeps the run over time.
    pub fn set_timeline(&mut self, timeline: Vec<Interval>) {
        self.timeline = timeline;
    }

    pub fn scenario(&self) -> &'static str {
        self.scenario
    }

    pub fn timeline(&self) -> &[Interval] {
        &self.timeline
    }

    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// States an expectation.
    pub fn expect(&mut self, met: bool, failure: impl FnOnce() -> String) {
        if !met {
            self.failures.push(failure());
        }
    }

    pub fn is_met(&self) -> bool {
        self.failures.is_empty()
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let names = self.rows.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0);
        // To a string first: a JSON value does not pad itself.
        let row = |(name, value): &(String, Value)| {
            format!("  {name:<width$}  {:>14}", value.to_string())
        };
        let mut lines = vec![self.scenario.to_owned()];
        lines.extend(self.rows.iter().map(row));
        lines.extend(self.texts.iter().cloned());
        lines.extend(
            self.failures
                .iter()
                .map(|failure| format!("  FAILED  {failure}")),
        );
        lines.push(if self.is_met() { "ok\n" } else { "failed\n" }.to_owned());
        lines.join("\n")
    }

    /// The same for programs, on one line.
    pub fn json(&self) -> String {
        let values: Map<String, Value> = self.rows.iter().chain(&self.details).cloned().collect();
        let (scenario, failures) = (self.scenario, &self.failures);
        let mut out = json!({
            "scenario": scenario, "ok": self.is_met(), "failures": failures, "values": values
        });
        if !self.timeline.is_empty() {
            out["timeline"] = timeline::json(&self.timeline);
        }
        out.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(missing: u64, counts: Counts) -> Report {
        let mut report = Report::new("test");
        report.add_deliveries(10, missing, counts);
        report
    }

    #[test]
    fn every_kind_of_wrong_delivery_fails() {
        let clean = Counts {
            received: 10,
            ..Counts::default()
        };
        assert!(report(0, clean).is_met());
        let wrong = [
            report(1, clean),
            report(
                0,
                Counts {
                    duplicate: 1,
                    ..clean
                },
            ),
            report(
                0,
                Counts {
                    disordered: 1,
                    ..clean
                },
            ),
            report(
                0,
                Counts {
                    foreign: 1,
                    ..clean
                },
            ),
        ];
        for report in wrong {
            assert!(!report.is_met());
            assert!(report.table().contains("FAILED") && report.table().ends_with("failed\n"));
            assert!(report.json().contains(r#""ok":false"#));
        }
    }

    #[test]
    fn a_gate_is_met_at_its_bar_and_not_beyond() {
        for (value, bar, met) in [
            (5.0, Bar::AtLeast(5.0), true),
            (4.9, Bar::AtLeast(5.0), false),
            (5.0, Bar::AtMost(5.0), true),
            (5.1, Bar::AtMost(5.0), false),
            (f64::NAN, Bar::AtMost(5.0), false),
        ] {
            let mut report = Report::new("test");
            report.gate("x", value, bar);
            assert_eq!(report.is_met(), met, "{value}");
            assert_eq!(report.table().contains("not met: x"), !met);
        }
    }

    #[test]
    fn a_spread_has_its_median_least_and_most() {
        let spread = |values: &[f64]| {
            let mut report = Report::new("test");
            let median = report.add_spread("x", values);
            let rows: Vec<_> = report.rows.into_iter().map(|(_, value)| value).collect();
            (median, rows)
        };
        let rows = |values: [f64; 3]| values.map(Value::from).to_vec();
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (2.0, rows([2.0, 1.0, 3.0])));
        assert_eq!(spread(&[4.0, 1.0]), (2.5, rows([2.5, 1.0, 4.0])));
        assert!(spread(&[]).0.is_nan());
    }

    #[test]
    fn latencies_have_their_percentiles() {
        let mut histogram = crate::latency::histogram();
        (1..=1000).for_each(|value_us| crate::latency::record(&mut histogram, value_us));
        let mut report = Report::new("test");
        report.add_latency("latency", &histogram);
        let value: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(value["values"]["latency_p50_us"], 500);
        assert_eq!(value["values"]["latency_p99_us"], 990);
        assert_eq!(value["values"]["latency_max_us"], 1000);
    }
}
