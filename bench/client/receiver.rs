//! The sink of scenarios that count and time every delivery. Receiving thread.

use hdrhistogram::Histogram;

use crate::client::fleet::Fleet;
use crate::client::ledger::Ledger;
use crate::client::sink::DeliverySink;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::payload::Stamp;
use crate::publishing::publisher::{Published, Publisher};
use crate::report::latency;
use crate::report::timeline::Timeline;

/// Time without any delivery after which a run ends although deliveries are missing.
pub const SILENCE_US: u64 = 3_000_000;

/// Counts and times deliveries.
#[derive(Debug)]
pub struct Receiver {
    pub ledger: Ledger,
    /// Microseconds from the time at which a publication was due to the time at which it was read.
    pub latency: Histogram<u64>,
    /// Deliveries over time, from [`Receiver::end_warm_up`] on.
    pub timeline: Option<Timeline>,
    /// Publications that were due earlier belong to the warm-up: they are counted and not timed.
    timed_from_us: u64,
    last_delivery_us: u64,
}

impl DeliverySink for Receiver {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        self.ledger.record(connection, stamp);
        self.last_delivery_us = now_us;
        if stamp.due_us < self.timed_from_us {
            return;
        }
        let latency_us = now_us.saturating_sub(stamp.due_us);
        latency::record(&mut self.latency, latency_us);
        if let Some(timeline) = &mut self.timeline {
            timeline.record(now_us, latency_us);
        }
    }
}

impl Receiver {
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            latency: latency::histogram(),
            timeline: None,
            timed_from_us: 0,
            last_delivery_us: 0,
        }
    }

    /// Ends the warm-up: publications that are due at `from_us` or later are timed, and earlier
    /// latencies are discarded.
    pub fn end_warm_up(&mut self, from_us: u64, timeline: Timeline) {
        self.latency.reset();
        self.timeline = Some(timeline);
        self.timed_from_us = from_us;
    }

    /// Receives until every publication of `publisher` has been delivered, or until no delivery
    /// has been received for [`SILENCE_US`].
    pub fn run(
        &mut self,
        fleet: &mut Fleet,
        publisher: Publisher,
        clock: Clock,
    ) -> Result<Published, BenchError> {
        while !publisher.is_done() {
            fleet.poll(self)?;
        }
        let sent = publisher.join()?;
        self.last_delivery_us = self.last_delivery_us.max(clock.now_us());
        while self.ledger.missing(&sent.sequences) > 0
            && clock.now_us().saturating_sub(self.last_delivery_us) < SILENCE_US
        {
            fleet.poll(self)?;
        }
        Ok(sent)
    }
}
