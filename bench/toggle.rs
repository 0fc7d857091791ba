//! One client that subscribes and unsubscribes all the time, under publications: nothing after
//! an unsubscribe reply, nothing missing after a subscribe reply.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink, is_error};
use crate::ledger::Ledger;
use crate::payload::{self, Stamp};
use crate::progress::Indicator;
use crate::publisher::{Progress, Published, Publisher, Schedule};
use crate::report::Report;

/// Fine beside the period of a toggle.
const TURN: Duration = Duration::from_millis(1);

/// How long a subscription may go without a publication that it must get, and a command without
/// its reply.
const SILENCE_US: u64 = 1_000_000;

/// The connection that toggles; the others stay subscribed.
const TOGGLER: usize = 0;

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Publications per second
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Subscriptions per second
    #[arg(long, default_value_t = 100)]
    toggles: u32,
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Clients that stay subscribed, so that publications are always on their way to the shard
    #[arg(long, default_value_t = 1)]
    others: usize,
}

/// Where the client is in its cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Unsubscribed,
    Subscribing,
    Subscribed,
    /// The command is sent; publications may still come.
    Unsubscribing,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Violations {
    /// Deliveries while there was no subscription.
    outside: u64,
    /// Publications between the first due one and the last that came.
    missing: u64,
    /// Deliveries that were not newer than the one before.
    repeated: u64,
    /// Subscriptions on which nothing came at all.
    silent: u64,
    errors: u64,
}

/// The client's view. Sequences are those of the only topic.
#[derive(Debug)]
struct Toggler {
    progress: Arc<Progress>,
    phase: Phase,
    since_us: u64,
    /// The last publication begun when the subscribe reply was read: what follows must come.
    floor: u64,
    /// The last sequence that came in this subscription.
    came: Option<u64>,
    newest: u64,
    received: u64,
    violations: Violations,
    others: Ledger,
    clock: Clock,
}

impl Sink for Toggler {
    fn delivery(&mut self, connection: usize, stamp: Stamp, _now_us: u64) {
        if connection != TOGGLER {
            self.others.note(connection - 1, stamp);
            return;
        }
        let sequence = u64::from(stamp.sequence);
        self.received += 1;
        if matches!(self.phase, Phase::Unsubscribed | Phase::Subscribing) {
            self.violations.outside += 1;
        }
        if sequence <= self.newest {
            self.violations.repeated += 1;
            return;
        }
        let last = self.came.unwrap_or(self.floor);
        self.violations.missing += sequence.saturating_sub(last + 1);
        self.came = Some(sequence);
        self.newest = sequence;
    }

    fn reply(&mut self, _connection: usize, reply: &[u8]) {
        self.violations.errors += u64::from(is_error(reply));
        self.since_us = self.clock.now_us();
        self.phase = match self.phase {
            Phase::Subscribing => {
                self.floor = self.progress.begun.load(Ordering::Acquire);
                self.came = None;
                Phase::Subscribed
            }
            _ => Phase::Unsubscribed,
        };
    }
}

impl Toggler {
    /// Whether a publication came that was begun after the subscribe reply.
    fn is_served(&self) -> bool {
        self.came.is_some_and(|sequence| sequence > self.floor)
    }

    /// Enters a phase that a command begins.
    fn begin(&mut self, phase: Phase) {
        self.phase = phase;
        self.since_us = self.clock.now_us();
    }
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    if options.rate == 0 || options.toggles == 0 {
        return Err(Fault::Arguments("--rate and --toggles: at least 1".into()));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(common, clock, options.payload)?;
    fleet.set_turn(TURN);
    fleet.add(Plan {
        protocol: Protocol::Client,
        topics: vec![],
        reads: true,
    });
    for _ in 0..options.others {
        fleet.add(Plan {
            protocol: Protocol::Client,
            topics: vec![0],
            reads: true,
        });
    }
    fleet.open_all()?;
    let schedule = Schedule {
        rate: options.rate,
        seconds: options.seconds,
        warm_up: 0,
        payload: options.payload,
        body: common.body,
        sequences: vec![0],
    };
    let _indicator = Indicator::start("toggle", options.seconds);
    let publisher = Publisher::start(common, clock, schedule)?;
    let mut toggler = Toggler {
        progress: Arc::clone(&publisher.progress),
        phase: Phase::Unsubscribed,
        since_us: clock.now_us(),
        floor: 0,
        came: None,
        newest: 0,
        received: 0,
        violations: Violations::default(),
        others: Ledger::new(Deal::new(options.others, 1, 1, common.seed)),
        clock,
    };
    let count = toggle(&mut fleet, &mut toggler, &publisher, options)?;
    let sent = publisher.join()?;
    let end_us = clock.now_us() + SILENCE_US;
    while toggler.others.missing(&sent.sequences) > 0 && clock.now_us() < end_us {
        fleet.turn(&mut toggler)?;
    }
    Ok(report(options, &fleet, &toggler, &sent, count))
}

/// What was seen, and whether it was as promised.
fn report(
    options: &Options,
    fleet: &Fleet,
    toggler: &Toggler,
    sent: &Published,
    subscriptions: u64,
) -> Report {
    let mut report = Report::new("toggle");
    report.add("published", sent.sequences[0]);
    report.add("subscriptions", subscriptions);
    report.add_decimal(
        "subscriptions_per_second",
        subscriptions as f64 / f64::from(options.seconds),
    );
    let wanted = u64::from(options.toggles) * u64::from(options.seconds);
    report.expect(subscriptions * 10 >= wanted * 9, || {
        format!("subscriptions: {subscriptions}, expected {wanted}, or 90 % of that")
    });
    report.add("received", toggler.received);
    let Violations {
        outside,
        missing,
        repeated,
        silent,
        errors,
    } = toggler.violations;
    report.add_zero("outside", outside);
    report.add_zero("missing", missing);
    report.add_zero("repeated", repeated);
    report.add_zero("silent", silent);
    report.add_zero("errors", errors);
    report.add_zero("closed", fleet.tally.closed);
    report.add_zero("rejected", sent.rejected);
    report.add("others", options.others);
    report.add_zero("others_missing", toggler.others.missing(&sent.sequences));
    let counts = toggler.others.counts;
    report.add_zero(
        "others_out_of_step",
        counts.duplicate + counts.disordered + counts.foreign,
    );
    report.add_latency("publisher_lateness", &sent.lateness);
    report
}

/// Toggles while the publisher runs: subscription n is due at a fixed time, and lasts half of the
/// period and until a publication has come. Returns how many there were.
fn toggle(
    fleet: &mut Fleet,
    toggler: &mut Toggler,
    publisher: &Publisher,
    options: &Options,
) -> Result<u64, Fault> {
    let clock = toggler.clock;
    let channel = payload::topic_name(0);
    let period_us = 1_000_000 / u64::from(options.toggles);
    let start_us = clock.now_us();
    let (mut count, mut id) = (0, 1);
    let mut command = |fleet: &mut Fleet, name: &str| {
        id += 1;
        fleet.send(
            TOGGLER,
            &format!(r#"{{"id":{id},"{name}":{{"channel":"{channel}"}}}}"#),
        )
    };
    while !publisher.is_done() {
        fleet.turn(toggler)?;
        let now_us = clock.now_us();
        let waited_us = now_us - toggler.since_us;
        match toggler.phase {
            Phase::Unsubscribed if now_us >= start_us + count * period_us => {
                count += 1;
                toggler.begin(Phase::Subscribing);
                command(fleet, "subscribe")?;
            }
            Phase::Subscribed if waited_us > SILENCE_US => {
                toggler.violations.silent += 1;
                toggler.begin(Phase::Unsubscribing);
                command(fleet, "unsubscribe")?;
            }
            Phase::Subscribed if waited_us >= period_us / 2 && toggler.is_served() => {
                toggler.begin(Phase::Unsubscribing);
                command(fleet, "unsubscribe")?;
            }
            Phase::Subscribing | Phase::Unsubscribing if waited_us > SILENCE_US => {
                toggler.violations.errors += 1;
                break;
            }
            _ => {}
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toggler() -> Toggler {
        Toggler {
            progress: Arc::default(),
            phase: Phase::Subscribing,
            since_us: 0,
            floor: 0,
            came: None,
            newest: 0,
            received: 0,
            violations: Violations::default(),
            others: Ledger::new(Deal::new(0, 1, 1, 0)),
            clock: Clock::new(),
        }
    }

    fn deliver(toggler: &mut Toggler, sequences: &[u32]) {
        for &sequence in sequences {
            toggler.delivery(
                TOGGLER,
                Stamp {
                    topic: 0,
                    sequence,
                    due_us: 0,
                },
                0,
            );
        }
    }

    /// A subscription whose reply is read when ten publications have begun.
    fn subscribed(sequences: &[u32]) -> (bool, Violations) {
        let mut toggler = toggler();
        toggler.progress.begun.store(10, Ordering::Release);
        toggler.reply(TOGGLER, br#"{"id":2,"subscribe":{}}"#);
        deliver(&mut toggler, sequences);
        (toggler.is_served(), toggler.violations)
    }

    #[test]
    fn publications_from_the_reply_on_must_come_and_earlier_ones_may() {
        let clean = Violations::default;
        assert_eq!(subscribed(&[]), (false, clean()));
        assert_eq!(subscribed(&[10]), (false, clean()));
        assert_eq!(subscribed(&[11, 12]), (true, clean()));
        assert_eq!(subscribed(&[8, 9, 10, 11]), (true, clean()));
    }

    #[test]
    fn gaps_and_repeats_are_seen() {
        assert_eq!(
            subscribed(&[12]).1,
            Violations {
                missing: 1,
                ..Violations::default()
            }
        );
        assert_eq!(
            subscribed(&[11, 14]).1,
            Violations {
                missing: 2,
                ..Violations::default()
            }
        );
        assert_eq!(
            subscribed(&[8, 10]).1,
            Violations {
                missing: 1,
                ..Violations::default()
            }
        );
        assert_eq!(
            subscribed(&[11, 11]).1,
            Violations {
                repeated: 1,
                ..Violations::default()
            }
        );
    }

    #[test]
    fn nothing_may_come_outside_of_a_subscription() {
        let mut toggler = toggler();
        deliver(&mut toggler, &[1]);
        toggler.reply(TOGGLER, br#"{"id":2,"subscribe":{}}"#);
        deliver(&mut toggler, &[2]);
        toggler.begin(Phase::Unsubscribing);
        deliver(&mut toggler, &[3]);
        assert_eq!(toggler.violations.outside, 1);
        toggler.reply(TOGGLER, br#"{"id":3,"unsubscribe":{}}"#);
        deliver(&mut toggler, &[4]);
        assert_eq!(toggler.violations.outside, 2);
        toggler.reply(TOGGLER, br#"{"id":4,"error":{"code":103}}"#);
        assert_eq!(toggler.violations.errors, 1);
    }
}
