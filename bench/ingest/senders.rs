//! Connections that send publications as fast as they can, or at a rate. A thread for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::arguments::Common;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::payload;
use crate::zmtp::{self, Push};

/// Publications in one write of a sender that does not pace itself: some 30 KiB.
const BLOCK: u64 = 256;

/// The publications, one for each topic, as bytes for the socket; all of one length.
#[derive(Debug)]
pub struct Cycle {
    bytes: Vec<u8>,
    each: usize,
    count: u64,
}

impl Cycle {
    pub fn new(topics: u32, payload_len: usize) -> Self {
        let mut bytes = Vec::new();
        let payload = payload::template(payload_len);
        for topic in 0..topics {
            zmtp::message(&mut bytes, payload::topic_name(topic).as_bytes(), &payload);
        }
        Self {
            each: bytes.len() / topics.max(1) as usize,
            bytes,
            count: u64::from(topics),
        }
    }

    /// From the `from`-th publication on, up to `wanted` of them: where the cycle ends, fewer.
    fn slice(&self, from: u64, wanted: u64) -> (&[u8], u64) {
        let first = from % self.count;
        let len = wanted.min(self.count - first);
        let at = |nth: u64| nth as usize * self.each;
        (&self.bytes[at(first)..at(first + len)], len)
    }
}

/// How a sender paces itself.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    Saturated,
    /// Publication n is due at a fixed time; those due are sent together, every `tick_us`.
    Fixed {
        rate: u32,
        tick_us: u64,
    },
}

/// Sending threads.
pub struct Senders {
    stop: Arc<AtomicBool>,
    handles: Vec<JoinHandle<Result<u64, Fault>>>,
}

impl Senders {
    pub fn start(
        common: &Common,
        clock: Clock,
        cycle: &Arc<Cycle>,
        count: u32,
        pace: Pace,
    ) -> Result<Self, Fault> {
        let endpoint = common.endpoint();
        let fault = |error| Fault::PublishStream {
            endpoint: common.endpoint(),
            error,
        };
        let Some(address) = endpoint.strip_prefix("tcp://") else {
            return Err(fault(std::io::Error::other(
                "ingest sends over tcp:// only",
            )));
        };
        let stop = Arc::new(AtomicBool::new(false));
        let mut handles = Vec::new();
        for _ in 0..count {
            let mut push = Push::connect(address).map_err(fault)?;
            let (stop, cycle) = (Arc::clone(&stop), Arc::clone(cycle));
            let endpoint = endpoint.clone();
            let run = move || {
                let sent = send(&mut push, clock, &cycle, pace, &stop);
                sent.map_err(|error| Fault::PublishStream { endpoint, error })
            };
            let sender = thread::Builder::new().name("sender".into());
            handles.push(sender.spawn(run)?);
        }
        Ok(Self { stop, handles })
    }

    /// Ends them. Returns how many publications they have sent.
    pub fn join(self) -> Result<u64, Fault> {
        self.stop.store(true, Ordering::Release);
        let mut sent = 0;
        for handle in self.handles {
            sent += handle.join().map_err(|_| Fault::Publisher)??;
        }
        Ok(sent)
    }
}

fn send(
    push: &mut Push,
    clock: Clock,
    cycle: &Cycle,
    pace: Pace,
    stop: &AtomicBool,
) -> std::io::Result<u64> {
    let start_us = clock.now_us();
    let (mut sent, mut tick) = (0, 0);
    while !stop.load(Ordering::Acquire) {
        let due = match pace {
            Pace::Saturated => sent + BLOCK,
            Pace::Fixed { rate, tick_us } => {
                tick += 1;
                clock.sleep_until(start_us + tick * tick_us);
                (clock.now_us() - start_us) * u64::from(rate) / 1_000_000
            }
        };
        while sent < due {
            let (bytes, len) = cycle.slice(sent, due - sent);
            push.send(bytes)?;
            sent += len;
        }
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_goes_round_in_whole_messages() {
        let cycle = Cycle::new(3, 100);
        assert_eq!(cycle.bytes.len(), 3 * cycle.each);
        assert_eq!(cycle.slice(0, 2), (&cycle.bytes[..2 * cycle.each], 2));
        assert_eq!(cycle.slice(5, 9), (&cycle.bytes[2 * cycle.each..], 1));
        assert_eq!(cycle.slice(6, 1).0, &cycle.bytes[..cycle.each]);
    }
}
