//! The answers of a burst: when each is due, and publishing it then. Receiving thread.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Room;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::latency;
use crate::line::{Line, Replies};
use crate::payload::{self, Stamp};

/// The longest a turn waits while nothing is due.
const TURN_US: u64 = 5000;

/// Waits are exact to a millisecond only: what is due within two is waited for by turning.
const SPIN_US: u64 = 2000;

/// Who answers when, and how.
pub(super) struct Answers {
    pub(super) clock: Clock,
    pub(super) template: Vec<u8>,
    /// `None`: the connections themselves publish.
    pub(super) line: Option<Line>,
    pub(super) replies: Replies,
    /// Connections in the order in which they answer.
    pub(super) order: Vec<usize>,
    pub(super) published: u32,
    pub(super) lateness: Histogram<u64>,
}

impl Answers {
    fn publish(&mut self, fleet: &mut Fleet, due_us: u64) -> Result<(), Fault> {
        let connection = self.order[self.published as usize % self.order.len()];
        self.published += 1;
        let sequence = self.published;
        let stamp = Stamp {
            topic: 0,
            sequence,
            due_us,
        };
        payload::stamp(&mut self.template, stamp);
        let topic = payload::topic_name(0);
        if let Some(line) = &self.line {
            line.send(topic.as_bytes(), &self.template)?;
            line.take_replies(&mut self.replies, 0)?;
        } else {
            // Ids below were taken by connect and subscribe.
            let id = u64::from(sequence) + 10;
            let data = String::from_utf8_lossy(&self.template);
            let command =
                format!(r#"{{"id":{id},"publish":{{"channel":"{topic}","data":{data}}}}}"#);
            fleet.send(connection, &command)?;
        }
        let late_us = self.clock.now_us().saturating_sub(due_us);
        latency::record(&mut self.lateness, late_us);
        Ok(())
    }

    /// Publishes each answer when it is due, and receives meanwhile, until `until_us`.
    pub(super) fn play(
        &mut self,
        fleet: &mut Fleet,
        room: &mut Room,
        due_us: &[u64],
        until_us: u64,
    ) -> Result<(), Fault> {
        for &time_us in due_us.iter().chain([&until_us]) {
            while self.clock.now_us() < time_us {
                let left_us = time_us.saturating_sub(self.clock.now_us());
                let wait_us = left_us.saturating_sub(SPIN_US).min(TURN_US);
                fleet.set_turn(Duration::from_micros(wait_us));
                fleet.turn(room)?;
            }
            if time_us < until_us {
                self.publish(fleet, time_us)?;
            }
        }
        Ok(())
    }
}

/// `count` times from `start_us` on within `span_us`, in order.
pub(super) fn times(
    random: &mut fastrand::Rng,
    count: u32,
    start_us: u64,
    span_us: u64,
) -> Vec<u64> {
    let mut times: Vec<_> = (0..count)
        .map(|_| start_us + random.u64(..span_us.max(1)))
        .collect();
    times.sort_unstable();
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_due_in_order_within_the_time() {
        let times = times(&mut fastrand::Rng::with_seed(1), 500, 7, 10_000_000);
        assert!(times.is_sorted() && times.len() == 500);
        assert!(times[0] >= 7 && times[499] < 10_000_007);
        let first_half = times.iter().filter(|&&time_us| time_us < 5_000_000).count();
        assert!((200..300).contains(&first_half));
    }
}
