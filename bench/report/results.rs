//! The report of a run: named figures and the checks that failed, as a table or as JSON. Main
//! thread.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::client::ledger::DeliveryCounts;
use crate::report::spread::{Spread, rounded};
use crate::report::timeline::{self, TimelineInterval};

/// The bound of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// Named figures in the order in which they were added, and the checks that failed.
#[derive(Debug)]
pub struct Report {
    scenario: &'static str,
    rows: Vec<(String, Value)>,
    /// Figures that only the JSON form contains.
    details: Vec<(String, Value)>,
    /// Lines that only the table contains.
    notes: Vec<String>,
    failures: Vec<String>,
    /// The run over time, for scenarios that record it.
    timeline: Vec<TimelineInterval>,
}

impl Report {
    pub fn new(scenario: &'static str) -> Self {
        Self {
            scenario,
            rows: Vec::new(),
            details: Vec::new(),
            notes: Vec::new(),
            failures: Vec::new(),
            timeline: Vec::new(),
        }
    }

    /// Adds a figure. Its name ends in the unit.
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.rows.push((name.into(), value.into()));
    }

    /// Adds a figure with four decimals, or with two from 10 on.
    pub fn add_decimal(&mut self, name: impl Into<String>, value: f64) {
        self.add(name, rounded(value));
    }

    /// Adds a rounded figure to the JSON form only.
    pub fn add_detail(&mut self, name: impl Into<String>, value: f64) {
        self.details.push((name.into(), rounded(value).into()));
    }

    /// Adds a list of rounded figures to the JSON form only.
    pub fn add_detail_list(&mut self, name: impl Into<String>, values: &[f64]) {
        let values: Vec<f64> = values.iter().copied().map(rounded).collect();
        self.details.push((name.into(), values.into()));
    }

    /// Returns a figure, or `None` if the report has no number with that name.
    pub fn value(&self, name: &str) -> Option<f64> {
        let mut rows = self.rows.iter().chain(&self.details);
        rows.find(|(row, _)| row == name)?.1.as_f64()
    }

    /// Adds a line below the rows of the table.
    pub fn add_note(&mut self, text: String) {
        self.notes.push(text);
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

    /// Adds the median, the least and the most of the values of several runs. Returns the median,
    /// which is NaN without values.
    pub fn add_spread(&mut self, name: &str, values: &[f64]) -> f64 {
        let spread = Spread::of(values);
        self.add_decimal(name, spread.median);
        self.add_decimal(format!("{name}_least"), spread.least);
        self.add_decimal(format!("{name}_most"), spread.most);
        spread.median
    }

    /// Adds the counts of deliveries, and checks that none is missing or faulty.
    pub fn add_deliveries(&mut self, expected: u64, missing: u64, counts: DeliveryCounts) {
        self.add("expected", expected);
        self.add("received", counts.received);
        self.add_zero("missing", missing);
        self.add_zero("duplicate", counts.duplicate);
        self.add_zero("disordered", counts.disordered);
        self.add_zero("foreign", counts.foreign);
    }

    /// Adds a count, and checks that it is zero.
    pub fn add_zero(&mut self, name: &str, value: u64) {
        self.add(name, value);
        self.check(value == 0, || format!("{name}: {value}, expected 0"));
    }

    /// Checks that a figure keeps a bound, and adds a line with both.
    pub fn check_bound(&mut self, name: &str, value: f64, bound: Bound) {
        let (met, wanted) = match bound {
            Bound::AtLeast(least) => (value >= least, format!("at least {least}")),
            Bound::AtMost(most) => (value <= most, format!("at most {most}")),
        };
        let text = format!("{name}: {}, {wanted}", rounded(value));
        if met {
            self.notes.push(format!("  met     {text}"));
        } else {
            self.failures.push(format!("not met: {text}"));
        }
    }

    /// Sets the run over time.
    pub fn set_timeline(&mut self, timeline: Vec<TimelineInterval>) {
        self.timeline = timeline;
    }

    pub fn scenario(&self) -> &'static str {
        self.scenario
    }

    pub fn timeline(&self) -> &[TimelineInterval] {
        &self.timeline
    }

    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Adds a failure unless a check passed.
    pub fn check(&mut self, passed: bool, failure: impl FnOnce() -> String) {
        if !passed {
            self.failures.push(failure());
        }
    }

    /// Returns whether every check passed.
    pub fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns the report as a table.
    pub fn table(&self) -> String {
        let names = self.rows.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0);
        // A JSON value ignores the width of a format, so it is converted to a string first.
        let row = |(name, value): &(String, Value)| {
            format!("  {name:<width$}  {:>14}", value.to_string())
        };
        let mut lines = vec![self.scenario.to_owned()];
        lines.extend(self.rows.iter().map(row));
        lines.extend(self.notes.iter().cloned());
        lines.extend(
            self.failures
                .iter()
                .map(|failure| format!("  FAILED  {failure}")),
        );
        lines.push(if self.is_passed() { "ok\n" } else { "failed\n" }.to_owned());
        lines.join("\n")
    }

    /// Returns the report as one line of JSON.
    pub fn json(&self) -> String {
        let values: Map<String, Value> = self.rows.iter().chain(&self.details).cloned().collect();
        let (scenario, failures) = (self.scenario, &self.failures);
        let mut out = json!({
            "scenario": scenario, "ok": self.is_passed(), "failures": failures, "values": values
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
    use crate::report::latency;

    fn report(missing: u64, counts: DeliveryCounts) -> Report {
        let mut report = Report::new("test");
        report.add_deliveries(10, missing, counts);
        report
    }

    #[test]
    fn every_kind_of_faulty_delivery_fails() {
        let clean = DeliveryCounts {
            received: 10,
            ..DeliveryCounts::default()
        };
        assert!(report(0, clean).is_passed());
        let duplicate = DeliveryCounts {
            duplicate: 1,
            ..clean
        };
        let disordered = DeliveryCounts {
            disordered: 1,
            ..clean
        };
        let foreign = DeliveryCounts {
            foreign: 1,
            ..clean
        };
        let faulty = [
            report(1, clean),
            report(0, duplicate),
            report(0, disordered),
            report(0, foreign),
        ];
        for report in faulty {
            assert!(!report.is_passed());
            assert!(report.table().contains("FAILED") && report.table().ends_with("failed\n"));
            assert!(report.json().contains(r#""ok":false"#));
        }
    }

    #[test]
    fn a_value_at_its_bound_passes_and_one_beyond_it_fails() {
        for (value, bound, met) in [
            (5.0, Bound::AtLeast(5.0), true),
            (4.9, Bound::AtLeast(5.0), false),
            (5.0, Bound::AtMost(5.0), true),
            (5.1, Bound::AtMost(5.0), false),
            (f64::NAN, Bound::AtMost(5.0), false),
        ] {
            let mut report = Report::new("test");
            report.check_bound("x", value, bound);
            assert_eq!(report.is_passed(), met, "{value}");
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
        let mut histogram = latency::histogram();
        (1..=1000).for_each(|value_us| latency::record(&mut histogram, value_us));
        let mut report = Report::new("test");
        report.add_latency("latency", &histogram);
        let value: Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(value["values"]["latency_p50_us"], 500);
        assert_eq!(value["values"]["latency_p99_us"], 990);
        assert_eq!(value["values"]["latency_max_us"], 1000);
    }
}
