//! The answers of the members: when each is due, and how it is published. Receiving thread.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::room::ChatRoom;
use crate::client::fleet::Fleet;
use crate::clock::Clock;
use crate::error::BenchError;
use crate::payload::{self, Stamp};
use crate::publishing::connection::PublisherConnection;
use crate::publishing::replies::ReplyCounts;
use crate::report::latency;

/// Maximum wait of one poll while no answer is due.
const POLL_TIMEOUT_US: u64 = 5000;

/// Waits are exact only to a millisecond. An answer that is due within this time is waited for by
/// polling without a timeout.
const SPIN_US: u64 = 2000;

/// Publishes the answers.
pub struct AnswerPublisher {
    pub clock: Clock,
    pub template: Vec<u8>,
    /// `None` if the members publish through their own connections.
    pub connection: Option<PublisherConnection>,
    pub replies: ReplyCounts,
    /// The connections in the order in which they answer.
    pub order: Vec<usize>,
    pub published: u32,
    pub lateness: Histogram<u64>,
}

impl AnswerPublisher {
    /// Publishes each answer when it is due, and receives in the meantime, until `end_us`.
    pub fn run(
        &mut self,
        fleet: &mut Fleet,
        room: &mut ChatRoom,
        due_us: &[u64],
        end_us: u64,
    ) -> Result<(), BenchError> {
        for &time_us in due_us {
            self.receive_until(fleet, room, time_us)?;
            self.publish(fleet, time_us)?;
        }
        self.receive_until(fleet, room, end_us)
    }

    fn receive_until(
        &self,
        fleet: &mut Fleet,
        room: &mut ChatRoom,
        time_us: u64,
    ) -> Result<(), BenchError> {
        while self.clock.now_us() < time_us {
            let left_us = time_us.saturating_sub(self.clock.now_us());
            let timeout_us = left_us.saturating_sub(SPIN_US).min(POLL_TIMEOUT_US);
            fleet.set_poll_timeout(Duration::from_micros(timeout_us));
            fleet.poll(room)?;
        }
        Ok(())
    }

    fn publish(&mut self, fleet: &mut Fleet, due_us: u64) -> Result<(), BenchError> {
        let member = self.order[self.published as usize % self.order.len()];
        self.published += 1;
        let sequence = self.published;
        let stamp = Stamp {
            topic: 0,
            sequence,
            due_us,
        };
        payload::stamp(&mut self.template, stamp);
        let topic = payload::topic_name(0);
        if let Some(connection) = &self.connection {
            connection.send(topic.as_bytes(), &self.template)?;
            connection.receive_replies(&mut self.replies, 0)?;
        } else {
            // The connect and the subscribe have used the lower command IDs.
            let id = u64::from(sequence) + 10;
            let data = String::from_utf8_lossy(&self.template);
            let command =
                format!(r#"{{"id":{id},"publish":{{"channel":"{topic}","data":{data}}}}}"#);
            fleet.send(member, &command)?;
        }
        let late_us = self.clock.now_us().saturating_sub(due_us);
        latency::record(&mut self.lateness, late_us);
        Ok(())
    }
}

/// Returns `count` random times from `start_us` on within `span_us`, in order.
pub fn random_times(
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
        let times = random_times(&mut fastrand::Rng::with_seed(1), 500, 7, 10_000_000);
        assert!(times.is_sorted() && times.len() == 500);
        assert!(times[0] >= 7 && times[499] < 10_000_007);
        let first_half = times.iter().filter(|&&time_us| time_us < 5_000_000).count();
        assert!((200..300).contains(&first_half));
    }
}
