//! A room in which most answer within seconds, at random times, all to all: every answer is due
//! at its time whatever the server does. Receiving thread, which publishes too.

mod answers;

use clap::{Args, ValueEnum};

use crate::arguments::{Common, Protocol};
use crate::clock::Clock;
use crate::connection::Plan;
use crate::deal::Deal;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink, is_error};
use crate::latency;
use crate::ledger::Ledger;
use crate::line::{Line, Replies};
use crate::payload::{self, Stamp};
use crate::process::{Meter, Process};
use crate::progress::Indicator;
use crate::receiver::{Receiver, SILENCE_US};
use crate::report::Report;
use crate::timeline::Timeline;

use answers::{Answers, times};

#[derive(Clone, Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 600)]
    connections: usize,
    /// How many publish, one answer each
    #[arg(long, default_value_t = 500)]
    answers: u32,
    /// Bytes of an answer
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Seconds of answers that are not timed, at the same rate
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Seconds within which all have answered
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
    /// How answers reach the server
    #[arg(long, value_enum, default_value_t = By::Push)]
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// A service publishes them over ZeroMQ
    Push,
    /// The connections publish them themselves: the server's namespace "" must allow it
    Client,
}

/// Everybody in the room.
struct Room {
    receiver: Receiver,
    /// With answers of clients, the place of each in the order in which they first came: they
    /// have no other, but that one must be the same for all.
    places: Option<Vec<u32>>,
    placed: u32,
    replies: u64,
    errors: u64,
}

impl Sink for Room {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        let sequence = self.place(stamp.sequence);
        let stamp = Stamp { sequence, ..stamp };
        self.receiver.delivery(connection, stamp, now_us);
    }

    fn reply(&mut self, _connection: usize, reply: &[u8]) {
        self.replies += 1;
        self.errors += u64::from(is_error(reply));
    }
}

impl Room {
    fn place(&mut self, sequence: u32) -> u32 {
        let places = self.places.as_mut();
        let Some(place) = places.and_then(|places| places.get_mut(sequence as usize)) else {
            return sequence;
        };
        if *place == 0 {
            self.placed += 1;
            *place = self.placed;
        }
        *place
    }
}

pub fn run(common: &Common, options: &Options) -> Result<Report, Fault> {
    options.check()?;
    let clock = Clock::new();
    let mut fleet = Fleet::new(common, clock, options.payload)?;
    for _ in 0..options.connections {
        fleet.add(Plan {
            protocol: options.protocol,
            topics: vec![0],
            reads: true,
        });
    }
    fleet.open_all()?;
    let mut random = fastrand::Rng::with_seed(common.seed);
    let mut order: Vec<_> = (0..options.connections).collect();
    random.shuffle(&mut order);
    let before = options.answers * options.warm_up / options.seconds;
    let all = (options.answers + before) as usize;
    let by_clients = options.by == By::Client;
    let mut answers = Answers {
        clock,
        template: payload::template(options.payload),
        line: (!by_clients).then(|| Line::open(common)).transpose()?,
        replies: Replies::default(),
        order,
        published: 0,
        lateness: latency::histogram(),
    };
    let deal = Deal::new(options.connections, 1, 1, common.seed);
    let mut room = Room {
        receiver: Receiver::new(Ledger::new(deal)),
        places: by_clients.then(|| vec![0; all + 1]),
        placed: 0,
        replies: 0,
        errors: 0,
    };

    let _indicator = Indicator::start("burst", options.warm_up + options.seconds);
    let start_us = clock.now_us() + u64::from(options.warm_up) * 1_000_000;
    let now_us = clock.now_us();
    let warm_up = times(&mut random, before, now_us, start_us - now_us);
    answers.play(&mut fleet, &mut room, &warm_up, start_us)?;
    let span_us = u64::from(options.seconds) * 1_000_000;
    let due_us = times(&mut random, options.answers, start_us, span_us);
    answers.lateness.reset();
    measure(
        common,
        &mut answers,
        &mut fleet,
        &mut room,
        &due_us,
        start_us + span_us,
    )
    .map(|used| report(options, &fleet, room, &answers, &used))
}

/// CPU of the measured time, in microseconds and in percent, of the server and of the load.
struct Used {
    server: Option<(u64, f64)>,
    own_percent: f64,
}

fn measure(
    common: &Common,
    answers: &mut Answers,
    fleet: &mut Fleet,
    room: &mut Room,
    due_us: &[u64],
    until_us: u64,
) -> Result<Used, Fault> {
    let clock = answers.clock;
    let process = common.pid.map(Process::new).transpose()?;
    let server = process.map(Meter::start).transpose()?;
    let own = Meter::start(Process::own())?;
    let now_us = clock.now_us();
    room.receiver
        .begin(now_us, Timeline::start(process, now_us));
    answers.play(fleet, room, due_us, until_us)?;
    let (used_us, used_percent) = match server {
        Some(server) => (server.spent_us()?, server.percent()?),
        None => (0, 0.0),
    };
    let used = Used {
        server: server.map(|_| (used_us, used_percent)),
        own_percent: own.percent()?,
    };
    let late_us = clock.now_us() + SILENCE_US;
    while room.receiver.ledger.missing(&[answers.published]) > 0 && clock.now_us() < late_us {
        fleet.turn(room)?;
    }
    let published = u64::from(answers.published);
    if let Some(line) = &answers.line {
        line.await_replies(&mut answers.replies, published)?;
    }
    while answers.line.is_none() && room.replies < published && clock.now_us() < late_us {
        fleet.turn(room)?;
    }
    Ok(used)
}

fn report(
    options: &Options,
    fleet: &Fleet,
    mut room: Room,
    answers: &Answers,
    used: &Used,
) -> Report {
    let mut report = Report::new("burst");
    let ledger = &room.receiver.ledger;
    let sequences = [answers.published];
    report.add("connections", options.connections);
    report.add("published", answers.published);
    let expected = ledger.deal().deliveries(&sequences);
    report.add_deliveries(expected, ledger.missing(&sequences), ledger.counts);
    report.add_zero("closed", fleet.tally.closed);
    report.add_zero("unknown", fleet.tally.unknown);
    let unanswered = match answers.line {
        Some(_) => answers.replies.rejected,
        None => room.errors + u64::from(answers.published).saturating_sub(room.replies),
    };
    report.add_zero("rejected", unanswered);
    let timed = room.receiver.latency.len();
    report.add("timed", timed);
    report.add_latency("latency", &room.receiver.latency);
    report.add_latency("publisher_lateness", &answers.lateness);
    report.add_decimal("generator_cpu_percent", used.own_percent);
    if let Some((spent_us, percent)) = used.server {
        report.add_decimal("server_cpu_percent", percent);
        let each_us = spent_us as f64 / timed.max(1) as f64;
        report.add_decimal("server_cpu_us_per_delivery", each_us);
    }
    if let Some(timeline) = room.receiver.timeline.take() {
        let until_us = timeline.start_us() + u64::from(options.seconds) * 1_000_000;
        report.set_timeline(timeline.finish(until_us));
    }
    report
}

impl Options {
    fn check(&self) -> Result<(), Fault> {
        let fault = |text: &str| Err(Fault::Arguments(text.to_owned()));
        if self.connections == 0 || self.answers == 0 || self.seconds == 0 {
            return fault("--connections, --answers and --seconds: at least 1");
        }
        if self.answers as usize > self.connections {
            return fault("--answers: at most as many as --connections");
        }
        if self.by == By::Client && self.protocol == Protocol::Raw {
            return fault("--by client: /raw takes no commands");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(places: Option<Vec<u32>>) -> Room {
        Room {
            receiver: Receiver::new(Ledger::new(Deal::new(2, 1, 1, 0))),
            places,
            placed: 0,
            replies: 0,
            errors: 0,
        }
    }

    fn deliver(room: &mut Room, connection: usize, sequences: &[u32]) {
        for &sequence in sequences {
            let stamp = Stamp {
                topic: 0,
                sequence,
                due_us: 0,
            };
            room.delivery(connection, stamp, 0);
        }
    }

    #[test]
    fn answers_of_clients_may_come_in_any_order_that_is_the_same_for_all() {
        for (second, disordered) in [([3, 1, 2], 0), ([3, 2, 1], 1)] {
            let mut room = room(Some(vec![0; 4]));
            deliver(&mut room, 0, &[3, 1, 2]);
            deliver(&mut room, 1, &second);
            let counts = room.receiver.ledger.counts;
            assert_eq!((counts.received, counts.disordered), (6, disordered));
            assert_eq!(room.receiver.ledger.missing(&[3]), 0);
        }
        let mut room = room(None);
        deliver(&mut room, 0, &[2, 1, 3]);
        assert_eq!(room.receiver.ledger.counts.disordered, 1);
    }
}
