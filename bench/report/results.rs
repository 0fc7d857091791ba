//! The report of a run: named figures and the checks that failed, as a table or as JSON. Main
//! thread.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::client::ledger::DeliveryCounts;
use crate::report::columns::{Column, aligned};
use crate::report::quantity::FigureName;
use crate::report::spread::{Spread, rounded};
use crate::report::timeline::{self, TimelineInterval};

/// The beginning of the text of a failure whose bound is not met.
const NOT_MET: &str = "not met: ";

/// The bound of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    /// Returns the words and the value of the bound.
    fn parts(self) -> (&'static str, f64) {
        match self {
            Self::AtLeast(least) => ("at least", least),
            Self::AtMost(most) => ("at most", most),
        }
    }
}

/// A check that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The text of the JSON form. It contains the names and units of the JSON form.
    pub text: String,
    /// The text of the table.
    pub readable: String,
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
    /// Lines that only the table contains: outcome, name, and value and bound.
    bounds: Vec<[String; 3]>,
    failures: Vec<Failure>,
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
            bounds: Vec::new(),
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
        if value != 0 {
            let figure = FigureName::parse(name);
            let found = figure.text(value as f64);
            self.failures.push(Failure {
                text: format!("{name}: {value}, expected 0"),
                readable: format!("{}: {found}, expected 0", figure.words),
            });
        }
    }

    /// Checks that a figure keeps a bound, and adds a line with both.
    pub fn check_bound(&mut self, name: &str, value: f64, bound: Bound) {
        self.add_bound(name, &FigureName::parse(name), value, bound);
    }

    /// Checks that the ratio of a figure to that of an opponent keeps a bound.
    pub fn check_ratio(&mut self, figure: &str, opponent: &str, ratio: f64, bound: Bound) {
        let name = format!("{figure}, times that of {opponent}");
        let words = FigureName::parse(figure).words;
        let readable = FigureName::ratio(format!("{words}, times that of {opponent}"));
        self.add_bound(&name, &readable, ratio, bound);
    }

    fn add_bound(&mut self, name: &str, figure: &FigureName, value: f64, bound: Bound) {
        let (wanted, limit) = bound.parts();
        let [found, limit_text] = figure.beside_bound(value, limit);
        let readable = format!("{found}, {wanted} {limit_text}");
        let is_met = bound.is_met(value);
        if !is_met {
            self.failures.push(Failure {
                text: format!("{NOT_MET}{name}: {}, {wanted} {limit}", rounded(value)),
                readable: format!("{NOT_MET}{}: {readable}", figure.words),
            });
        }
        let outcome = if is_met { "met" } else { "not met" };
        self.bounds
            .push([outcome.to_owned(), figure.words.clone(), readable]);
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

    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Adds a failure unless a check passed.
    pub fn check(&mut self, passed: bool, failure: impl FnOnce() -> String) {
        if !passed {
            let text = failure();
            let readable = text.clone();
            self.failures.push(Failure { text, readable });
        }
    }

    /// Adds a failed check.
    pub fn fail(&mut self, failure: Failure) {
        self.failures.push(failure);
    }

    /// Returns whether every check passed.
    pub fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns the report as a table.
    pub fn table(&self) -> String {
        let row = |(name, value): &(String, Value)| {
            let (figure, value) = (FigureName::parse(name), value.as_f64().unwrap_or(f64::NAN));
            let format = figure.format(&[value]);
            [figure.words, format.number(value), format.symbol.to_owned()]
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        let mut lines = vec![self.scenario.to_owned()];
        lines.extend(aligned(
            [Column::Left, Column::Right, Column::Joined],
            &rows,
        ));
        lines.extend(self.notes.iter().cloned());
        lines.extend(aligned([Column::Left; 3], &self.bounds));
        // A bound that is not met has a line already.
        let others = |failure: &&Failure| !failure.text.starts_with(NOT_MET);
        let failures = self.failures.iter().filter(others);
        lines.extend(failures.map(|failure| format!("  FAILED  {}", failure.readable)));
        lines.push(if self.is_passed() { "ok\n" } else { "failed\n" }.to_owned());
        lines.join("\n")
    }

    /// Returns the report as one line of JSON.
    pub fn json(&self) -> String {
        let values: Map<String, Value> = self.rows.iter().chain(&self.details).cloned().collect();
        let failures: Vec<_> = self.failures.iter().map(|failure| &failure.text).collect();
        let mut out = json!({
            "scenario": self.scenario,
            "ok": self.is_passed(),
            "failures": failures,
            "values": values,
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
            assert_eq!(report.table().contains("  not met  x  "), !met);
            assert_eq!(report.table().contains("  met  x  "), met);
            assert_eq!(report.json().contains("not met: x: "), !met);
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
