//! One topic to all connections, as fast as the server can. A closed loop: the number of
//! publications in flight is bounded, so nothing is dropped and the server always has work. The
//! receiving thread also publishes, because publishing takes about a thousandth of the work of
//! receiving.

use clap::{Args, ValueEnum};

use crate::client::assignment::TopicAssignment;
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::client::ledger::{DeliveryCounts, Ledger};
use crate::client::receiver::{Receiver, SILENCE_US};
use crate::client::sink::{DeliverySink, Examination};
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload::{self, Stamp};
use crate::publishing::connection::PublisherConnection;
use crate::publishing::replies::ReplyCounts;
use crate::report::progress::ProgressIndicator;
use crate::report::results::{Bound, Report};
use crate::report::timeline::Timeline;
use crate::report::usage::{Usage, UsageMeter};
use crate::targets::context::RunContext;

/// A server that uses a smaller share of its core is not saturated, so the throughput is not the
/// server's maximum.
const SATURATED_PERCENT: f64 = 95.0;

#[derive(Clone, Debug, Args)]
pub struct BroadcastOptions {
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Bytes of a publication
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// Maximum number of publications that the slowest subscriber may be behind; with their
    /// frames they must fit into the server's `ws.outbox`
    #[arg(long, default_value_t = 256)]
    window: u32,
    /// Seconds before the measured time
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Seconds of the measured time
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    #[arg(long, value_enum, default_value_t = Protocol::Raw)]
    protocol: Protocol,
    /// Which deliveries are checked by sequence number
    #[arg(long, value_enum, default_value_t = SequenceCheck::Full)]
    check: SequenceCheck,
    /// Minimum number of deliveries per second
    #[arg(long, default_value_t = 5_500_000)]
    at_least: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SequenceCheck {
    /// All deliveries
    Full,
    /// The deliveries on every 20th connection; on the others payloads are counted by length
    Sampled,
}

impl SequenceCheck {
    /// Returns n if the deliveries on every n-th connection are checked by sequence number.
    fn every(self) -> usize {
        match self {
            Self::Full => 1,
            Self::Sampled => 20,
        }
    }
}

/// The sink of all subscribers.
struct Subscribers {
    receiver: Receiver,
    /// Number of deliveries on each connection.
    received: Vec<u32>,
    /// Deliveries are checked by sequence number on one connection in this number.
    checked_every: usize,
}

impl DeliverySink for Subscribers {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        self.received[connection] += 1;
        self.receiver.delivery(connection, stamp, now_us);
    }

    fn examine(&mut self, connection: usize, now_us: u64) -> Examination {
        if self.is_checked(connection) {
            return Examination::Stamp;
        }
        self.received[connection] += 1;
        if let Some(timeline) = &mut self.receiver.timeline {
            timeline.count(now_us);
        }
        Examination::LengthOnly
    }
}

impl Subscribers {
    fn new(count: usize, check: SequenceCheck) -> Self {
        let assignment = TopicAssignment::single_topic(count);
        Self {
            receiver: Receiver::new(Ledger::new(assignment)),
            received: vec![0; count],
            checked_every: check.every(),
        }
    }

    fn is_checked(&self, connection: usize) -> bool {
        connection.is_multiple_of(self.checked_every)
    }

    /// Returns the number of deliveries to the slowest subscriber.
    fn slowest(&self) -> u32 {
        self.received.iter().copied().min().unwrap_or(0)
    }

    fn deliveries(&self) -> u64 {
        self.received.iter().map(|&count| u64::from(count)).sum()
    }

    /// Returns the counts after `published` publications, and the number of missing deliveries.
    /// On connections that are counted by length, surplus deliveries count as duplicates.
    fn counts(&self, published: u32) -> (DeliveryCounts, u64) {
        let mut counts = self.receiver.ledger.counts;
        for (connection, &received) in self.received.iter().enumerate() {
            if !self.is_checked(connection) {
                counts.received += u64::from(received.min(published));
                counts.duplicate += u64::from(received.saturating_sub(published));
            }
        }
        let expected = self.receiver.ledger.assignment().deliveries(&[published]);
        (counts, expected.saturating_sub(counts.received))
    }
}

/// Publishes as many publications as the window allows.
struct WindowPublisher {
    connection: PublisherConnection,
    clock: Clock,
    template: Vec<u8>,
    topic: String,
    window: u32,
    published: u32,
    replies: ReplyCounts,
}

impl WindowPublisher {
    /// Publishes until the slowest subscriber is a whole window behind.
    fn fill(&mut self, slowest: u32) -> Result<(), BenchError> {
        while self.published < slowest.saturating_add(self.window) {
            self.published += 1;
            let stamp = Stamp {
                topic: 0,
                sequence: self.published,
                due_us: self.clock.now_us(),
            };
            payload::stamp(&mut self.template, stamp);
            self.connection
                .send(self.topic.as_bytes(), &self.template)?;
            self.connection.receive_replies(&mut self.replies, 0)?;
        }
        Ok(())
    }
}

/// The measurements after the warm-up.
struct Throughput {
    deliveries: u64,
    elapsed_s: f64,
    usage: Usage,
}

impl BroadcastOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        self.warm_up + self.seconds
    }
}

pub fn run(context: &RunContext, options: &BroadcastOptions) -> Result<Report, BenchError> {
    if options.subscribers == 0 || options.window == 0 || options.seconds == 0 {
        let text = "--subscribers, --window and --seconds: at least 1";
        return Err(BenchError::Arguments(text.into()));
    }
    let clock = Clock::new();
    let mut fleet = Fleet::new(context, clock, options.payload)?;
    for _ in 0..options.subscribers {
        fleet.add(ConnectionPlan::new(options.protocol, vec![0]));
    }
    fleet.open_all()?;
    let mut subscribers = Subscribers::new(options.subscribers, options.check);
    let mut publisher = WindowPublisher {
        connection: context.connect_publisher()?,
        clock,
        template: payload::template(options.payload),
        topic: payload::topic_name(0),
        window: options.window,
        published: 0,
        replies: ReplyCounts::default(),
    };
    let throughput = measure(
        context,
        options,
        &mut fleet,
        &mut subscribers,
        &mut publisher,
    )?;
    let mut report = report(options, &fleet, &subscribers, &publisher, &throughput);
    if let Some(timeline) = subscribers.receiver.timeline.take() {
        let end_us = timeline.start_us() + u64::from(options.seconds) * 1_000_000;
        report.set_timeline(timeline.finish(end_us));
    }
    Ok(report)
}

/// Runs the warm-up and the measured time, and receives the rest of the publications.
fn measure(
    context: &RunContext,
    options: &BroadcastOptions,
    fleet: &mut Fleet,
    subscribers: &mut Subscribers,
    publisher: &mut WindowPublisher,
) -> Result<Throughput, BenchError> {
    let clock = publisher.clock;
    let _indicator = ProgressIndicator::start("broadcast", options.duration_s());
    let warm_up_end_us = clock.now_us() + u64::from(options.warm_up) * 1_000_000;
    publish_until(warm_up_end_us, fleet, subscribers, publisher)?;

    let meter = UsageMeter::start(context.server)?;
    let (before, start_us) = (subscribers.deliveries(), clock.now_us());
    let timeline = Timeline::start(context.server, start_us);
    subscribers.receiver.end_warm_up(start_us, timeline);
    let end_us = start_us + u64::from(options.seconds) * 1_000_000;
    publish_until(end_us, fleet, subscribers, publisher)?;
    let throughput = Throughput {
        deliveries: subscribers.deliveries() - before,
        elapsed_s: (clock.now_us() - start_us) as f64 / 1e6,
        usage: meter.finish()?,
    };

    let (mut deliveries, mut progress_us) = (subscribers.deliveries(), clock.now_us());
    while subscribers.slowest() < publisher.published && clock.now_us() - progress_us < SILENCE_US {
        fleet.poll(subscribers)?;
        if subscribers.deliveries() > deliveries {
            (deliveries, progress_us) = (subscribers.deliveries(), clock.now_us());
        }
    }
    let expected_replies = u64::from(publisher.published);
    publisher
        .connection
        .await_replies(&mut publisher.replies, expected_replies)?;
    Ok(throughput)
}

fn publish_until(
    time_us: u64,
    fleet: &mut Fleet,
    subscribers: &mut Subscribers,
    publisher: &mut WindowPublisher,
) -> Result<(), BenchError> {
    while publisher.clock.now_us() < time_us {
        publisher.fill(subscribers.slowest())?;
        fleet.poll(subscribers)?;
    }
    Ok(())
}

fn report(
    options: &BroadcastOptions,
    fleet: &Fleet,
    subscribers: &Subscribers,
    publisher: &WindowPublisher,
    throughput: &Throughput,
) -> Report {
    let mut report = Report::new("broadcast");
    report.add("subscribers", options.subscribers);
    report.add("published", publisher.published);
    let (counts, missing) = subscribers.counts(publisher.published);
    let ledger = &subscribers.receiver.ledger;
    let expected = ledger.assignment().deliveries(&[publisher.published]);
    report.add_deliveries(expected, missing, counts);
    let checked = options.subscribers.div_ceil(subscribers.checked_every);
    report.add("subscribers_checked_by_sequence", checked);
    report.add_zero("closed", fleet.counts.closed);
    report.add_zero("unknown", fleet.counts.unknown);
    report.add_zero("rejected", publisher.replies.rejected);
    let per_second = throughput.deliveries as f64 / throughput.elapsed_s;
    report.add_decimal("deliveries_per_second", per_second);
    // This time depends on the window. It is not the latency of a service.
    report.add_latency("in_flight", &subscribers.receiver.latency);
    report.add_decimal("generator_cpu_percent", throughput.usage.generator.percent);
    if let Some(server) = throughput.usage.server {
        report.add_decimal("server_cpu_percent", server.percent);
        let per_delivery_ns = server.spent_us as f64 * 1e3 / throughput.deliveries.max(1) as f64;
        report.add_decimal("server_cpu_ns_per_delivery", per_delivery_ns);
        if server.percent < SATURATED_PERCENT {
            report.add_note(format!(
                "  the server used {:.0} % of a core: the load generator was the limit",
                server.percent
            ));
        }
    }
    let least = Bound::AtLeast(options.at_least as f64);
    report.check_bound("deliveries_per_second", per_second, least);
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers 100 publications to 40 subscribers, two of which are checked by sequence number.
    /// Publication 50 is lost on connection `lost` and sent twice on connection `duplicated`.
    fn run(lost: Option<usize>, duplicated: Option<usize>) -> (DeliveryCounts, u64, u32) {
        let mut subscribers = Subscribers::new(40, SequenceCheck::Sampled);
        for sequence in 1..=100 {
            for connection in 0..40 {
                let times = match sequence {
                    50 if lost == Some(connection) => 0,
                    50 if duplicated == Some(connection) => 2,
                    _ => 1,
                };
                for _ in 0..times {
                    let stamp = Stamp {
                        topic: 0,
                        sequence,
                        due_us: 0,
                    };
                    if subscribers.examine(connection, 0) == Examination::Stamp {
                        subscribers.delivery(connection, stamp, 0);
                    }
                }
            }
        }
        let (counts, missing) = subscribers.counts(100);
        (counts, missing, subscribers.slowest())
    }

    #[test]
    fn losses_and_duplicates_are_detected_on_both_kinds_of_connections() {
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
