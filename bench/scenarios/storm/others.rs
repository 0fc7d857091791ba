//! Other clients, which receive publications while a storm connects. A thread of its own, so that
//! they read while the receiving thread opens connections.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use hdrhistogram::Histogram;

use crate::client::assignment::TopicAssignment;
use crate::client::connection::ConnectionPlan;
use crate::client::fleet::Fleet;
use crate::client::ledger::{DeliveryCounts, Ledger};
use crate::client::receiver::SILENCE_US;
use crate::client::sink::DeliverySink;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::options::Protocol;
use crate::payload::Stamp;
use crate::publishing::publisher::{Publisher, PublishingSchedule};
use crate::report::latency;
use crate::targets::context::RunContext;

/// Bytes of a publication.
const PAYLOAD: usize = 300;

/// Clients with the same topic.
const PER_TOPIC: usize = 10;

/// The clients and the publications that they receive.
pub(super) struct OtherClients {
    pub(super) protocol: Protocol,
    /// The token of each client.
    pub(super) tokens: Vec<Option<String>>,
    /// Publications per second, each to [`PER_TOPIC`] clients.
    pub(super) rate: u32,
    pub(super) seconds: u32,
}

/// The result of the clients.
pub(super) struct OthersOutcome {
    /// Latency of the publications that were due while the storm connected.
    pub(super) latency: Histogram<u64>,
    pub(super) counts: DeliveryCounts,
    pub(super) missing: u64,
    pub(super) closed: u64,
    pub(super) unknown: u64,
}

/// The time in which the storm connects. The receiving thread sets it.
pub(super) struct StormWindow {
    start_us: AtomicU64,
    end_us: AtomicU64,
}

impl StormWindow {
    /// Creates a window that contains no time.
    pub(super) fn new() -> Self {
        Self {
            start_us: AtomicU64::new(u64::MAX),
            end_us: AtomicU64::new(u64::MAX),
        }
    }

    pub(super) fn start(&self, now_us: u64) {
        self.start_us.store(now_us, Ordering::Release);
    }

    pub(super) fn end(&self, now_us: u64) {
        self.end_us.store(now_us, Ordering::Release);
    }

    fn contains(&self, time_us: u64) -> bool {
        let start_us = self.start_us.load(Ordering::Acquire);
        (start_us..self.end_us.load(Ordering::Acquire)).contains(&time_us)
    }
}

/// Counts all deliveries, and times those of the window.
struct WindowedReceiver<'a> {
    window: &'a StormWindow,
    ledger: Ledger,
    latency: Histogram<u64>,
    last_delivery_us: u64,
}

impl DeliverySink for WindowedReceiver<'_> {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        self.ledger.record(connection, stamp);
        self.last_delivery_us = now_us;
        if self.window.contains(stamp.due_us) {
            let latency_us = now_us.saturating_sub(stamp.due_us);
            latency::record(&mut self.latency, latency_us);
        }
    }
}

impl OtherClients {
    /// Opens the connections, starts to publish, sends to `ready`, and receives until every
    /// publication has been delivered or no delivery has been received for [`SILENCE_US`].
    pub(super) fn run(
        self,
        context: &RunContext,
        clock: Clock,
        window: &StormWindow,
        ready: &Sender<()>,
    ) -> Result<OthersOutcome, BenchError> {
        let connections = self.tokens.len();
        let topics = connections.div_ceil(PER_TOPIC).max(1) as u32;
        let assignment = TopicAssignment::new(connections, topics, 1, context.options.seed);
        let mut fleet = Fleet::new(context, clock, PAYLOAD)?;
        for (connection, token) in self.tokens.into_iter().enumerate() {
            let plan = ConnectionPlan::new(self.protocol, assignment.topics(connection).to_vec());
            fleet.add(ConnectionPlan { token, ..plan });
        }
        fleet.open_all()?;
        let schedule = PublishingSchedule {
            rate: self.rate,
            seconds: self.seconds,
            warm_up: 0,
            payload: PAYLOAD,
            body: context.options.body,
            sequences: vec![0; topics as usize],
        };
        let mut receiver = WindowedReceiver {
            window,
            ledger: Ledger::new(assignment),
            latency: latency::histogram(),
            last_delivery_us: 0,
        };
        let publisher = Publisher::start(context, clock, schedule)?;
        // The receiving thread waits for this unless it has failed, and then nothing depends on it.
        let _ = ready.send(());
        while !publisher.is_done() {
            fleet.poll(&mut receiver)?;
        }
        let sent = publisher.join()?;
        receiver.last_delivery_us = receiver.last_delivery_us.max(clock.now_us());
        while receiver.ledger.missing(&sent.sequences) > 0
            && clock.now_us().saturating_sub(receiver.last_delivery_us) < SILENCE_US
        {
            fleet.poll(&mut receiver)?;
        }
        Ok(OthersOutcome {
            missing: receiver.ledger.missing(&sent.sequences),
            counts: receiver.ledger.counts,
            latency: receiver.latency,
            closed: fleet.counts.closed,
            unknown: fleet.counts.unknown,
        })
    }
}
