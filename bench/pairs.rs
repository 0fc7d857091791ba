//! Two servers under the same load in turns: subject, opponent, subject, opponent, each started
//! anew, so that what the host does meanwhile falls on both. Medians, and how far they spread.

use crate::arguments::Common;
use crate::fault::Fault;
use crate::report::{Bar, Report, Spread};
use crate::targets::{self, Cores, Name, Ports};

/// The rows that are compared, of the scenarios that report them.
const FIGURES: [&str; 12] = [
    "deliveries_per_second",
    "server_cpu_us_per_delivery",
    "server_cpu_ns_per_delivery",
    "server_cpu_percent",
    "latency_p50_us",
    "latency_p99_us",
    "missing",
    "server_cpu_us_per_opening",
    "server_cpu_us_per_connection",
    "server_rss_bytes_per_connection",
    "opened_per_second",
    "opening_p99_us",
];

/// What a figure of fanfare must be, times that of an opponent.
struct Gate {
    scenario: &'static str,
    opponent: Name,
    figure: &'static str,
    bar: Bar,
}

const GATES: [Gate; 2] = [
    Gate {
        scenario: "helpshift",
        opponent: Name::Floor,
        figure: "server_cpu_us_per_delivery",
        bar: Bar::AtMost(1.0),
    },
    Gate {
        scenario: "broadcast",
        opponent: Name::Nats,
        figure: "deliveries_per_second",
        bar: Bar::AtLeast(6.0),
    },
];

/// The reports of one pair.
#[derive(Debug)]
struct Pair {
    subject: Report,
    opponent: Report,
}

/// Runs `count` pairs; `measure` is the scenario.
pub fn run(
    common: &Common,
    count: u32,
    cores: Cores,
    measure: impl Fn(&Common) -> Result<Report, Fault>,
) -> Result<Report, Fault> {
    let names = [common.subject, common.against];
    let mut ports = Ports::new();
    let mut one = |name: Name| {
        let started = targets::start(common, name, cores, &mut ports)?;
        measure(&started.common)
    };
    let mut pairs = Vec::new();
    for nth in 1..=count {
        eprintln!("fanfare-bench: pair {nth} of {count}");
        pairs.push(Pair {
            subject: one(names[0])?,
            opponent: one(names[1])?,
        });
    }
    Ok(compare(names, &pairs))
}

/// Puts pairs into one report.
fn compare([subject, opponent]: [Name; 2], pairs: &[Pair]) -> Report {
    let scenario = pairs
        .first()
        .map_or("pairs", |pair| pair.subject.scenario());
    let mut report = Report::new(scenario);
    report.add("pairs", pairs.len());
    report.add_text("\n  medians (least to most)".to_owned());
    let ratios = "of medians, and median of ratios (least to most)";
    report.add_text(line(
        "",
        &subject.to_string(),
        &opponent.to_string(),
        ratios,
    ));
    for figure in FIGURES {
        let both = |pair: &Pair| Some((pair.subject.value(figure)?, pair.opponent.value(figure)?));
        let values: Vec<_> = pairs.iter().filter_map(both).collect();
        if values.len() < pairs.len() {
            continue;
        }
        let ratio = add_figure(&mut report, [subject, opponent], figure, &values);
        let applies = |gate: &&Gate| {
            (gate.scenario, gate.opponent, gate.figure) == (scenario, opponent, figure)
                && subject == Name::Fanfare
        };
        for Gate { bar, .. } in GATES.iter().filter(applies) {
            report.gate(&format!("{figure}, times that of {opponent}"), ratio, *bar);
        }
    }
    for (nth, pair) in (1..).zip(pairs) {
        for failure in pair.subject.failures() {
            report.expect(false, || format!("pair {nth}, {subject}: {failure}"));
        }
        // What the opponent does wrong is worth knowing, but no failure of the subject.
        for failure in pair.opponent.failures() {
            report.add_text(format!("  note    pair {nth}, {opponent}: {failure}"));
        }
    }
    report
}

/// Adds one figure of both sides, one line for people. Returns the ratio of the medians.
fn add_figure(report: &mut Report, names: [Name; 2], figure: &str, values: &[(f64, f64)]) -> f64 {
    let [subject, opponent] = names;
    let (ours, theirs): (Vec<_>, Vec<_>) = values.iter().copied().unzip();
    let (ours, theirs) = (Spread::of(&ours), Spread::of(&theirs));
    let ratio = ours.median / theirs.median;
    let ratios: Vec<f64> = values.iter().map(|(one, other)| one / other).collect();
    let ratios = Spread::of(&ratios);
    add_spread(report, &format!("{subject}_{figure}"), ours);
    add_spread(report, &format!("{opponent}_{figure}"), theirs);
    let mut compared = String::new();
    // Of counts that are zero, as they should be, there is no ratio.
    if [ratio, ratios.least, ratios.most]
        .iter()
        .all(|ratio| ratio.is_finite())
    {
        report.add_detail(format!("{figure}_ratio_of_medians"), ratio);
        add_spread(report, &format!("{figure}_median_of_ratios"), ratios);
        compared = format!("{ratio:>9.3}  {ratios}");
    }
    report.add_text(line(
        figure,
        &ours.to_string(),
        &theirs.to_string(),
        &compared,
    ));
    ratio
}

fn add_spread(report: &mut Report, name: &str, spread: Spread) {
    report.add_detail(name, spread.median);
    report.add_detail(format!("{name}_least"), spread.least);
    report.add_detail(format!("{name}_most"), spread.most);
}

fn line(figure: &str, ours: &str, theirs: &str, compared: &str) -> String {
    let line = format!("  {figure:<32} {ours:>34} {theirs:>34}  {compared}");
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(scenario: &'static str, cpu_us: f64) -> Report {
        let mut report = Report::new(scenario);
        report.add_decimal("server_cpu_us_per_delivery", cpu_us);
        report.add("missing", 0);
        report
    }

    fn compared(names: [Name; 2], scenario: &'static str, values: &[(f64, f64)]) -> Report {
        let pairs: Vec<_> = values
            .iter()
            .map(|&(subject, opponent)| Pair {
                subject: report(scenario, subject),
                opponent: report(scenario, opponent),
            })
            .collect();
        compare(names, &pairs)
    }

    #[test]
    fn medians_spreads_and_ratios_of_both_sides() {
        let names = [Name::Fanfare, Name::Floor];
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
        assert!(report.is_met() && report.table().contains("met "));
    }

    #[test]
    fn a_gate_holds_for_fanfare_in_its_scenario_against_its_opponent() {
        let over = [(3.0, 2.0)];
        let met = |names, scenario| compared(names, scenario, &over).is_met();
        assert!(!met([Name::Fanfare, Name::Floor], "helpshift"));
        assert!(met([Name::Fanfare, Name::Nats], "helpshift"));
        assert!(met([Name::Nats, Name::Floor], "helpshift"));
        assert!(met([Name::Fanfare, Name::Floor], "burst"));
    }

    #[test]
    fn only_failures_of_the_subject_fail() {
        let failed = || {
            let mut report = report("helpshift", 1.0);
            report.add_zero("closed", 1);
            report
        };
        let clean = || report("helpshift", 1.0);
        let names = [Name::Fanfare, Name::Floor];
        let met = |subject, opponent| compare(names, &[Pair { subject, opponent }]).is_met();
        assert!(met(clean(), failed()) && !met(failed(), clean()));
    }
}
