//! What permessage-deflate saves: feeds as they look in production, one publication at a time and
//! in bursts, to plain and to compressing clients at once, and the bytes that reach each.

mod payloads;
mod table;

use std::time::Duration;

use clap::Args;

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink};
use crate::line::{Line, Replies};
use crate::payload::{self, Stamp};
use crate::progress::Indicator;
use crate::report::Report;
use payloads::Feed;
use table::{Cell, Row, SIDES};

/// Fine beside the time between publications.
const TURN: Duration = Duration::from_millis(1);

/// How long a publication may take to reach all.
const SILENCE_US: u64 = 3_000_000;

#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Subscribers of each kind
    #[arg(long, default_value_t = 10)]
    subscribers: usize,
    /// Publications of each feed, in each way of arriving
    #[arg(long, default_value_t = 500)]
    publications: usize,
    /// Publications per second that arrive singly, at most
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// Publications of a burst, sent back to back
    #[arg(long, default_value_t = 20)]
    burst: usize,
    /// Bursts per second, at most
    #[arg(long, default_value_t = 20)]
    bursts: u64,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
}

/// How publications arrive: `size` back to back, once the last have come, at most every
/// `period_us`.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    size: usize,
    period_us: u64,
}

/// Expects publications on every connection: these, in this order.
struct Check<'a> {
    expected: &'a [Vec<u8>],
    /// How many came, by connection.
    came: Vec<usize>,
    stamped: u64,
}

impl Sink for Check<'_> {
    fn delivery(&mut self, _connection: usize, _stamp: Stamp, _now_us: u64) {
        // The feeds have no stamps, so this is none of theirs.
        self.stamped += 1;
    }

    fn unstamped(&mut self, connection: usize, payload: &[u8]) -> bool {
        let came = &mut self.came[connection];
        let expected = self.expected.get(*came);
        if expected.is_none_or(|expected| expected != payload) {
            return false;
        }
        *came += 1;
        true
    }
}

impl Check<'_> {
    /// Whether that many have come on every connection.
    fn has(&self, count: usize) -> bool {
        self.came.iter().all(|came| *came >= count)
    }

    fn missing(&self) -> u64 {
        let expected = self.expected.len() * self.came.len();
        (expected - self.came.iter().sum::<usize>()) as u64
    }
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    let Options {
        subscribers,
        publications,
        rate,
        burst,
        bursts,
        ..
    } = *options;
    if subscribers == 0 || publications == 0 || rate == 0 || burst == 0 || bursts == 0 {
        return Err(Fault::Arguments("feeds: every number at least 1".into()));
    }
    let arrivals = [
        Arrival {
            size: 1,
            period_us: 1_000_000 / rate,
        },
        Arrival {
            size: burst,
            period_us: 1_000_000 / bursts,
        },
    ];
    let clock = Clock::new();
    let mut sides = [
        open(common, clock, options, false)?,
        open(common, clock, options, true)?,
    ];
    let line = Line::open(common)?;
    let mut replies = Replies::default();
    let mut rows = Vec::new();
    let _indicator = Indicator::start("feeds", seconds(publications, arrivals));
    for (feed, nth) in Feed::ALL.into_iter().zip(0..) {
        let mut cells = [[Cell::default(); 2]; 2];
        let mut payload_bytes = 0;
        for (arrival, at) in arrivals.into_iter().zip(0..) {
            let at_ms = |nth: usize| (nth / arrival.size) as u64 * arrival.period_us / 1000;
            let payloads = feed.payloads(publications, at_ms, common.seed);
            payload_bytes = payloads.iter().map(Vec::len).sum();
            let mut sending = Sending {
                line: &line,
                replies: &mut replies,
                clock,
                topic: nth * arrivals.len() as u32 + at,
            };
            cells[at as usize] = sending.measure(&mut sides, &payloads, arrival)?;
        }
        rows.push(Row {
            feed,
            payload_bytes: payload_bytes as f64 / publications as f64,
            cells,
        });
    }
    let sent = Feed::ALL.len() * arrivals.len() * publications;
    line.await_replies(&mut replies, sent as u64)?;
    Ok(report(options, &sides, &rows, replies.rejected))
}

/// How long publishing all feeds takes, in both ways.
fn seconds(publications: usize, arrivals: [Arrival; 2]) -> u32 {
    let way = |arrival: Arrival| publications.div_ceil(arrival.size) as u64 * arrival.period_us;
    let feed_us: u64 = arrivals.into_iter().map(way).sum();
    (feed_us * Feed::ALL.len() as u64).div_ceil(1_000_000) as u32
}

fn report(options: &Options, sides: &[Fleet; 2], rows: &[Row], rejected: u64) -> Report {
    let mut report = Report::new("feeds");
    report.add("subscribers_of_each_kind", options.subscribers);
    report.add("publications_of_each_feed", options.publications);
    for row in rows {
        row.add_to(&mut report);
    }
    report.add_zero("rejected", rejected);
    for (fleet, name) in sides.iter().zip(SIDES) {
        report.add_zero(&format!("{name}_closed"), fleet.tally.closed);
        report.add_zero(&format!("{name}_unknown"), fleet.tally.unknown);
    }
    let deflated = sides[1].tally.deflated;
    report.add("deflate_messages_compressed", deflated);
    report.expect(deflated > 0, || "nothing came compressed".into());
    report.add_text(table::markdown(rows, options.burst));
    report
}

/// The clients of one kind, on the topics of all feeds.
fn open(common: &Common, clock: Clock, options: &Options, deflate: bool) -> Result<Fleet, Fault> {
    let mut fleet = Fleet::new(common, clock, payload::SMALLEST)?;
    fleet.set_turn(TURN);
    fleet.set_deflate(deflate);
    for _ in 0..options.subscribers {
        fleet.add(Plan {
            protocol: options.protocol,
            topics: (0..2 * Feed::ALL.len() as u32).collect(),
            reads: true,
        });
    }
    fleet.open_all()?;
    Ok(fleet)
}

/// Publishing to one topic.
struct Sending<'a> {
    line: &'a Line,
    replies: &'a mut Replies,
    clock: Clock,
    topic: u32,
}

impl Sending<'_> {
    /// Publishes, and receives what that brings to both sides.
    fn measure(
        &mut self,
        sides: &mut [Fleet; 2],
        payloads: &[Vec<u8>],
        arrival: Arrival,
    ) -> Result<[Cell; 2], Fault> {
        let clock = self.clock;
        let before = [0, 1].map(|side| sides[side].tally);
        let mut checks = [0, 1].map(|side| Check {
            expected: payloads,
            came: vec![0; sides[side].len()],
            stamped: 0,
        });
        let mut turn = |checks: &mut [Check<'_>; 2]| {
            let mut pairs = sides.iter_mut().zip(checks);
            pairs.try_for_each(|(fleet, check)| fleet.turn(check))
        };
        let topic = payload::topic_name(self.topic);
        let mut sent = 0;
        for burst in payloads.chunks(arrival.size) {
            let sent_us = clock.now_us();
            for payload in burst {
                self.line.send(topic.as_bytes(), payload)?;
            }
            self.line.take_replies(self.replies, 0)?;
            sent += burst.len();
            // Nothing follows before all have this, or it would share a message by accident; what
            // does not come at all ends the feed, and counts as missing with what was to follow.
            let is_served = |checks: &[Check<'_>; 2]| checks.iter().all(|check| check.has(sent));
            let late_us = sent_us + SILENCE_US;
            while clock.now_us() < sent_us + arrival.period_us
                || !is_served(&checks) && clock.now_us() < late_us
            {
                turn(&mut checks)?;
            }
            if !is_served(&checks) {
                break;
            }
        }
        Ok([0, 1].map(|side| {
            let (check, tally) = (&checks[side], sides[side].tally);
            let came = check.came.iter().sum::<usize>().max(1) as f64;
            let (bytes, messages) = (
                tally.received_bytes - before[side].received_bytes,
                tally.messages - before[side].messages,
            );
            Cell {
                wire_bytes: bytes as f64 / came,
                publications_per_message: came / messages.max(1) as f64,
                missing: check.missing() + check.stamped,
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_come_in_order_and_byte_for_byte() {
        let expected = [b"a".to_vec(), b"b".to_vec()];
        let mut check = Check {
            expected: &expected,
            came: vec![0; 2],
            stamped: 0,
        };
        assert!(!check.unstamped(0, b"b"));
        assert!(check.unstamped(0, b"a") && !check.unstamped(0, b"a"));
        assert!(check.unstamped(1, b"a") && check.unstamped(0, b"b"));
        assert!(!check.unstamped(0, b"b"));
        assert_eq!(check.missing(), 1);
        assert!(check.has(1) && !check.has(2));
    }
}
