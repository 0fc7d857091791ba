//! The rounds of the scenario `deflate` and the checks of their figures. Receiving thread.

use super::counters::CompressionCounters;
use crate::client::ledger::DeliveryCounts;
use crate::report::results::Report;

/// A server that uses a larger share of its core joins publications into larger sends, which makes
/// deliveries cheaper.
const BUSY_PERCENT: f64 = 70.0;

/// The figures of one round, with or without compression.
#[derive(Debug)]
pub struct Round {
    pub published: u64,
    pub missing: u64,
    pub counts: DeliveryCounts,
    pub closed: u64,
    pub unknown: u64,
    pub rejected: u64,
    /// Messages that arrived compressed.
    pub deflated: u64,
    pub messages: u64,
    pub cpu_us_per_delivery: f64,
    pub cpu_percent: f64,
    pub wire_bytes_per_delivery: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub compression: CompressionCounters,
}

/// The rounds of a run. Both lists have the same length.
#[derive(Debug)]
pub struct Rounds {
    pub subscribers: usize,
    pub plain: Vec<Round>,
    pub deflate: Vec<Round>,
}

impl Rounds {
    /// Returns the report. `max_ratio` is the maximum CPU time of a compressed delivery as a
    /// multiple of that of a plain one.
    pub fn report(&self, max_ratio: f64) -> Report {
        let mut report = Report::new("deflate");
        report.add("subscribers", self.subscribers);
        report.add("rounds", self.plain.len());
        self.add_deliveries(&mut report);
        let plain_us = add_figures(&mut report, "plain", &self.plain);
        let deflate_us = add_figures(&mut report, "deflate", &self.deflate);
        // The ratio of the medians: one disturbed round does not change it. The ratios of the
        // pairs show the spread.
        let ratio = deflate_us / plain_us;
        report.add_decimal("cpu_ratio", ratio);
        let pairs = self.plain.iter().zip(&self.deflate);
        let ratios: Vec<f64> = pairs
            .map(|(plain, deflate)| deflate.cpu_us_per_delivery / plain.cpu_us_per_delivery)
            .collect();
        report.add_spread("cpu_ratio_of_pairs", &ratios);
        // Without any measured CPU time the ratio is NaN, and this comparison fails.
        report.check(ratio <= max_ratio, || {
            format!("cpu_ratio: {ratio:.2}, expected at most {max_ratio}")
        });
        self.add_compression(&mut report);
        report
    }

    fn add_deliveries(&self, report: &mut Report) {
        let sum = |of: fn(&Round) -> u64| self.plain.iter().chain(&self.deflate).map(of).sum();
        let published: u64 = sum(|round| round.published);
        report.add_deliveries(
            published * self.subscribers as u64,
            sum(|round| round.missing),
            DeliveryCounts {
                received: sum(|round| round.counts.received),
                duplicate: sum(|round| round.counts.duplicate),
                disordered: sum(|round| round.counts.disordered),
                foreign: sum(|round| round.counts.foreign),
            },
        );
        report.add_zero("closed", sum(|round| round.closed));
        report.add_zero("unknown", sum(|round| round.unknown));
        report.add_zero("rejected", sum(|round| round.rejected));
    }

    /// Checks that every message is compressed once, however many clients receive it, and only if
    /// a client has negotiated compression.
    fn add_compression(&self, report: &mut Report) {
        let sum = |of: fn(&Round) -> u64| self.deflate.iter().map(of).sum::<u64>();
        let published = sum(|round| round.published);
        let broadcasts = sum(|round| {
            let of_shards = round.compression.broadcasts.iter().copied();
            of_shards.max().unwrap_or(0)
        });
        let compressed = sum(|round| round.compression.compressed);
        report.add("deflate_published", published);
        report.add("deflate_broadcasts", broadcasts);
        report.add("deflate_frames_compressed", compressed);
        report.add("deflate_frames_small", sum(|round| round.compression.small));
        report.add(
            "deflate_frames_incompressible",
            sum(|round| round.compression.incompressible),
        );
        report.add(
            "deflate_deliveries",
            sum(|round| round.compression.deliveries),
        );
        // Compares with the received messages and not with the publications, because publications
        // that wait together may share a message. If nothing is missing, all subscribers have
        // received the same messages.
        let (messages, deflated) = (sum(|round| round.messages), sum(|round| round.deflated));
        report.add_zero("deflate_messages_plain", messages - deflated);
        report.add("deflate_messages_received", deflated);
        let subscribers = self.subscribers as u64;
        report.check(compressed * subscribers == deflated, || {
            let expected = deflated / subscribers;
            format!("deflate_frames_compressed: {compressed}, expected {expected}")
        });
        // Few publications share a message, because the server is far from saturation.
        let expected = published - published / 10..=published;
        report.check(expected.contains(&broadcasts), || {
            format!("deflate_broadcasts: {broadcasts}, expected at least 90 % of {published}")
        });
        let is_uncompressed =
            |round: &Round| round.compression.compressed + round.compression.deliveries == 0;
        report.check(self.plain.iter().all(is_uncompressed), || {
            "the server compressed messages although no client had negotiated compression".into()
        });
    }
}

/// Adds the figures of the rounds of one kind. Returns the median CPU time per delivery in
/// microseconds.
fn add_figures(report: &mut Report, name: &str, rounds: &[Round]) -> f64 {
    let mut add = |figure: &str, of: fn(&Round) -> f64| {
        let values: Vec<f64> = rounds.iter().map(of).collect();
        report.add_spread(&format!("{name}_{figure}"), &values)
    };
    let cpu_us = add("server_cpu_us_per_delivery", |round| {
        round.cpu_us_per_delivery
    });
    let cpu_percent = add("server_cpu_percent", |round| round.cpu_percent);
    add("wire_bytes_per_delivery", |round| {
        round.wire_bytes_per_delivery
    });
    add("latency_p50_us", |round| round.p50_us);
    add("latency_p99_us", |round| round.p99_us);
    report.check(cpu_percent <= BUSY_PERCENT, || {
        format!("{name}_server_cpu_percent: {cpu_percent:.0}, too near saturation; lower --rate")
    });
    cpu_us
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default of `--ratio`.
    const MAX_RATIO: f64 = 1.1;

    fn round(compressed: u64, cpu_us_per_delivery: f64) -> Round {
        Round {
            published: 500,
            missing: 0,
            counts: DeliveryCounts {
                received: 500_000,
                ..DeliveryCounts::default()
            },
            closed: 0,
            unknown: 0,
            rejected: 0,
            deflated: 500_000,
            messages: 500_000,
            cpu_us_per_delivery,
            cpu_percent: 20.0,
            wire_bytes_per_delivery: 500.0,
            p50_us: 900.0,
            p99_us: 2000.0,
            compression: CompressionCounters {
                broadcasts: vec![500, 500],
                compressed,
                deliveries: compressed * 1000,
                ..CompressionCounters::default()
            },
        }
    }

    fn is_passed(plain: Round, deflate: Round) -> bool {
        let rounds = Rounds {
            subscribers: 1000,
            plain: vec![plain],
            deflate: vec![deflate],
        };
        rounds.report(MAX_RATIO).is_passed()
    }

    #[test]
    fn cost_and_number_of_compressions_are_checked() {
        assert!(is_passed(round(0, 2.0), round(500, 2.2)));
        assert!(!is_passed(round(0, 2.0), round(500, 2.21)));
        assert!(!is_passed(round(0, 0.0), round(500, 0.0)));
        for compressed in [0, 499, 501] {
            assert!(!is_passed(round(0, 2.0), round(compressed, 2.0)));
        }
        let shared = |broadcasts| {
            let mut round = round(broadcasts, 2.0);
            round.compression.broadcasts = vec![broadcasts];
            (round.messages, round.deflated) = (broadcasts * 1000, broadcasts * 1000);
            round
        };
        assert!(is_passed(round(0, 2.0), shared(450)));
        assert!(!is_passed(round(0, 2.0), shared(449)) && !is_passed(round(0, 2.0), shared(0)));
        let uncompressed = Round {
            deflated: 499_999,
            ..round(500, 2.0)
        };
        assert!(!is_passed(round(0, 2.0), uncompressed));
        assert!(!is_passed(round(1, 2.0), round(500, 2.0)));
        let busy = Round {
            cpu_percent: 90.0,
            ..round(500, 2.0)
        };
        assert!(!is_passed(round(0, 2.0), busy));
        let lossy = Round {
            missing: 1,
            ..round(500, 2.0)
        };
        assert!(!is_passed(round(0, 2.0), lossy));
    }
}
