//! The frames that some outbox of this shard still holds, each once, counted without atomics.

use bytes::Bytes;

use crate::config::SlowPolicy;
use crate::limits::FRAME_OVERHEAD_BYTES;

/// Index of a frame in the [`Pool`]: what an outbox stores per pending frame.
pub(super) type FrameIndex = u32;

/// A frame on its way to one or many connections.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Outboxes that hold it.
    holders: u32,
    /// `None`: a reply, ping or close, which no slow policy may drop.
    pub(super) delivery: Option<Delivery>,
}

impl Frame {
    /// What it costs in memory, as [`super::outbox::Outbox::weight`] counts.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + FRAME_OVERHEAD_BYTES
    }

    /// Whether it carries a publication of a topic that drops rather than disconnects.
    pub(super) fn may_drop(&self) -> bool {
        let slow = self.delivery.map(|delivery| delivery.slow);
        slow.is_some_and(|slow| slow != SlowPolicy::Disconnect)
    }
}

/// What a frame that carries a publication is accounted by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) topic_hash: u64,
    pub(super) arrived_us: u64,
    pub(super) slow: SlowPolicy,
}

/// A slab of frames. A shared frame costs its connections four bytes each, and the process one
/// atomic count per shard instead of one per connection.
#[derive(Debug, Default)]
pub(super) struct Pool {
    frames: Vec<Frame>,
    free: Vec<FrameIndex>,
}

impl Pool {
    /// Adds a frame with `holders` holders (zero: the caller adds them, or gives it back).
    pub(super) fn insert(
        &mut self,
        bytes: Bytes,
        delivery: Option<Delivery>,
        holders: u32,
    ) -> FrameIndex {
        let frame = Frame {
            bytes,
            holders,
            delivery,
        };
        if let Some(index) = self.free.pop() {
            self.frames[index as usize] = frame;
            return index;
        }
        self.frames.push(frame);
        self.frames.len() as FrameIndex - 1
    }

    pub(super) fn get(&self, index: FrameIndex) -> &Frame {
        &self.frames[index as usize]
    }

    pub(super) fn hold(&mut self, index: FrameIndex) {
        self.frames[index as usize].holders += 1;
    }

    /// One holder less; the last one frees it.
    pub(super) fn release(&mut self, index: FrameIndex) {
        let frame = &mut self.frames[index as usize];
        frame.holders = frame.holders.saturating_sub(1);
        if frame.holders == 0 {
            frame.bytes = Bytes::new();
            self.free.push(index);
        }
    }
}
