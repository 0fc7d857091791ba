//! Drains the lane: publications from the ingest thread to the hub. Shard thread.

use std::io;

use crate::fabric::LaneItem;
use crate::hub::UnreadAnswers;
use crate::limits::TURN_BROADCASTS;
use crate::observe::{PipelineStage, lossy};

use super::ring::Ring;
use super::shard_loop::ShardLoop;
use super::work::Work;

impl<R: Ring> ShardLoop<R> {
    /// Passes the batches and answers on the lane to the hub. A turn takes a bounded number of
    /// broadcasts and answers, so that the sockets are served as well. It sends what was matched
    /// before more bytes are pending than an outbox can hold.
    pub(super) fn drain_lane(&mut self, now_us: u64) -> io::Result<Work> {
        let (mut taken, mut held_bytes, mut unsent_bytes) = (0, 0, 0);
        // The running total of the ingest thread, read before the lane: if the lane is then found
        // empty, the shard has passed all of these publications. Otherwise it has passed those
        // that the last batch counts. Neither depends on what became of the publications.
        let (pushed_total, mut reached) = (self.shard().lane.pushed_total(), 0);
        let mut answers = UnreadAnswers::Possible;
        let burst_bytes = self.hub.burst_bytes();
        while taken < TURN_BROADCASTS && held_bytes < burst_bytes {
            let pushed = match self.shard().lane.pop() {
                Some(LaneItem::Batch(pushed)) => pushed,
                Some(LaneItem::Answers(answers)) => {
                    taken += answers.len();
                    self.deliver_answers(answers, now_us);
                    continue;
                }
                None => {
                    answers = UnreadAnswers::None;
                    reached = pushed_total.max(reached);
                    break;
                }
            };
            if lossy::loses(PipelineStage::Lane) {
                continue;
            }
            let lag_us = self.ring.now_us().saturating_sub(pushed.pushed_at_us);
            self.shard().lag.record(lag_us, 1);
            reached = pushed.pushed_total;
            let batch = pushed.batch;
            for broadcast in &batch.broadcasts {
                let bytes = broadcast.held_bytes();
                if unsent_bytes > 0 && unsent_bytes + bytes > burst_bytes {
                    self.flush()?;
                    unsent_bytes = 0;
                }
                self.hub.publish(broadcast, now_us);
                unsent_bytes += bytes;
            }
            let counts = self.hub.counts_mut();
            counts.batches += 1;
            counts.taken += pushed.publications;
            taken += batch.broadcasts.len();
            held_bytes += batch.held_bytes;
        }
        if !self.shard().service_answers.is_empty() {
            answers = UnreadAnswers::Possible;
        }
        self.hub.set_unread_answers(answers);
        let counts = self.hub.counts_mut();
        counts.lane_reached = counts.lane_reached.max(reached);
        Ok(if taken > 0 { Work::Done } else { Work::None })
    }
}
