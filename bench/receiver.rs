//! The sink of scenarios that count and time every delivery. Receiving thread.

use hdrhistogram::Histogram;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::fleet::{Fleet, Sink};
use crate::latency;
use crate::ledger::Ledger;
use crate::payload::Stamp;
use crate::publisher::{Published, Publisher};

/// How long nothing may come, with something still missing, before the run ends.
const SILENCE_US: u64 = 3_000_000;

/// Counts and times deliveries.
#[derive(Debug)]
pub struct Receiver {
    pub ledger: Ledger,
    /// From when a publication was due to when it was read, microseconds.
    pub latency: Histogram<u64>,
    last_us: u64,
}

impl Sink for Receiver {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        self.ledger.note(connection, stamp);
        latency::record(&mut self.latency, now_us.saturating_sub(stamp.due_us));
        self.last_us = now_us;
    }
}

impl Receiver {
    pub fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            latency: latency::histogram(),
            last_us: 0,
        }
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
