//! The bounded lock-free queue from the ingest thread to one shard, and the requests of the control
//! thread to the shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::delivery::Batch;
use crate::hub::Ticket;
use crate::limits::{LANE_ANSWERS, LANE_BATCHES, LANE_BYTES, SHARD_REQUESTS};

use super::shard_request::{RequestQueueFull, ShardRequest};
use super::submission::SubmissionResult;
use super::wake::Wake;

/// An item on a lane. A shard takes the items in the order in which the ingest thread pushed them.
#[derive(Debug)]
pub enum LaneItem {
    Batch(LaneBatch),
    /// Results of publications that clients of this shard submitted. Every batch that was pushed
    /// before the answers is delivered before them.
    Answers(Vec<(Ticket, SubmissionResult)>),
}

/// A batch on a lane, with the figures that the shard needs for its accounting.
#[derive(Debug)]
pub struct LaneBatch {
    pub batch: Arc<Batch>,
    /// Number of publications in the batch that this shard may want.
    pub publications: u64,
    /// Running total of publications pushed to this lane, including this batch. The shard compares
    /// it with its own count to detect loss.
    pub pushed_total: u64,
    /// When the batch was pushed to the lane, in microseconds of the process clock.
    pub pushed_at_us: u64,
}

/// The lane has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lane is full")]
pub struct LaneFull;

/// The lane of one shard. The ingest thread pushes and the shard pops. The control thread sends
/// requests to the shard.
#[derive(Debug)]
pub struct Lane {
    items: (Sender<LaneItem>, Receiver<LaneItem>),
    requests: (Sender<ShardRequest>, Receiver<ShardRequest>),
    /// Bytes that the batches on the lane hold.
    queued_bytes: AtomicUsize,
    /// Submissions of this shard whose answers it has not popped yet. Only the shard writes it.
    awaited_answers: AtomicUsize,
    /// Total of publications pushed since the start. Only the ingest thread writes it.
    pushed_total: AtomicU64,
    pub wake: Wake,
}

impl Lane {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            items: bounded(LANE_BATCHES + LANE_ANSWERS),
            requests: bounded(SHARD_REQUESTS),
            queued_bytes: AtomicUsize::new(0),
            awaited_answers: AtomicUsize::new(0),
            pushed_total: AtomicU64::new(0),
            wake,
        }
    }

    /// Checks whether the lane has room for a batch of `bytes`. The room stays until the ingest
    /// thread pushes, because no other thread pushes to a lane. Called by the ingest thread.
    pub fn check_room(&self, bytes: usize) -> Result<(), LaneFull> {
        let queued_bytes = self.queued_bytes.load(Ordering::Relaxed);
        // A lane without batches takes a batch of any size: one publication may exceed the bound.
        let has_bytes = queued_bytes == 0 || queued_bytes + bytes <= LANE_BYTES;
        if has_bytes && self.items.0.len() < LANE_BATCHES {
            Ok(())
        } else {
            Err(LaneFull)
        }
    }

    /// Pushes a batch, of which the shard may want `publications`, and wakes the shard if it
    /// sleeps. Does not wait. If the lane is full, the shard does not get the batch and the caller
    /// counts the loss. Called by the ingest thread.
    pub fn push(&self, batch: Arc<Batch>, publications: u64, now_us: u64) -> Result<(), LaneFull> {
        let bytes = batch.held_bytes;
        self.check_room(bytes)?;
        let pushed_total = self.pushed_total.load(Ordering::Relaxed) + publications;
        let item = LaneItem::Batch(LaneBatch {
            batch,
            publications,
            pushed_total,
            pushed_at_us: now_us,
        });
        // Counted before the push, so that the shard never subtracts bytes that were not added.
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.items.0.try_send(item).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(LaneFull);
        }
        self.pushed_total.store(pushed_total, Ordering::Release);
        self.wake.wake();
        Ok(())
    }

    /// Reserves room for the answers to one submission of this shard. Fails if [`LANE_ANSWERS`]
    /// submissions are not answered yet. Called by the shard.
    pub(super) fn reserve_answers(&self) -> Result<(), LaneFull> {
        let awaited = self.awaited_answers.load(Ordering::Relaxed);
        if awaited == LANE_ANSWERS {
            return Err(LaneFull);
        }
        self.awaited_answers.store(awaited + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the room of one reservation. Called by the shard.
    pub(super) fn release_answers(&self) {
        self.awaited_answers.fetch_sub(1, Ordering::Relaxed);
    }

    /// Pushes the answers to one submission of this shard and wakes the shard if it sleeps. Called
    /// by the ingest thread.
    pub fn push_answers(&self, answers: Vec<(Ticket, SubmissionResult)>) {
        let pushed = self.items.0.try_send(LaneItem::Answers(answers));
        debug_assert!(
            pushed.is_ok(),
            "the shard has reserved room for the answers"
        );
        self.wake.wake();
    }

    /// Removes the oldest item. Called by the shard.
    pub fn pop(&self) -> Option<LaneItem> {
        let item = self.items.1.try_recv().ok()?;
        match &item {
            LaneItem::Batch(pushed) => {
                let bytes = pushed.batch.held_bytes;
                self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
            LaneItem::Answers(_) => self.release_answers(),
        }
        Some(item)
    }

    /// Returns the total of publications pushed so far. If the shard then finds the lane empty, it
    /// has popped all of them.
    pub fn pushed_total(&self) -> u64 {
        self.pushed_total.load(Ordering::Acquire)
    }

    /// Sends a request to the shard and wakes it if it sleeps. A request that is not taken is
    /// dropped, and with it the sender of its reply.
    pub fn request(&self, request: ShardRequest) -> Result<(), RequestQueueFull> {
        let sent = self.requests.0.try_send(request);
        self.wake.wake();
        sent.map_err(|_| RequestQueueFull)
    }

    /// Removes the oldest request. Called by the shard.
    pub fn pop_request(&self) -> Option<ShardRequest> {
        self.requests.1.try_recv().ok()
    }

    /// Returns whether the shard has nothing to take.
    pub fn is_empty(&self) -> bool {
        self.items.1.is_empty() && self.requests.1.is_empty()
    }

    /// Returns whether the lane is more than half full, so that the next batch may find no room.
    pub fn is_crowded(&self) -> bool {
        self.queued_batches() > LANE_BATCHES / 2 || self.queued_bytes() > LANE_BYTES / 2
    }

    /// Returns the number of batches on the lane. Answers are included; there are few of them.
    pub fn queued_batches(&self) -> usize {
        self.items.1.len()
    }

    /// Returns the number of bytes that the batches on the lane hold.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
