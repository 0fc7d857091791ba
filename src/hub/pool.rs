//! The frames that some outbox of this shard still holds, each once, counted without atomics.

use bytes::Bytes;

use crate::config::SlowPolicy;
use crate::limits::{FRAME_OVERHEAD_BYTES, POOL_KEPT_FRAMES};

/// Index of a frame in the [`Pool`]: what an outbox stores per pending frame.
pub(super) type FrameIndex = u32;

/// A frame on its way to one or many connections, or several that are never parted.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// Outboxes that hold it.
    holders: u32,
    /// Those of the delivery, without having to ask whether it is one.
    publications: u32,
    /// `None`: a reply, ping or close, which no slow policy may drop.
    pub(super) delivery: Option<Delivery>,
}

impl Frame {
    /// What it costs in memory, as [`super::outbox::Outbox::weight`] counts.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + FRAME_OVERHEAD_BYTES
    }

    /// How many publications it carries; a reply, ping or close none.
    pub(super) fn publications(&self) -> u64 {
        u64::from(self.publications)
    }

    /// Whether it carries a publication of a topic that drops rather than disconnects.
    pub(super) fn may_drop(&self) -> bool {
        let slow = self.delivery.map(|delivery| delivery.slow);
        slow.is_some_and(|slow| slow != SlowPolicy::Disconnect)
    }

    /// Whether a later publication of its topic may take its place.
    pub(super) fn may_conflate(&self) -> bool {
        let slow = self.delivery.map(|delivery| delivery.slow);
        slow == Some(SlowPolicy::Conflate)
    }
}

/// What a frame that carries a publication is accounted by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) topic_hash: u64,
    pub(super) arrived_us: u64,
    pub(super) publications: u32,
    pub(super) slow: SlowPolicy,
}

/// A slab of frames. A shared frame costs its connections four bytes each, and the process one
/// atomic count per shard instead of one per connection.
#[derive(Debug, Default)]
pub(super) struct Pool {
    frames: Vec<Frame>,
    free: Vec<FrameIndex>,
    /// Publications in the frames, once per holder.
    held: u64,
}

impl Pool {
    /// Adds a frame that the caller holds.
    pub(super) fn insert(&mut self, bytes: Bytes, delivery: Option<Delivery>) -> FrameIndex {
        let frame = Frame {
            bytes,
            holders: 1,
            publications: delivery.map_or(0, |delivery| delivery.publications),
            delivery,
        };
        self.held += frame.publications();
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

    /// Whether a publication of this topic is at `index`, which may have been freed and reused.
    pub(super) fn carries(&self, index: FrameIndex, topic_hash: u64) -> bool {
        let frame = self.frames.get(index as usize);
        let delivery = frame.and_then(|frame| frame.delivery);
        delivery.is_some_and(|delivery| delivery.topic_hash == topic_hash)
    }

    pub(super) fn hold(&mut self, index: FrameIndex) {
        let frame = &mut self.frames[index as usize];
        frame.holders += 1;
        self.held += frame.publications();
    }

    /// Publications that wait, once per outbox: counted where frames are held and let go, so that
    /// it cannot agree by construction with what became of them.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// One holder less; the last one frees it.
    pub(super) fn release(&mut self, index: FrameIndex) {
        let frame = &mut self.frames[index as usize];
        debug_assert!(frame.holders > 0, "a frame is released once per holder");
        frame.holders -= 1;
        self.held -= frame.publications();
        if frame.holders > 0 {
            return;
        }
        (frame.bytes, frame.delivery) = (Bytes::new(), None);
        self.free.push(index);
        let peak_is_over = self.free.len() == self.frames.len();
        if peak_is_over && self.frames.capacity() > POOL_KEPT_FRAMES {
            self.frames.clear();
            self.frames.shrink_to(POOL_KEPT_FRAMES);
            self.free.clear();
            self.free.shrink_to(POOL_KEPT_FRAMES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pool_gives_the_memory_of_its_peak_back() {
        let mut pool = Pool::default();
        for _ in 0..2 {
            let peak: Vec<_> = (0..10 * POOL_KEPT_FRAMES)
                .map(|_| pool.insert(Bytes::from_static(b"x"), None))
                .collect();
            pool.hold(peak[7]);
            for frame in &peak {
                pool.release(*frame);
            }
            assert!(pool.frames.capacity() >= peak.len(), "one is still held");
            pool.release(peak[7]);
            assert!(pool.frames.capacity() <= POOL_KEPT_FRAMES);
            assert!(pool.free.capacity() <= POOL_KEPT_FRAMES);
        }
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "once per holder")]
    fn releasing_a_frame_twice_is_a_bug() {
        let mut pool = Pool::default();
        let [_held, frame] = [(); 2].map(|()| pool.insert(Bytes::new(), None));
        pool.release(frame);
        pool.release(frame);
    }
}
