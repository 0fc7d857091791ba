//! The bytes that permessage-deflate saves: realistic feeds, single publications and bursts, to
//! plain and to compressing clients at the same time. Receiving thread, which also publishes.

mod payloads;
mod sequence;
mod table;

use std::time::Duration;

use clap::Args;

use self::payloads::Feed;
use self::sequence::ExpectedSequence;
use self::table::{CLIENT_KINDS, FeedFigures, FeedRow};
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload;
use crate::publishing::connection::PublisherConnection;
use crate::publishing::replies::ReplyCounts;
use crate::report::progress::ProgressIndicator;
use crate::report::results::Report;
use crate::targets::context::RunContext;

/// Maximum wait of one poll: short against the time between publications.
const POLL_TIMEOUT: Duration = Duration::from_millis(1);

/// Maximum time until all clients have received a publication.
const DELIVERY_TIMEOUT_US: u64 = 3_000_000;

#[derive(Clone, Debug, Args)]
pub struct FeedsOptions {
    /// Subscribers of each kind
    #[arg(long, default_value_t = 10)]
    subscribers: usize,
    /// Publications of each feed, single and again in bursts
    #[arg(long, default_value_t = 500)]
    publications: usize,
    /// Maximum number of single publications per second
    #[arg(long, default_value_t = 200)]
    rate: u64,
    /// Publications of a burst, which are sent one directly after the other
    #[arg(long, default_value_t = 20)]
    burst: usize,
    /// Maximum number of bursts per second
    #[arg(long, default_value_t = 20)]
    bursts: u64,
    #[arg(long, value_enum, default_value_t = Protocol::Client)]
    protocol: Protocol,
}

/// How publications arrive: `size` at a time, at most every `period_us`, and only after all clients
/// have received the previous ones.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    size: usize,
    period_us: u64,
}

pub fn run(context: &RunContext, options: &FeedsOptions) -> Result<Report, BenchError> {
    let arrivals = options.arrivals()?;
    let clock = Clock::new();
    let mut fleets = [
        open(context, clock, options, false)?,
        open(context, clock, options, true)?,
    ];
    let connection = context.connect_publisher()?;
    let mut replies = ReplyCounts::default();
    let mut rows = Vec::new();
    let publications = options.publications;
    let _indicator = ProgressIndicator::start("feeds", options.duration_s());
    let mut topic = 0;
    for feed in Feed::ALL {
        let mut figures = [[FeedFigures::default(); 2]; 2];
        let mut payload_bytes = 0;
        for (arrival, figures) in arrivals.into_iter().zip(&mut figures) {
            let at_ms = |nth: usize| (nth / arrival.size) as u64 * arrival.period_us / 1000;
            let payloads = feed.payloads(publications, at_ms, context.options.seed);
            payload_bytes = payloads.iter().map(Vec::len).sum();
            let mut publisher = FeedPublisher {
                connection: &connection,
                replies: &mut replies,
                clock,
                topic,
            };
            *figures = publisher.measure(&mut fleets, &payloads, arrival)?;
            topic += 1;
        }
        rows.push(FeedRow {
            feed,
            payload_bytes: payload_bytes as f64 / publications as f64,
            figures,
        });
    }
    let sent = Feed::ALL.len() * arrivals.len() * publications;
    connection.await_replies(&mut replies, sent as u64)?;
    Ok(report(options, &fleets, &rows, replies.rejected))
}

fn report(options: &FeedsOptions, fleets: &[Fleet; 2], rows: &[FeedRow], rejected: u64) -> Report {
    let mut report = Report::new("feeds");
    report.add("subscribers_of_each_kind", options.subscribers);
    report.add("publications_of_each_feed", options.publications);
    for row in rows {
        row.add_to(&mut report);
    }
    report.add_zero("rejected", rejected);
    for (fleet, kind) in fleets.iter().zip(CLIENT_KINDS) {
        report.add_zero(&format!("{kind}_closed"), fleet.counts.closed);
        report.add_zero(&format!("{kind}_unknown"), fleet.counts.unknown);
    }
    let deflated = fleets[1].counts.deflated;
    report.add("deflate_messages_compressed", deflated);
    report.check(deflated > 0, || "the server compressed no message".into());
    report.add_note(table::markdown(rows, options.burst));
    report
}

/// Opens the clients of one kind, subscribed to the topics of all feeds.
fn open(
    context: &RunContext,
    clock: Clock,
    options: &FeedsOptions,
    deflate: bool,
) -> Result<Fleet, BenchError> {
    let mut fleet = Fleet::new(context, clock, payload::SMALLEST)?;
    fleet.set_poll_timeout(POLL_TIMEOUT);
    fleet.set_deflate(deflate);
    for _ in 0..options.subscribers {
        let topics = (0..2 * Feed::ALL.len() as u32).collect();
        fleet.add(ConnectionPlan::new(options.protocol, topics));
    }
    fleet.open_all()?;
    Ok(fleet)
}

/// Publishes to one topic.
struct FeedPublisher<'a> {
    connection: &'a PublisherConnection,
    replies: &'a mut ReplyCounts,
    clock: Clock,
    topic: u32,
}

impl FeedPublisher<'_> {
    /// Publishes and receives the deliveries to both kinds of clients.
    fn measure(
        &mut self,
        fleets: &mut [Fleet; 2],
        payloads: &[Vec<u8>],
        arrival: Arrival,
    ) -> Result<[FeedFigures; 2], BenchError> {
        let clock = self.clock;
        let before = [0, 1].map(|kind| fleets[kind].counts);
        let mut expected = [0, 1].map(|kind| ExpectedSequence::new(payloads, fleets[kind].len()));
        let topic = payload::topic_name(self.topic);
        let mut published = 0;
        for burst in payloads.chunks(arrival.size) {
            let sent_us = clock.now_us();
            for payload in burst {
                self.connection.send(topic.as_bytes(), payload)?;
            }
            self.connection.receive_replies(self.replies, 0)?;
            published += burst.len();
            // The next burst waits until all clients have received this one: otherwise two bursts
            // might share a message. A missing delivery ends the feed, and the publications that
            // were not sent count as missing too.
            let is_complete = |expected: &[ExpectedSequence<'_>; 2]| {
                expected.iter().all(|each| each.has_received(published))
            };
            let deadline_us = sent_us + DELIVERY_TIMEOUT_US;
            while clock.now_us() < sent_us + arrival.period_us
                || !is_complete(&expected) && clock.now_us() < deadline_us
            {
                for (fleet, sink) in fleets.iter_mut().zip(&mut expected) {
                    fleet.poll(sink)?;
                }
            }
            if !is_complete(&expected) {
                break;
            }
        }
        Ok([0, 1].map(|kind| {
            let (sequence, counts) = (&expected[kind], fleets[kind].counts);
            let received = sequence.received().max(1) as f64;
            let bytes = counts.received_bytes - before[kind].received_bytes;
            let messages = counts.messages - before[kind].messages;
            FeedFigures {
                wire_bytes: bytes as f64 / received,
                publications_per_message: received / messages.max(1) as f64,
                missing: sequence.missing() + sequence.stamped,
            }
        }))
    }
}

impl FeedsOptions {
    /// Returns the planned duration of a run in seconds.
    pub fn duration_s(&self) -> u32 {
        let duration_us =
            |arrival: Arrival| self.publications.div_ceil(arrival.size) as u64 * arrival.period_us;
        let arrivals = self.arrivals().into_iter().flatten();
        let feed_us: u64 = arrivals.map(duration_us).sum();
        (feed_us * Feed::ALL.len() as u64).div_ceil(1_000_000) as u32
    }

    /// Returns the two kinds of arrival. Returns an error if a number is 0.
    fn arrivals(&self) -> Result<[Arrival; 2], BenchError> {
        let counts = [self.subscribers, self.publications, self.burst];
        if counts.contains(&0) || self.rate == 0 || self.bursts == 0 {
            return Err(BenchError::Arguments(
                "feeds: every number must be at least 1".into(),
            ));
        }
        Ok([
            Arrival {
                size: 1,
                period_us: 1_000_000 / self.rate,
            },
            Arrival {
                size: self.burst,
                period_us: 1_000_000 / self.bursts,
            },
        ])
    }
}
