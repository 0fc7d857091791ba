//! One topic to many with and without permessage-deflate, in turns against one running server:
//! a compressed broadcast must cost hardly more per delivery than a plain one.

mod compressions;

use clap::Args;

use crate::arguments::{Body, Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::ledger::{Counts, Ledger};
use crate::process::{Meter, Process};
use crate::progress::Indicator;
use crate::publisher::{Publisher, Schedule};
use crate::receiver::Receiver;
use crate::report::Report;
use compressions::Compressions;

/// Rest after the opening, so that neither that nor the end of the run before is measured.
const REST_US: u64 = 1_000_000;

/// Between two looks at the server's counters.
const SETTLING_US: u64 = 100_000;

/// Beyond this share of one core the server batches what it sends, which makes deliveries cheaper.
const BUSY_PERCENT: f64 = 70.0;

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Publications per second
    #[arg(long, default_value_t = 50)]
    rate: u32,
    /// Bytes of a publication, a document whatever --body says
    #[arg(long, default_value_t = 1024)]
    payload: usize,
    /// Seconds of each run
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Runs of each kind, one plain and one compressed in turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What a compressed delivery may cost, times a plain one
    #[arg(long, default_value_t = 1.1)]
    ratio: f64,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
}

/// One run.
#[derive(Debug)]
struct Run {
    published: u64,
    missing: u64,
    counts: Counts,
    closed: u64,
    unknown: u64,
    rejected: u64,
    /// Frames that came compressed.
    deflated: u64,
    messages: u64,
    cpu_us_per_delivery: f64,
    cpu_percent: f64,
    wire_bytes_per_delivery: f64,
    p50_us: f64,
    p99_us: f64,
    compressions: Compressions,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    if options.subscribers == 0 || options.rate == 0 || options.rounds == 0 {
        let text = "--subscribers, --rate and --rounds: at least 1";
        return Err(Fault::Arguments(text.into()));
    }
    let pid = common.pid.ok_or_else(|| {
        Fault::Arguments("--pid: the server's, since its CPU time is compared".into())
    })?;
    let server = Process::new(pid)?;
    let (mut plain, mut deflate) = (Vec::new(), Vec::new());
    let _indicator = Indicator::start("deflate", 2 * options.rounds as u32 * options.seconds);
    for _ in 0..options.rounds {
        plain.push(measure(common, options, server, false)?);
        deflate.push(measure(common, options, server, true)?);
    }
    Ok(report(options, &plain, &deflate))
}

/// Opens connections, publishes to them, and leaves none open.
fn measure(
    common: &Common,
    options: &Options,
    server: Process,
    deflate: bool,
) -> Result<Run, Fault> {
    let clock = Clock::new();
    let mut fleet = Fleet::new(common, clock, options.payload)?;
    fleet.set_deflate(deflate);
    for _ in 0..options.subscribers {
        fleet.add(Plan {
            protocol: options.protocol,
            topics: vec![0],
            reads: true,
        });
    }
    fleet.open_all()?;
    turn_for(&mut fleet, clock, REST_US)?;

    let deal = Deal::new(options.subscribers, 1, 1, common.seed);
    let mut receiver = Receiver::new(Ledger::new(deal));
    let schedule = Schedule {
        rate: options.rate,
        seconds: options.seconds,
        warm_up: 0,
        payload: options.payload,
        body: Body::Document,
        sequences: vec![0],
    };
    let before = Compressions::take(common)?;
    let (messages, received_bytes) = (fleet.tally.messages, fleet.tally.received_bytes);
    let meter = Meter::start(server)?;
    let publisher = Publisher::start(common, clock, schedule)?;
    let sent = receiver.run(&mut fleet, publisher, clock)?;
    let (spent_us, cpu_percent) = (meter.spent_us()?, meter.percent()?);
    let received_bytes = fleet.tally.received_bytes - received_bytes;
    let counts = receiver.ledger.counts;
    let per_delivery = |value: u64| value as f64 / counts.received.max(1) as f64;
    let quantile = |quantile| receiver.latency.value_at_quantile(quantile) as f64;
    Ok(Run {
        published: u64::from(sent.sequences[0]),
        missing: receiver.ledger.missing(&sent.sequences),
        counts,
        closed: fleet.tally.closed,
        unknown: fleet.tally.unknown,
        rejected: sent.rejected,
        deflated: fleet.tally.deflated,
        messages: fleet.tally.messages - messages,
        cpu_us_per_delivery: per_delivery(spent_us),
        cpu_percent,
        wire_bytes_per_delivery: per_delivery(received_bytes),
        p50_us: quantile(0.5),
        p99_us: quantile(0.99),
        compressions: settled(common, &mut fleet, clock)?.since(&before),
    })
}

/// The server's counters once they no longer change: it publishes them a little later than what
/// they count.
fn settled(common: &Common, fleet: &mut Fleet, clock: Clock) -> Result<Compressions, Fault> {
    let (mut last, late_us) = (Compressions::take(common)?, clock.now_us() + REST_US);
    while clock.now_us() < late_us {
        turn_for(fleet, clock, SETTLING_US)?;
        let now = Compressions::take(common)?;
        if now == last {
            break;
        }
        last = now;
    }
    Ok(last)
}

fn turn_for(fleet: &mut Fleet, clock: Clock, time_us: u64) -> Result<(), Fault> {
    let end_us = clock.now_us() + time_us;
    while clock.now_us() < end_us {
        fleet.turn(&mut ())?;
    }
    Ok(())
}

fn report(options: &Options, plain: &[Run], deflate: &[Run]) -> Report {
    let mut report = Report::new("deflate");
    report.add("subscribers", options.subscribers);
    report.add("rounds", options.rounds);
    let all = || plain.iter().chain(deflate);
    let sum = |of: fn(&Run) -> u64| all().map(of).sum::<u64>();
    report.add_deliveries(
        sum(|run| run.published) * options.subscribers as u64,
        sum(|run| run.missing),
        Counts {
            received: sum(|run| run.counts.received),
            duplicate: sum(|run| run.counts.duplicate),
            disordered: sum(|run| run.counts.disordered),
            foreign: sum(|run| run.counts.foreign),
        },
    );
    report.add_zero("closed", sum(|run| run.closed));
    report.add_zero("unknown", sum(|run| run.unknown));
    report.add_zero("rejected", sum(|run| run.rejected));
    let [plain_us, deflate_us] = [("plain", plain), ("deflate", deflate)]
        .map(|(name, runs)| add_runs(&mut report, name, runs));
    // Of the medians, which one disturbed run does not move; the pairs show the spread.
    let (ratio, most) = (deflate_us / plain_us, options.ratio);
    report.add_decimal("cpu_ratio", ratio);
    let of_pair = |(plain, deflate): (&Run, &Run)| {
        let [plain, deflate] = [plain, deflate].map(|run| run.cpu_us_per_delivery);
        deflate / plain
    };
    let ratios: Vec<f64> = plain.iter().zip(deflate).map(of_pair).collect();
    report.add_spread("cpu_ratio_of_pairs", &ratios);
    // Not the other way round: without any CPU time measured there is no ratio at all.
    report.expect(ratio <= most, || {
        format!("cpu_ratio: {ratio:.2}, expected at most {most}")
    });
    add_compressions(&mut report, options.subscribers as u64, plain, deflate);
    report
}

/// Adds what runs of one kind found. Returns the median of what a delivery cost.
fn add_runs(report: &mut Report, name: &str, runs: &[Run]) -> f64 {
    let mut add = |what: &str, of: fn(&Run) -> f64| {
        let values: Vec<f64> = runs.iter().map(of).collect();
        report.add_spread(&format!("{name}_{what}"), &values)
    };
    let cpu_us = add("server_cpu_us_per_delivery", |run| run.cpu_us_per_delivery);
    let busy = add("server_cpu_percent", |run| run.cpu_percent);
    add("wire_bytes_per_delivery", |run| run.wire_bytes_per_delivery);
    add("latency_p50_us", |run| run.p50_us);
    add("latency_p99_us", |run| run.p99_us);
    report.expect(busy <= BUSY_PERCENT, || {
        format!("{name}_server_cpu_percent: {busy:.0}, too near saturation; lower --rate")
    });
    cpu_us
}

/// Every message is compressed once, however many get it, and only if somebody does.
fn add_compressions(report: &mut Report, subscribers: u64, plain: &[Run], deflate: &[Run]) {
    let sum = |of: fn(&Run) -> u64| deflate.iter().map(of).sum::<u64>();
    let published = sum(|run| run.published);
    let broadcasts = sum(|run| {
        run.compressions
            .broadcasts
            .iter()
            .copied()
            .max()
            .unwrap_or(0)
    });
    let compressed = sum(|run| run.compressions.compressed);
    report.add("deflate_published", published);
    report.add("deflate_broadcasts", broadcasts);
    report.add("deflate_frames_compressed", compressed);
    report.add("deflate_frames_small", sum(|run| run.compressions.small));
    report.add(
        "deflate_frames_incompressible",
        sum(|run| run.compressions.incompressible),
    );
    report.add("deflate_deliveries", sum(|run| run.compressions.deliveries));
    // What came, not what was published: some that wait together may share a message. All got
    // the same ones, if nothing is missing.
    let (messages, deflated) = (sum(|run| run.messages), sum(|run| run.deflated));
    report.add_zero("deflate_messages_plain", messages - deflated);
    report.add("deflate_messages_received", deflated);
    report.expect(compressed * subscribers == deflated, || {
        let expected = deflated / subscribers;
        format!("deflate_frames_compressed: {compressed}, expected {expected}")
    });
    // Few may: the server was to be far from saturation.
    let few = (published - published / 10..=published).contains(&broadcasts);
    report.expect(few, || {
        format!("deflate_broadcasts: {broadcasts}, expected {published}, or 90 % of that")
    });
    let idle = |run: &Run| run.compressions.compressed + run.compressions.deliveries == 0;
    report.expect(plain.iter().all(idle), || {
        "something was compressed while nobody had negotiated it".into()
    });
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn a_run(compressed: u64, cpu_us_per_delivery: f64) -> Run {
        Run {
            published: 500,
            missing: 0,
            counts: Counts {
                received: 500_000,
                ..Counts::default()
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
            compressions: Compressions {
                broadcasts: vec![500, 500],
                compressed,
                deliveries: compressed * 1000,
                ..Compressions::default()
            },
        }
    }

    fn is_met(plain: Run, deflate: Run) -> bool {
        let options = Line::parse_from(["deflate"]).options;
        report(&options, &[plain], &[deflate]).is_met()
    }

    #[test]
    fn cost_and_count_of_compressions_decide() {
        assert!(is_met(a_run(0, 2.0), a_run(500, 2.2)));
        assert!(!is_met(a_run(0, 2.0), a_run(500, 2.21)));
        assert!(!is_met(a_run(0, 0.0), a_run(500, 0.0)));
        for compressed in [0, 499, 501] {
            assert!(!is_met(a_run(0, 2.0), a_run(compressed, 2.0)));
        }
        let few = |broadcasts| {
            let mut run = a_run(broadcasts, 2.0);
            run.compressions.broadcasts = vec![broadcasts];
            (run.messages, run.deflated) = (broadcasts * 1000, broadcasts * 1000);
            run
        };
        assert!(is_met(a_run(0, 2.0), few(450)));
        assert!(!is_met(a_run(0, 2.0), few(449)) && !is_met(a_run(0, 2.0), few(0)));
        let uncompressed = Run {
            deflated: 499_999,
            ..a_run(500, 2.0)
        };
        assert!(!is_met(a_run(0, 2.0), uncompressed));
        assert!(!is_met(a_run(1, 2.0), a_run(500, 2.0)));
        let busy = Run {
            cpu_percent: 90.0,
            ..a_run(500, 2.0)
        };
        assert!(!is_met(a_run(0, 2.0), busy));
        let lossy = Run {
            missing: 1,
            ..a_run(500, 2.0)
        };
        assert!(!is_met(a_run(0, 2.0), lossy));
    }
}
