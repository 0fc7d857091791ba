//! The sink of scenarios that count and time every delivery. Receiving thread.

use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink};
use crate::latency;
use crate::ledger::Ledger;
use crate::payload::Stamp;
use crate::publisher::{Published, Publisher};
use crate::timeline::Timeline;

/// How long nothing may come, with something still missing, before the run ends.
pub const SILENCE_US: u64 = 3_000_000;

/// Counts and times deliveries.
#[derive(Debug)]
pub struct Receiver {
    pub ledger: Ledger,
    /// From when a publication was due to when it was read, microseconds.
    pub latency: Histogram<u64>,
    /// What happened when, from [`Receiver::begin`] on.
    pub timeline: Option<Timeline>,
    /// Publications due earlier are counted, not timed: warm-up.
    since_us: u64,
    last_us: u64,
}

impl Sink for Receiver {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        self.ledger.note(connection, stamp);
        self.last_us = now_us;
        if stamp.due_us < self.since_us {
            return;
        }
        let latency_us = now_us.saturating_sub(stamp.due_us);
        latency::record(&mut self.latency, latency_us);
        if let Some(timeline) = &mut self.timeline {
            timeline.note(now_us, latency_us);
        }
    }
}

impl Receiver {
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            latency: latency::histogram(),
            timeline: None,
            since_us: 0,
            last_us: 0,
        }
    }

    /// Ends the warm-up: what is due from `since_us` on is timed, and nothing that was before.
    pub fn begin(&mut self, since_us: u64, timeline: Timeline) {
        self.latency.reset();
        self.timeline = Some(timeline);
        self.since_us = since_us;
    }

    /// Receives until everything that `publisher` sends has come, or nothing comes any more.
    pub fn run(
        &mut self,
        fleet: &mut Fleet,
        publisher: Publisher,
        clock: Clock,
    ) -> Result<Published, Fault> {
        while !publisher.is_done() {
            fleet.turn(self)?;
        }
        let sent = publisher.join()?;
        self.last_us = self.last_us.max(clock.now_us());
        while self.ledger.missing(&sent.sequences) > 0
            && clock.now_us().saturating_sub(self.last_us) < SILENCE_US
        {
            fleet.turn(self)?;
        }
        Ok(sent)
    }
}
