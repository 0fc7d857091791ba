//! Bounds the memory that libzmq holds: finds publishers that send a message without end, and
//! returns memory to the kernel after a peak. Ingest thread.

use std::os::fd::RawFd;
use std::time::Duration;

use crate::limits::{
    CONNECTION_REVIEW, CONNECTION_REVIEW_EACH, CONNECTION_REVIEW_SLICE, HEAP_BYTES,
    HEARTBEAT_BYTES_PER_SECOND, MESSAGE_SLACK_BYTES, OBSERVED_CONNECTION_REVIEW,
    SCARCE_MESSAGE_SLACK_BYTES,
};

use super::connections::{Activity, Connections, ReviewBounds};
use super::handler::MessageHandler;
use super::heap::HeapTrim;
use super::sockets::Receiver;
use super::system;

/// The reviews of all sockets that receive publications.
#[derive(Default)]
pub(super) struct MemoryReview {
    heap: HeapTrim,
    heartbeats: HeartbeatAllowance,
    /// Payload bytes of the publications that were accepted before the last review.
    accepted_bytes: u64,
    /// When the next review is due, if there are connections.
    next_us: u64,
    /// The review that has begun and is not finished.
    current: Option<Review>,
}

/// A review of all connections. Each round does a slice of it.
struct Review {
    bounds: ReviewBounds,
    begun_us: u64,
    /// The index of the receiver whose connections are reviewed.
    receiver: usize,
    /// The last connection of that receiver that was reviewed.
    after: Option<RawFd>,
    activity: Activity,
}

impl Review {
    /// Reviews up to `most` connections. Returns whether no connection is left.
    fn advance(&mut self, receivers: &mut [Receiver], most: usize) -> bool {
        let mut left = most;
        while let Some(receiver) = receivers.get_mut(self.receiver) {
            let reviewed = receiver.connections.review(self.after, left, self.bounds);
            self.activity = self.activity.max(reviewed.activity);
            left -= reviewed.count;
            if left == 0 {
                self.after = reviewed.last.or(self.after);
                return false;
            }
            self.receiver += 1;
            self.after = None;
        }
        true
    }
}

impl MemoryReview {
    /// Notes that a publisher has left.
    pub(super) fn note_departure(&mut self, now_us: u64) {
        self.heap.note_departure(now_us);
    }

    /// Reviews a slice of the connections of all sockets, if a review is due.
    pub(super) fn advance(
        &mut self,
        receivers: &mut [Receiver],
        handler: &MessageHandler,
        now_us: u64,
    ) {
        if self.current.is_none() && now_us < self.next_us {
            return;
        }
        let begin = || Review {
            bounds: ReviewBounds {
                message_bytes: (handler.max_payload() + message_slack_bytes(receivers)) as u64,
                heartbeat_bytes: self.heartbeats.take(now_us),
            },
            begun_us: now_us,
            receiver: 0,
            after: None,
            activity: Activity::Calm,
        };
        let mut review = self.current.take().unwrap_or_else(begin);
        if review.advance(receivers, CONNECTION_REVIEW_SLICE) {
            self.finish(&review, receivers, handler, now_us);
        } else {
            self.current = Some(review);
        }
    }

    /// Ends a review: returns memory if it is time to, and schedules the next review.
    fn finish(
        &mut self,
        review: &Review,
        receivers: &mut [Receiver],
        handler: &MessageHandler,
        now_us: u64,
    ) {
        let all = receivers.iter_mut().map(|each| &mut each.connections);
        let consumed_bytes: u64 = all.map(Connections::take_consumed).sum();
        // The bytes of `ipc://` connections are known only if they become publications.
        let accepted_bytes = handler.accepted_bytes();
        let newly_accepted_bytes = accepted_bytes - self.accepted_bytes;
        self.accepted_bytes = accepted_bytes;
        self.heap
            .note_bytes(consumed_bytes.max(newly_accepted_bytes), now_us);
        if self.heap.is_due(now_us, system::free_heap_bytes) {
            system::trim_heap();
        }
        self.next_us = review.begun_us + pause(review.activity, receivers).as_micros() as u64;
    }

    /// Returns how long the thread may sleep before the next review. `None` if no review is needed.
    pub(super) fn sleep_limit(&self, receivers: &[Receiver], now_us: u64) -> Option<Duration> {
        if self.current.is_some() {
            return Some(Duration::ZERO);
        }
        let is_needed = watched(receivers) > 0 || self.heap.is_pending();
        is_needed.then(|| Duration::from_micros(self.next_us.saturating_sub(now_us)))
    }
}

/// How many bytes of heartbeats a connection may have sent.
#[derive(Default)]
struct HeartbeatAllowance {
    /// The time up to which bytes were allowed.
    until_us: u64,
}

impl HeartbeatAllowance {
    /// Returns the bytes since the last call. Time that is too short for a byte counts in the next.
    fn take(&mut self, now_us: u64) -> u64 {
        const BYTE_US: u64 = 1_000_000 / HEARTBEAT_BYTES_PER_SECOND;
        let bytes = now_us.saturating_sub(self.until_us) / BYTE_US;
        self.until_us += bytes * BYTE_US;
        bytes
    }
}

/// Returns the number of connections that are watched.
fn watched(receivers: &[Receiver]) -> usize {
    receivers.iter().map(|each| each.connections.len()).sum()
}

/// Returns the time until the next review.
fn pause(activity: Activity, receivers: &[Receiver]) -> Duration {
    let pause = match activity {
        Activity::Calm => CONNECTION_REVIEW,
        Activity::Suspicious => OBSERVED_CONNECTION_REVIEW,
    };
    pause.max(CONNECTION_REVIEW_EACH * watched(receivers) as u32)
}

/// Returns by how much an unfinished message may exceed the maximum size of a payload.
fn message_slack_bytes(receivers: &[Receiver]) -> usize {
    let mut connections = receivers.iter().map(|each| &each.connections);
    if connections.any(Connections::is_observing) && system::heap_bytes() > HEAP_BYTES {
        SCARCE_MESSAGE_SLACK_BYTES
    } else {
        MESSAGE_SLACK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_get_their_bytes_however_frequent_reviews_are() {
        for step_us in [100, 7_000, 10_001, 3_000_000] {
            let mut heartbeats = HeartbeatAllowance::default();
            let reviews = (0..=60_000_000 / step_us).map(|number| number * step_us);
            let bytes: u64 = reviews.map(|now_us| heartbeats.take(now_us)).sum();
            let exact = 60 * HEARTBEAT_BYTES_PER_SECOND;
            assert!((exact - 1..=exact).contains(&bytes), "{step_us}: {bytes}");
        }
    }
}
