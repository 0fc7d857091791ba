//! A chat room in which most members answer within seconds at random times, each answer to all
//! members. Every answer is due at its time, whatever the server does. The receiving thread also
//! publishes.

mod answers;
mod room;

use clap::{Args, ValueEnum};

use self::answers::{AnswerPublisher, random_times};
use self::room::ChatRoom;
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::client::receiver::SILENCE_US;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::publishing::replies::ReplyCounts;
use crate::report::latency;
use crate::report::progress::ProgressIndicator;
use crate::report::results::Report;
use crate::report::timeline::Timeline;
use crate::report::usage::{Usage, UsageMeter};
use crate::targets::context::RunContext;

#[derive(Clone, Debug, Args)]
pub struct BurstOptions {
    #[arg(long, default_value_t = 600)]
    connections: usize,
    /// Members that publish, one answer each
    #[arg(long, default_value_t = 500)]
    answers: u32,
    /// Bytes of an answer
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Seconds before the measured time, with answers at the same rate
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Seconds within which all answers are published
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
    /// How answers reach the server
    #[arg(long, value_enum, default_value_t = PublishedBy::Push)]
    by: PublishedBy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PublishedBy {
    /// A service publishes them over ZeroMQ
    Push,
    /// The members publish them through their connections; the server's namespace "" must allow
    /// it
    Client,
}

pub fn run(context: &RunContext, options: &BurstOptions) -> Result<Report, BenchError> {
    options.check()?;
    let clock = Clock::new();
    let mut fleet = Fleet::new(context, clock, options.payload)?;
    for _ in 0..options.connections {
        fleet.add(ConnectionPlan::new(options.protocol, vec![0]));
    }
    fleet.open_all()?;
    let mut random = fastrand::Rng::with_seed(context.options.seed);
    let mut order: Vec<_> = (0..options.connections).collect();
    random.shuffle(&mut order);
    let warm_up_answers = options.answers * options.warm_up / options.seconds;
    let (connection, mut room) = match options.by {
        PublishedBy::Push => (
            Some(context.connect_publisher()?),
            ChatRoom::with_service(options.connections),
        ),
        PublishedBy::Client => {
            let all = warm_up_answers + options.answers;
            let room = ChatRoom::with_publishing_members(options.connections, all);
            (None, room)
        }
    };
    let mut publisher = AnswerPublisher {
        clock,
        template: payload::template(options.payload),
        connection,
        replies: ReplyCounts::default(),
        order,
        published: 0,
        lateness: latency::histogram(),
    };

    let _indicator = ProgressIndicator::start("burst", options.duration_s());
    let now_us = clock.now_us();
    let start_us = now_us + u64::from(options.warm_up) * 1_000_000;
    let due_us = random_times(&mut random, warm_up_answers, now_us, start_us - now_us);
    publisher.run(&mut fleet, &mut room, &due_us, start_us)?;
    publisher.lateness.reset();
    let span_us = u64::from(options.seconds) * 1_000_000;
    let due_us = random_times(&mut random, options.answers, start_us, span_us);
    let end_us = start_us + span_us;
    let usage = measure(
        context,
        &mut publisher,
        &mut fleet,
        &mut room,
        &due_us,
        end_us,
    )?;
    Ok(report(options, &fleet, room, &publisher, &usage))
}

/// Runs the measured time, and receives the rest of the deliveries and replies.
fn measure(
    context: &RunContext,
    publisher: &mut AnswerPublisher,
    fleet: &mut Fleet,
    room: &mut ChatRoom,
    due_us: &[u64],
    end_us: u64,
) -> Result<Usage, BenchError> {
    let clock = publisher.clock;
    let meter = UsageMeter::start(context.server)?;
    let now_us = clock.now_us();
    let timeline = Timeline::start(context.server, now_us);
    room.receiver.end_warm_up(now_us, timeline);
    publisher.run(fleet, room, due_us, end_us)?;
    let usage = meter.finish()?;
    let deadline_us = clock.now_us() + SILENCE_US;
    while room.receiver.ledger.missing(&[publisher.published]) > 0 && clock.now_us() < deadline_us {
        fleet.poll(room)?;
    }
    let expected_replies = u64::from(publisher.published);
    if let Some(connection) = &publisher.connection {
        connection.await_replies(&mut publisher.replies, expected_replies)?;
    } else {
        while room.replies < expected_replies && clock.now_us() < deadline_us {
            fleet.poll(room)?;
        }
    }
    Ok(usage)
}

fn report(
    options: &BurstOptions,
    fleet: &Fleet,
    mut room: ChatRoom,
    publisher: &AnswerPublisher,
    usage: &Usage,
) -> Report {
    let mut report = Report::new("burst");
    let ledger = &room.receiver.ledger;
    let sequences = [publisher.published];
    report.add("connections", options.connections);
    report.add("published", publisher.published);
    let expected = ledger.assignment().deliveries(&sequences);
    report.add_deliveries(expected, ledger.missing(&sequences), ledger.counts);
    report.add_zero("closed", fleet.counts.closed);
    report.add_zero("unknown", fleet.counts.unknown);
    let rejected = match publisher.connection {
        Some(_) => publisher.replies.rejected,
        None => room.errors + u64::from(publisher.published).saturating_sub(room.replies),
    };
    report.add_zero("rejected", rejected);
    let timed = room.receiver.latency.len();
    report.add("timed", timed);
    report.add_latency("latency", &room.receiver.latency);
    report.add_latency("publisher_lateness", &publisher.lateness);
    usage.add_to(&mut report, timed);
    if let Some(timeline) = room.receiver.timeline.take() {
        let end_us = timeline.start_us() + u64::from(options.seconds) * 1_000_000;
        report.set_timeline(timeline.finish(end_us));
    }
    report
}

impl BurstOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.warm_up + self.seconds
    }

    fn check(&self) -> Result<(), BenchError> {
        let error = |text: &str| Err(BenchError::Arguments(text.to_owned()));
        if self.connections == 0 || self.answers == 0 || self.seconds == 0 {
            return error("--connections, --answers and --seconds: at least 1");
        }
        if self.answers as usize > self.connections {
            return error("--answers: at most as many as --connections");
        }
        if self.by == PublishedBy::Client && self.protocol != Protocol::Client {
            return error("--by client: only with --protocol client, whose commands are JSON");
        }
        Ok(())
    }
}
