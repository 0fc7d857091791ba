//! Returns the memory of libzmq to the kernel after a peak. Ingest thread.
//!
//! libzmq uses the allocator of libc, which keeps what is freed between blocks that are in use.
//! Returning it takes time, about 20 ms for 1 GiB. It is done once, when there is little input, or
//! when a publisher has left, and only if the allocator keeps much.

use crate::limits::{HEAP_BUSY_BYTES, HEAP_TRIM_BYTES, HEAP_TRIM_DELAY};

/// Decides when memory is returned.
#[derive(Default)]
pub(super) struct HeapTrim {
    /// Bytes that publishers have sent since memory was last returned.
    bytes: u64,
    /// When memory is returned if no more input arrives, or if a publisher has left.
    due_us: u64,
    /// A publisher has left since memory was last returned.
    has_left: bool,
}

impl HeapTrim {
    /// Notes that a publisher has left.
    pub(super) fn note_departure(&mut self, now_us: u64) {
        if !self.has_left {
            self.has_left = true;
            self.due_us = now_us + HEAP_TRIM_DELAY.as_micros() as u64;
        }
    }

    /// Notes bytes that publishers have sent since the last call.
    pub(super) fn note_bytes(&mut self, bytes: u64, now_us: u64) {
        self.bytes += bytes;
        if bytes > HEAP_BUSY_BYTES && !self.has_left {
            self.due_us = now_us + HEAP_TRIM_DELAY.as_micros() as u64;
        }
    }

    /// Returns whether memory is to be returned, now or later.
    pub(super) fn is_pending(&self) -> bool {
        self.bytes > HEAP_TRIM_BYTES || self.has_left
    }

    /// Returns whether memory is to be returned now. The caller does it. `free_bytes` returns how
    /// much the allocator keeps: publishers that are refused and connect again leave nothing.
    pub(super) fn is_due(&mut self, now_us: u64, free_bytes: impl FnOnce() -> u64) -> bool {
        if !self.is_pending() || now_us < self.due_us {
            return false;
        }
        *self = Self::default();
        free_bytes() > HEAP_TRIM_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY_US: u64 = HEAP_TRIM_DELAY.as_micros() as u64;

    /// Returns how much is free after a peak.
    fn much() -> u64 {
        HEAP_TRIM_BYTES + 1
    }

    #[test]
    fn memory_is_returned_once_after_a_peak() {
        let mut heap = HeapTrim::default();
        heap.note_bytes(HEAP_TRIM_BYTES + 1, 10);
        assert!(heap.is_pending() && !heap.is_due(DELAY_US, much));
        heap.note_bytes(HEAP_BUSY_BYTES, DELAY_US);
        assert!(heap.is_due(DELAY_US + 10, much));
        assert!(!heap.is_pending() && !heap.is_due(DELAY_US + 10, much));
    }

    #[test]
    fn input_postpones_it_until_a_publisher_leaves() {
        let mut heap = HeapTrim::default();
        heap.note_bytes(HEAP_TRIM_BYTES + 1, 0);
        heap.note_bytes(HEAP_BUSY_BYTES + 1, DELAY_US);
        assert!(!heap.is_due(DELAY_US, much));
        heap.note_departure(DELAY_US);
        heap.note_departure(2 * DELAY_US - 1);
        heap.note_bytes(HEAP_BUSY_BYTES + 1, 2 * DELAY_US - 1);
        assert!(heap.is_due(2 * DELAY_US, much));
    }

    #[test]
    fn little_input_is_not_worth_it() {
        let mut heap = HeapTrim::default();
        heap.note_bytes(HEAP_TRIM_BYTES, 0);
        assert!(!heap.is_pending());
    }

    #[test]
    fn nothing_is_returned_if_the_allocator_keeps_little() {
        let mut heap = HeapTrim::default();
        heap.note_departure(0);
        assert!(!heap.is_due(DELAY_US, || HEAP_TRIM_BYTES));
        assert!(!heap.is_pending());
    }
}
