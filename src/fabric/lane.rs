//! The bounded lock-free queue from ingest to one shard, and the queue of requests to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::delivery::Batch;
use crate::limits::{LANE_BATCHES, LANE_BYTES, SHARD_REQUESTS};

use super::shard_request::{RequestQueueFull, ShardRequest};
use super::wake::Wake;

/// A batch on a lane, with what its shard has to account for.
#[derive(Debug)]
pub struct Parcel {
    pub batch: Arc<Batch>,
    /// Publications in it that this shard may want.
    pub publications: u64,
    /// Publications that had been put on this lane when it was, its own included.
    pub put: u64,
    /// When it was put there.
    pub put_us: u64,
}

/// The lane is full: the batch is lost for this shard, and counted by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The queues of one shard. The ingest thread pushes batches, the control thread sends requests,
/// and the shard takes both.
#[derive(Debug)]
pub struct Lane {
    parcels: (Sender<Parcel>, Receiver<Parcel>),
    requests: (Sender<ShardRequest>, Receiver<ShardRequest>),
    queued_bytes: AtomicUsize,
    /// Publications put here since the start. Ingest writes it.
    put: AtomicU64,
    pub wake: Wake,
}

impl Lane {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            parcels: bounded(LANE_BATCHES),
            requests: bounded(SHARD_REQUESTS),
            queued_bytes: AtomicUsize::new(0),
            put: AtomicU64::new(0),
            wake,
        }
    }

    /// Puts a batch on the lane, of which the shard may want so many publications, and wakes it if
    /// it sleeps. Never waits. Ingest alone may call this.
    pub fn push(&self, batch: Arc<Batch>, publications: u64, now_us: u64) -> Result<(), Full> {
        let bytes = batch.held_bytes;
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        // An empty lane takes any batch: one publication may be larger than the bound.
        if queued > 0 && queued + bytes > LANE_BYTES {
            return Err(Full);
        }
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let put = self.put.load(Ordering::Relaxed) + publications;
        let parcel = Parcel {
            batch,
            publications,
            put,
            put_us: now_us,
        };
        if self.parcels.0.try_send(parcel).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Full);
        }
        self.put.store(put, Ordering::Release);
        self.wake.wake();
        Ok(())
    }

    /// Takes the oldest batch.
    pub fn pop(&self) -> Option<Parcel> {
        let parcel = self.parcels.1.try_recv().ok()?;
        self.queued_bytes
            .fetch_sub(parcel.batch.held_bytes, Ordering::Relaxed);
        Some(parcel)
    }

    /// Publications put here so far. A shard that asks, and then finds the lane empty, has popped
    /// all of them.
    pub fn put(&self) -> u64 {
        self.put.load(Ordering::Acquire)
    }

    /// Sends a request to the shard and wakes it if it sleeps. A request that is not taken is
    /// dropped, and with it the sender of its reply.
    pub fn request(&self, request: ShardRequest) -> Result<(), RequestQueueFull> {
        let sent = self.requests.0.try_send(request);
        self.wake.wake();
        sent.map_err(|_| RequestQueueFull)
    }

    /// Takes the oldest request.
    pub fn pop_request(&self) -> Option<ShardRequest> {
        self.requests.1.try_recv().ok()
    }

    /// Nothing waits for the shard.
    pub fn is_empty(&self) -> bool {
        self.parcels.1.is_empty() && self.requests.1.is_empty()
    }

    /// So much waits that the next batch may find no room.
    pub fn is_crowded(&self) -> bool {
        self.queued_batches() > LANE_BATCHES / 2 || self.queued_bytes() > LANE_BYTES / 2
    }

    pub fn queued_batches(&self) -> usize {
        self.parcels.1.len()
    }

    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(held_bytes: usize) -> Arc<Batch> {
        let broadcasts = Vec::new();
        Arc::new(Batch {
            broadcasts,
            held_bytes,
        })
    }

    #[test]
    fn each_parcel_says_how_many_publications_came_up_to_it() {
        let event = tempfile::tempfile().expect("a file stands in for an event");
        let lane = Lane::new(Wake::new(event));
        for (publications, held_bytes) in [(2, 1), (3, LANE_BYTES - 1), (7, 1)] {
            let pushed = lane.push(batch(held_bytes), publications, 5);
            assert_eq!(
                pushed.is_err(),
                publications == 7,
                "what was refused is not there"
            );
        }
        assert_eq!(lane.put(), 5);
        let popped = std::iter::from_fn(|| lane.pop());
        let popped: Vec<_> = popped
            .map(|it| (it.publications, it.put, it.put_us))
            .collect();
        assert_eq!(popped, [(2, 2, 5), (3, 5, 5)]);
        assert_eq!((lane.put(), lane.queued_bytes()), (5, 0));
    }
}
