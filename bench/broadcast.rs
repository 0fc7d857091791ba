//! One topic to all, saturated. A closed loop: a bounded number of publications is in flight, so
//! nothing is lost and the server never waits for the next one. Receiving thread, which publishes
//! too: that takes thousandths of what receiving takes.

use clap::{Args, ValueEnum};

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink};
use crate::ledger::{Counts, Ledger};
use crate::line::{Line, Replies};
use crate::payload::{self, Stamp};
use crate::process::{Meter, Process};
use crate::progress::Indicator;
use crate::receiver::{Receiver, SILENCE_US};
use crate::report::{Bar, Report};
use crate::timeline::Timeline;

/// Below this share of its core a server was not saturated, so the figure is not its own.
const SATURATED_PERCENT: f64 = 95.0;

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Publications that the slowest subscriber may be behind; with their frames they must fit
    /// the server's `ws.outbox`
    #[arg(long, default_value_t = 256)]
    window: u32,
    /// Seconds before anything is measured
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
    /// How closely deliveries are looked at
    #[arg(long, value_enum, default_value_t = Check::Full)]
    check: Check,
    /// Deliveries per second that are expected
    #[arg(long, default_value_t = 5_500_000)]
    at_least: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// The sequence of every delivery
    Full,
    /// The sequences on every 20th connection; on the others frames and their lengths
    Sampled,
}

impl Check {
    /// One connection of so many is looked at closely.
    fn every(self) -> usize {
        match self {
            Self::Full => 1,
            Self::Sampled => 20,
        }
    }
}

/// All subscribers.
struct Crowd {
    receiver: Receiver,
    /// Deliveries on each connection.
    came: Vec<u32>,
    every: usize,
}

impl Sink for Crowd {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        self.came[connection] += 1;
        self.receiver.delivery(connection, stamp, now_us);
    }

    fn skim(&mut self, connection: usize, now_us: u64) -> bool {
        if connection.is_multiple_of(self.every) {
            return false;
        }
        self.came[connection] += 1;
        if let Some(timeline) = &mut self.receiver.timeline {
            timeline.count(now_us);
        }
        true
    }
}

impl Crowd {
    fn slowest(&self) -> u32 {
        self.came.iter().copied().min().unwrap_or(0)
    }

    fn deliveries(&self) -> u64 {
        self.came.iter().map(|&count| u64::from(count)).sum()
    }

    /// All counts after `published` publications, and how many deliveries are missing. Where only
    /// frames were counted, those too many are duplicates.
    fn counts(&self, published: u32) -> (Counts, u64) {
        let mut counts = self.receiver.ledger.counts;
        for (connection, &came) in self.came.iter().enumerate() {
            if !connection.is_multiple_of(self.every) {
                counts.received += u64::from(came.min(published));
                counts.duplicate += u64::from(came.saturating_sub(published));
            }
        }
        let expected = self.receiver.ledger.deal().deliveries(&[published]);
        (counts, expected.saturating_sub(counts.received))
    }
}

/// Publishes what the window allows.
struct Source {
    line: Line,
    clock: Clock,
    template: Vec<u8>,
    topic: String,
    window: u32,
    published: u32,
    replies: Replies,
}

impl Source {
    fn fill(&mut self, slowest: u32) -> Result<(), Fault> {
        while self.published < slowest.saturating_add(self.window) {
            self.published += 1;
            let stamp = Stamp {
                topic: 0,
                sequence: self.published,
                due_us: self.clock.now_us(),
            };
            payload::stamp(&mut self.template, stamp);
            self.line.send(self.topic.as_bytes(), &self.template)?;
            self.line.take_replies(&mut self.replies, 0)?;
        }
        Ok(())
    }
}

/// What the measured time used.
struct Used {
    deliveries: u64,
    elapsed_s: f64,
    server: Option<(f64, f64)>,
    own_percent: f64,
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    if options.subscribers == 0 || options.window == 0 || options.seconds == 0 {
        let text = "--subscribers, --window and --seconds: at least 1";
        return Err(Fault::Arguments(text.into()));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(common, clock, options.payload)?;
    for _ in 0..options.subscribers {
        fleet.add(Plan {
            protocol: options.protocol,
            topics: vec![0],
            reads: true,
        });
    }
    fleet.open_all()?;
    let deal = Deal::new(options.subscribers, 1, 1, common.seed);
    let mut crowd = Crowd {
        receiver: Receiver::new(Ledger::new(deal)),
        came: vec![0; options.subscribers],
        every: options.check.every(),
    };
    let mut source = Source {
        line: Line::open(common)?,
        clock,
        template: payload::template(options.payload),
        topic: payload::topic_name(0),
        window: options.window,
        published: 0,
        replies: Replies::default(),
    };
    let used = measure(common, options, &mut fleet, &mut crowd, &mut source)?;
    let mut report = report(options, &fleet, &crowd, &source, &used);
    if let Some(timeline) = crowd.receiver.timeline.take() {
        let until_us = timeline.start_us() + u64::from(options.seconds) * 1_000_000;
        report.set_timeline(timeline.finish(until_us));
    }
    Ok(report)
}

/// Warm-up, the measured time, and the rest of what was published.
fn measure(
    common: &Common,
    options: &Options,
    fleet: &mut Fleet,
    crowd: &mut Crowd,
    source: &mut Source,
) -> Result<Used, Fault> {
    let clock = source.clock;
    let _indicator = Indicator::start("broadcast", options.warm_up + options.seconds);
    let turn_until = |time_us, fleet: &mut Fleet, crowd: &mut Crowd, source: &mut Source| {
        while clock.now_us() < time_us {
            source.fill(crowd.slowest())?;
            fleet.turn(crowd)?;
        }
        Ok::<_, Fault>(())
    };
    let start_us = clock.now_us() + u64::from(options.warm_up) * 1_000_000;
    turn_until(start_us, fleet, crowd, source)?;

    let process = common.pid.map(Process::new).transpose()?;
    let server = process.map(Meter::start).transpose()?;
    let own = Meter::start(Process::own())?;
    let (before, begun_us) = (crowd.deliveries(), clock.now_us());
    let timeline = Timeline::start(process, begun_us);
    crowd.receiver.begin(begun_us, timeline);
    let end_us = begun_us + u64::from(options.seconds) * 1_000_000;
    turn_until(end_us, fleet, crowd, source)?;
    let used = Used {
        deliveries: crowd.deliveries() - before,
        elapsed_s: (clock.now_us() - begun_us) as f64 / 1e6,
        server: match server {
            Some(server) => Some((server.percent()?, server.spent_us()? as f64)),
            None => None,
        },
        own_percent: own.percent()?,
    };

    let mut last = (crowd.deliveries(), clock.now_us());
    while crowd.slowest() < source.published && clock.now_us() - last.1 < SILENCE_US {
        fleet.turn(crowd)?;
        if crowd.deliveries() > last.0 {
            last = (crowd.deliveries(), clock.now_us());
        }
    }
    let published = u64::from(source.published);
    source.line.await_replies(&mut source.replies, published)?;
    Ok(used)
}

fn report(options: &Options, fleet: &Fleet, crowd: &Crowd, source: &Source, used: &Used) -> Report {
    let mut report = Report::new("broadcast");
    report.add("subscribers", options.subscribers);
    report.add("published", source.published);
    let (counts, missing) = crowd.counts(source.published);
    let ledger = &crowd.receiver.ledger;
    let expected = ledger.deal().deliveries(&[source.published]);
    report.add_deliveries(expected, missing, counts);
    let checked = options.subscribers.div_ceil(crowd.every);
    report.add("subscribers_checked_by_sequence", checked);
    report.add_zero("closed", fleet.tally.closed);
    report.add_zero("unknown", fleet.tally.unknown);
    report.add_zero("rejected", source.replies.rejected);
    let rate = used.deliveries as f64 / used.elapsed_s;
    report.add_decimal("deliveries_per_second", rate);
    // Not a latency that a user sees: it grows with what is kept in flight.
    report.add_latency("in_flight", &crowd.receiver.latency);
    report.add_decimal("generator_cpu_percent", used.own_percent);
    if let Some((percent, spent_us)) = used.server {
        report.add_decimal("server_cpu_percent", percent);
        let each_ns = spent_us * 1e3 / used.deliveries.max(1) as f64;
        report.add_decimal("server_cpu_ns_per_delivery", each_ns);
        if percent < SATURATED_PERCENT {
            report.add_text(format!(
                "  the server used {percent:.0} % of a core: the load generator was the limit"
            ));
        }
    }
    let least = options.at_least as f64;
    report.gate("deliveries_per_second", rate, Bar::AtLeast(least));
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty subscribers, of which two are checked by sequence, and 100 publications; `lost` and
    /// `doubled` are a connection each, of what comes once less or once more.
    fn run(lost: Option<usize>, doubled: Option<usize>) -> (Counts, u64, u32) {
        let mut crowd = Crowd {
            receiver: Receiver::new(Ledger::new(Deal::new(40, 1, 1, 0))),
            came: vec![0; 40],
            every: Check::Sampled.every(),
        };
        for sequence in 1..=100 {
            for connection in 0..40 {
                let times = match sequence {
                    50 if lost == Some(connection) => 0,
                    50 if doubled == Some(connection) => 2,
                    _ => 1,
                };
                for _ in 0..times {
                    let stamp = Stamp {
                        topic: 0,
                        sequence,
                        due_us: 0,
                    };
                    if !crowd.skim(connection, 0) {
                        crowd.delivery(connection, stamp, 0);
                    }
                }
            }
        }
        let (counts, missing) = crowd.counts(100);
        (counts, missing, crowd.slowest())
    }

    #[test]
    fn losses_and_duplicates_are_seen_on_both_kinds_of_connections() {
        let (counts, missing, slowest) = run(None, None);
        assert_eq!((counts.received, counts.duplicate), (4000, 0));
        assert_eq!((missing, slowest), (0, 100));
        for connection in [0, 7, 20] {
            let (counts, missing, slowest) = run(Some(connection), None);
            assert_eq!((counts.received, missing, slowest), (3999, 1, 99));
            let (counts, missing, _) = run(None, Some(connection));
            assert_eq!((counts.duplicate, missing), (1, 0));
        }
    }
}
