//! Connections that send publications as fast as possible or at a fixed rate. One thread each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::clock::Clock;
use crate::error::BenchError;
use crate::payload;
use crate::publishing::address::PublisherAddress;
use crate::publishing::zmtp::{self, PushSocket};

/// Publications in one write of a saturating sender: about 30 KiB.
const BLOCK: u64 = 256;

/// One publication for each topic as bytes for the socket. All have the same length.
#[derive(Debug)]
pub struct MessageCycle {
    bytes: Vec<u8>,
    message_len: usize,
    count: u64,
}

impl MessageCycle {
    pub fn new(topics: u32, payload_len: usize) -> Self {
        let mut bytes = Vec::new();
        let payload = payload::template(payload_len);
        for topic in 0..topics {
            zmtp::append_message(&mut bytes, payload::topic_name(topic).as_bytes(), &payload);
        }
        Self {
            message_len: bytes.len() / topics.max(1) as usize,
            bytes,
            count: u64::from(topics),
        }
    }

    /// Returns up to `wanted` publications from the `from`-th on, and their number. The end of the
    /// cycle limits the number.
    fn slice(&self, from: u64, wanted: u64) -> (&[u8], u64) {
        let first = from % self.count;
        let len = wanted.min(self.count - first);
        let at = |nth: u64| nth as usize * self.message_len;
        (&self.bytes[at(first)..at(first + len)], len)
    }
}

/// The rate of a sender.
#[derive(Clone, Copy, Debug)]
pub enum SendPace {
    /// As fast as the socket accepts data.
    Saturated,
    /// Every publication is due at a fixed time. Every `tick_us` microseconds, the publications
    /// that are due are sent together.
    Fixed { rate: u32, tick_us: u64 },
}

/// Running sending threads.
pub struct Senders {
    stop: Arc<AtomicBool>,
    handles: Vec<JoinHandle<Result<u64, BenchError>>>,
}

impl Senders {
    /// Connects `count` senders and starts a thread for each.
    pub fn start(
        address: &PublisherAddress,
        clock: Clock,
        cycle: &Arc<MessageCycle>,
        count: u32,
        pace: SendPace,
    ) -> Result<Self, BenchError> {
        let endpoint = address.zeromq();
        let publish_error = |error| BenchError::PublishTcp {
            endpoint: address.zeromq(),
            error,
        };
        let Some(host_and_port) = endpoint.strip_prefix("tcp://") else {
            return Err(publish_error(std::io::Error::other(
                "ingest publishes over tcp:// only",
            )));
        };
        let stop = Arc::new(AtomicBool::new(false));
        let mut handles = Vec::new();
        for _ in 0..count {
            let mut push = PushSocket::connect(host_and_port).map_err(publish_error)?;
            let (stop, cycle) = (Arc::clone(&stop), Arc::clone(cycle));
            let endpoint = endpoint.clone();
            let run = move || {
                let sent = send(&mut push, clock, &cycle, pace, &stop);
                sent.map_err(|error| BenchError::PublishTcp { endpoint, error })
            };
            let sender = thread::Builder::new().name("sender".into());
            handles.push(sender.spawn(run)?);
        }
        Ok(Self { stop, handles })
    }

    /// Stops the senders. Returns the number of publications that they have sent.
    pub fn join(self) -> Result<u64, BenchError> {
        self.stop.store(true, Ordering::Release);
        let mut sent = 0;
        for handle in self.handles {
            sent += handle.join().map_err(|_| BenchError::PublisherPanicked)??;
        }
        Ok(sent)
    }
}

fn send(
    push: &mut PushSocket,
    clock: Clock,
    cycle: &MessageCycle,
    pace: SendPace,
    stop: &AtomicBool,
) -> std::io::Result<u64> {
    let start_us = clock.now_us();
    let (mut sent, mut tick) = (0, 0);
    while !stop.load(Ordering::Acquire) {
        let due = match pace {
            SendPace::Saturated => sent + BLOCK,
            SendPace::Fixed { rate, tick_us } => {
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
    fn a_cycle_repeats_in_whole_messages() {
        let cycle = MessageCycle::new(3, 100);
        assert_eq!(cycle.bytes.len(), 3 * cycle.message_len);
        assert_eq!(
            cycle.slice(0, 2),
            (&cycle.bytes[..2 * cycle.message_len], 2)
        );
        assert_eq!(
            cycle.slice(5, 9),
            (&cycle.bytes[2 * cycle.message_len..], 1)
        );
        assert_eq!(cycle.slice(6, 1).0, &cycle.bytes[..cycle.message_len]);
    }
}
