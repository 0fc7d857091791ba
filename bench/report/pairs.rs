//! Compares two servers under the same load. They are measured alternately, each in a new process,
//! so that changes of the host affect both. Main thread.

use crate::error::BenchError;
use crate::options::CommonOptions;
use crate::report::comparison::ComparisonTable;
use crate::report::results::{Bound, Failure, Report};
use crate::report::schedule::PairSchedule;
use crate::report::spread::Spread;
use crate::targets::context::{self, RunContext};
use crate::targets::cores::CoreAssignment;
use crate::targets::name::TargetName;
use crate::targets::ports::PortAllocator;

/// The figures that are compared, in the scenarios whose reports contain them.
const FIGURES: [&str; 31] = [
    "deliveries_per_second",
    "server_cpu_us_per_delivery",
    "server_cpu_ns_per_delivery",
    "plain_server_cpu_us_per_delivery",
    "deflate_server_cpu_us_per_delivery",
    "deflate_wire_bytes_per_delivery",
    "cpu_ratio",
    "server_cpu_percent",
    "latency_p50_us",
    "latency_p99_us",
    "latency_without_p99_us",
    "latency_with_p99_us",
    "missing",
    "subscriptions_per_second",
    "server_cpu_us_per_opening",
    "server_cpu_us_per_connection",
    "server_rss_bytes_per_connection",
    "server_rss_bytes_per_connection_with_shared",
    "opened_per_second",
    "opening_p99_us",
    "saturated_accepted_per_second",
    "saturated_ingest_cpu_ns_per_publication",
    "fixed_ingest_core_percent",
    "scores_single_deflate_wire_bytes_per_delivery",
    "scores_burst_deflate_wire_bytes_per_delivery",
    "chat_single_deflate_wire_bytes_per_delivery",
    "chat_burst_deflate_wire_bytes_per_delivery",
    "quotes_single_deflate_wire_bytes_per_delivery",
    "quotes_burst_deflate_wire_bytes_per_delivery",
    "tickets_single_deflate_wire_bytes_per_delivery",
    "tickets_burst_deflate_wire_bytes_per_delivery",
];

/// The bound of the ratio between a figure of fanfare and that of an opponent.
struct RatioBound {
    scenario: &'static str,
    /// Label of the opponent.
    opponent: &'static str,
    figure: &'static str,
    bound: Bound,
}

/// A new build may use at most this multiple of the CPU time of an earlier build.
const BUILD_CPU: Bound = Bound::AtMost(1.02);

/// The floor receives finished frames and has no ZeroMQ. Measured ratios are 1.06 to 1.11, and a
/// busy machine adds to them.
const FLOOR_CPU: Bound = Bound::AtMost(1.2);

const RATIO_BOUNDS: [RatioBound; 7] = [
    RatioBound {
        scenario: "helpshift",
        opponent: "floor",
        figure: "server_cpu_us_per_delivery",
        bound: FLOOR_CPU,
    },
    RatioBound {
        scenario: "broadcast",
        opponent: "nats",
        figure: "deliveries_per_second",
        bound: Bound::AtLeast(6.0),
    },
    RatioBound {
        scenario: "helpshift",
        opponent: "build",
        figure: "server_cpu_us_per_delivery",
        bound: BUILD_CPU,
    },
    RatioBound {
        scenario: "broadcast",
        opponent: "build",
        figure: "server_cpu_ns_per_delivery",
        bound: BUILD_CPU,
    },
    RatioBound {
        scenario: "single",
        opponent: "build",
        figure: "server_cpu_us_per_delivery",
        bound: BUILD_CPU,
    },
    RatioBound {
        scenario: "deflate",
        opponent: "build",
        figure: "plain_server_cpu_us_per_delivery",
        bound: BUILD_CPU,
    },
    RatioBound {
        scenario: "deflate",
        opponent: "build",
        figure: "deflate_server_cpu_us_per_delivery",
        bound: BUILD_CPU,
    },
];

/// The reports of one pair.
#[derive(Debug)]
struct PairReports {
    subject: Report,
    opponent: Report,
}

/// Measures pairs of the target and its opponent with the scenario `measure`.
pub fn run(
    options: &CommonOptions,
    schedule: &PairSchedule,
    cores: CoreAssignment,
    measure: impl Fn(&RunContext) -> Result<Report, BenchError>,
) -> Result<Report, BenchError> {
    let names = [&options.target, &options.against];
    let mut ports = PortAllocator::new();
    let mut measure_one = |name: &TargetName| {
        let context = context::start(options, name, cores, &mut ports)?;
        measure(&context)
    };
    let mut pairs = Vec::new();
    for nth in 1..=schedule.pairs {
        pairs.push(PairReports {
            subject: measure_one(names[0])?,
            opponent: measure_one(names[1])?,
        });
        schedule.finish_pair(nth);
    }
    Ok(compare(names, &pairs))
}

/// Combines the reports of all pairs into one.
fn compare(names: [&TargetName; 2], pairs: &[PairReports]) -> Report {
    let scenario = pairs
        .first()
        .map_or("pairs", |pair| pair.subject.scenario());
    let mut report = Report::new(scenario);
    report.add("pairs", pairs.len());
    for name in names {
        if let TargetName::Build(path) = name {
            report.add_note(format!("  build   {}", path.display()));
        }
    }
    let labels = labels(names);
    let mut table = ComparisonTable::new(&labels);
    for figure in FIGURES {
        let both =
            |pair: &PairReports| Some((pair.subject.value(figure)?, pair.opponent.value(figure)?));
        let values: Vec<_> = pairs.iter().filter_map(both).collect();
        let is_reported = values.len() == pairs.len();
        let ratio = if is_reported {
            add_figure(&mut report, &mut table, &labels, figure, &values)
        } else {
            f64::NAN
        };
        for bound in bounds(names, scenario, figure) {
            report.check_ratio(figure, &labels[1], ratio, bound);
        }
    }
    report.add_note(table.text());
    add_failures(&mut report, &labels, pairs);
    report
}

/// Returns the labels of both servers in the report. If both have the same name, the label of the
/// opponent gets a suffix.
fn labels([subject, opponent]: [&TargetName; 2]) -> [String; 2] {
    let suffix = if subject.label() == opponent.label() {
        "-opponent"
    } else {
        ""
    };
    [
        subject.label().to_owned(),
        format!("{}{suffix}", opponent.label()),
    ]
}

/// Returns the bounds of the ratio of a figure.
fn bounds(
    [subject, opponent]: [&TargetName; 2],
    scenario: &str,
    figure: &str,
) -> impl Iterator<Item = Bound> {
    let applies = move |bound: &&RatioBound| {
        subject.is_fanfare()
            && bound.scenario == scenario
            && bound.opponent == opponent.label()
            && bound.figure == figure
    };
    RATIO_BOUNDS.iter().filter(applies).map(|bound| bound.bound)
}

/// Adds a row to the table with one figure of both servers. Returns the ratio of the medians.
pub fn add_figure(
    report: &mut Report,
    table: &mut ComparisonTable,
    [subject, opponent]: &[String; 2],
    figure: &str,
    values: &[(f64, f64)],
) -> f64 {
    let (subject_values, opponent_values): (Vec<_>, Vec<_>) = values.iter().copied().unzip();
    let subject_spread = Spread::of(&subject_values);
    let opponent_spread = Spread::of(&opponent_values);
    add_spread(report, &format!("{subject}_{figure}"), subject_spread);
    add_spread(report, &format!("{opponent}_{figure}"), opponent_spread);
    let ratio = subject_spread.median / opponent_spread.median;
    let ratios: Vec<f64> = values.iter().map(|(one, other)| one / other).collect();
    let mut compared = None;
    // A count of zero has no ratio.
    if ratio.is_finite() && ratios.iter().all(|ratio| ratio.is_finite()) {
        let spread = Spread::of(&ratios);
        report.add_detail(format!("{figure}_ratio_of_medians"), ratio);
        add_spread(report, &format!("{figure}_median_of_ratios"), spread);
        report.add_detail_list(format!("{figure}_ratios"), &ratios);
        compared = Some((ratio, spread));
    }
    table.add(figure, values, [subject_spread, opponent_spread], compared);
    ratio
}

fn add_spread(report: &mut Report, name: &str, spread: Spread) {
    report.add_detail(name, spread.median);
    report.add_detail(format!("{name}_least"), spread.least);
    report.add_detail(format!("{name}_most"), spread.most);
}

/// Adds the failed checks of all pairs. A failure of the opponent is only a note.
fn add_failures(report: &mut Report, [subject, opponent]: &[String; 2], pairs: &[PairReports]) {
    for (nth, pair) in (1..).zip(pairs) {
        for failure in pair.subject.failures() {
            report.fail(Failure {
                text: format!("pair {nth}, {subject}: {}", failure.text),
                readable: format!("pair {nth}, {subject}: {}", failure.readable),
            });
        }
        for failure in pair.opponent.failures() {
            let text = &failure.readable;
            report.add_note(format!("  note    pair {nth}, {opponent}: {text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASELINE: &TargetName = &TargetName::Baseline;
    const FANFARE: &TargetName = &TargetName::Fanfare;
    const NATS: &TargetName = &TargetName::Nats;

    fn report(scenario: &'static str, cpu_us: f64) -> Report {
        let mut report = Report::new(scenario);
        report.add_decimal("server_cpu_us_per_delivery", cpu_us);
        report.add("missing", 0);
        report
    }

    fn compared(names: [&TargetName; 2], scenario: &'static str, values: &[(f64, f64)]) -> Report {
        let pairs: Vec<_> = values
            .iter()
            .map(|&(subject, opponent)| PairReports {
                subject: report(scenario, subject),
                opponent: report(scenario, opponent),
            })
            .collect();
        compare(names, &pairs)
    }

    #[test]
    fn medians_spreads_and_ratios_of_both_servers_are_reported() {
        let names = [FANFARE, BASELINE];
        let report = compared(names, "helpshift", &[(3.0, 4.0), (2.0, 2.0), (9.0, 6.0)]);
        let value = |row: &str| report.value(row).unwrap();
        let row = "server_cpu_us_per_delivery";
        assert_eq!(value(&format!("fanfare_{row}")).to_bits(), 3_f64.to_bits());
        assert_eq!(
            value(&format!("floor_{row}_most")).to_bits(),
            6_f64.to_bits()
        );
        assert_eq!(
            value(&format!("{row}_ratio_of_medians")).to_bits(),
            0.75_f64.to_bits()
        );
        assert_eq!(
            value(&format!("{row}_median_of_ratios")).to_bits(),
            1_f64.to_bits()
        );
        assert!(report.value("missing_ratio_of_medians").is_none());
        assert!(report.is_passed() && report.table().contains("  met  server CPU per delivery"));
        let table = report.table();
        let cells = |words: &str| {
            let line = table.lines().find(|line| line.contains(words)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            cells("µs"),
            "server CPU per delivery µs 3 (2–9) 4 (2–6) 0.750 1.000 (0.750–1.500)"
        );
        assert_eq!(cells("missing"), "missing 0 (0–0) 0 (0–0)");
        let ratios = r#""server_cpu_us_per_delivery_ratios":[0.75,1.0,1.5]"#;
        assert!(report.json().contains(ratios));
    }

    #[test]
    fn a_bound_holds_for_fanfare_in_its_scenario_against_its_opponent() {
        let over = [(3.0, 2.0)];
        let passed = |names, scenario| compared(names, scenario, &over).is_passed();
        assert!(!passed([FANFARE, BASELINE], "helpshift"));
        assert!(passed([FANFARE, NATS], "helpshift"));
        assert!(passed([NATS, BASELINE], "helpshift"));
        assert!(passed([FANFARE, BASELINE], "burst"));
    }

    #[test]
    fn a_build_may_use_two_percent_more_cpu_than_an_earlier_one() {
        let build = &TargetName::Build("/old/fanfare".into());
        let passed = |names, values| compared(names, "single", &[values]).is_passed();
        assert!(passed([FANFARE, build], (1.02, 1.0)));
        assert!(!passed([FANFARE, build], (1.03, 1.0)));
        assert!(!passed([build, build], (1.03, 1.0)));
        assert!(passed([FANFARE, FANFARE], (1.03, 1.0)));
        let report = compared([build, build], "single", &[(1.0, 2.0)]);
        let figure = "server_cpu_us_per_delivery";
        let value = |label: &str| report.value(&format!("{label}_{figure}")).unwrap();
        let figures = [value("build"), value("build-opponent")];
        assert_eq!(figures.map(f64::to_bits), [1.0, 2.0].map(f64::to_bits));
        assert!(report.table().contains("build   /old/fanfare"));
    }

    #[test]
    fn a_figure_with_a_bound_must_be_reported() {
        let empty = || Report::new("helpshift");
        let pair = PairReports {
            subject: empty(),
            opponent: empty(),
        };
        assert!(!compare([FANFARE, BASELINE], &[pair]).is_passed());
    }

    #[test]
    fn only_failures_of_the_subject_fail() {
        let failed = || {
            let mut report = report("helpshift", 1.0);
            report.add_zero("closed", 1);
            report
        };
        let clean = || report("helpshift", 1.0);
        let names = [FANFARE, BASELINE];
        let passed =
            |subject, opponent| compare(names, &[PairReports { subject, opponent }]).is_passed();
        assert!(passed(clean(), failed()) && !passed(failed(), clean()));
    }
}
