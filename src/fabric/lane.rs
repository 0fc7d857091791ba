//! The bounded lock-free queue from ingest to one shard, and the shard's orders from control.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config::Config;
use crate::hub::Leaving;
use crate::limits::{LANE_BATCHES, LANE_BYTES, LANE_ORDERS};

use super::broadcast::Batch;
use super::wake::Wake;

/// What control tells a shard.
#[derive(Clone, Debug)]
pub enum Order {
    /// Close connections over `period_us`; if all are leaving, stop accepting, and end.
    Drain { leaving: Leaving, period_us: u64 },
    /// New rules.
    Reconfigure(Arc<Config>),
    /// End now.
    Stop,
}

/// The lane is full: the batch is lost for this shard, and counted by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// One shard's lane. Ingest pushes, the shard pops; control orders.
#[derive(Debug)]
pub struct Lane {
    batches: (Sender<Arc<Batch>>, Receiver<Arc<Batch>>),
    orders: (Sender<Order>, Receiver<Order>),
    queued_bytes: AtomicUsize,
    pub wake: Wake,
}

impl Lane {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            batches: bounded(LANE_BATCHES),
            orders: bounded(LANE_ORDERS),
            queued_bytes: AtomicUsize::new(0),
            wake,
        }
    }

    /// Puts a batch on the lane and wakes the shard if it sleeps. Never waits.
    pub fn push(&self, batch: Arc<Batch>) -> Result<(), Full> {
        let bytes = batch.held_bytes;
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        // An empty lane takes any batch: one publication may be larger than the bound.
        if queued > 0 && queued + bytes > LANE_BYTES {
            return Err(Full);
        }
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if self.batches.0.try_send(batch).is_err() {
            self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Full);
        }
        self.wake.wake();
        Ok(())
    }

    /// Takes the oldest batch.
    pub fn pop(&self) -> Option<Arc<Batch>> {
        let batch = self.batches.1.try_recv().ok()?;
        self.queued_bytes
            .fetch_sub(batch.held_bytes, Ordering::Relaxed);
        Some(batch)
    }

    /// Gives the shard an order. False: it has not carried out the ones before for a long time.
    pub fn order(&self, order: Order) -> bool {
        let sent = self.orders.0.try_send(order).is_ok();
        self.wake.wake();
        sent
    }

    pub fn pop_order(&self) -> Option<Order> {
        self.orders.1.try_recv().ok()
    }

    /// Nothing waits for the shard.
    pub fn is_empty(&self) -> bool {
        self.batches.1.is_empty() && self.orders.1.is_empty()
    }

    pub fn queued_batches(&self) -> usize {
        self.batches.1.len()
    }

    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }
}
