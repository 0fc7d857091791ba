//! The provided buffers that all receive operations of a shard share. An idle connection uses no
//! buffer. Runs on the shard thread.

use std::io;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS};

use super::ring::ReceivedBuffer;

/// The id of the buffer group in the ring.
pub(super) const GROUP: u16 = 0;

const ENTRIES_BYTES: usize = RECEIVE_BUFFERS as usize * size_of::<BufRingEntry>();
const MEMORY_BYTES: usize = RECEIVE_BUFFERS as usize * RECEIVE_BUFFER_BYTES;

/// One memory mapping. It contains the ring of entries from which the kernel takes buffers, and
/// after it the buffers.
pub(super) struct Buffers {
    mapping: NonNull<u8>,
    /// The number of entries that were filled, wrapping. Modulo the size of the ring, it is the
    /// index of the next entry to fill.
    tail: u16,
    /// The number of buffers that the shard holds.
    held: u16,
}

impl Buffers {
    /// Maps the memory and fills an entry for every buffer. Fails if the kernel has no memory.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice changes no memory that
        // is in use.
        let mapping = unsafe {
            libc::mmap(
                ptr::null_mut(),
                ENTRIES_BYTES + MEMORY_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_ANONYMOUS | libc::MAP_PRIVATE,
                -1,
                0,
            )
        };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping =
            NonNull::new(mapping.cast()).expect("a mapping that did not fail is not null");
        let mut buffers = Self {
            mapping,
            tail: 0,
            held: RECEIVE_BUFFERS,
        };
        for index in 0..RECEIVE_BUFFERS {
            buffers.provide(&ReceivedBuffer::new(index));
        }
        Ok(buffers)
    }

    /// Returns the address and the number of the entries, which the ring is registered with.
    pub(super) fn ring(&self) -> (u64, u16) {
        (self.mapping.as_ptr() as u64, RECEIVE_BUFFERS)
    }

    /// Takes a buffer that the kernel has filled.
    pub(super) fn take(&mut self, index: u16) -> ReceivedBuffer {
        self.held += 1;
        ReceivedBuffer::new(index)
    }

    /// Returns the number of buffers that the shard does not hold.
    pub(super) fn free(&self) -> usize {
        usize::from(RECEIVE_BUFFERS - self.held)
    }

    /// Returns the first `len` bytes of a buffer that the kernel has filled.
    pub(super) fn get(&mut self, buffer: &ReceivedBuffer, len: usize) -> &mut [u8] {
        let index = buffer.index();
        assert!(index < RECEIVE_BUFFERS && len <= RECEIVE_BUFFER_BYTES);
        // SAFETY: the range is inside the mapping, and the kernel does not access a buffer
        // between its completion and `provide`. The borrow of `self` prevents `provide`.
        unsafe { slice::from_raw_parts_mut(self.address(index), len) }
    }

    /// Gives a buffer to the kernel, which may then fill it.
    pub(super) fn provide(&mut self, buffer: &ReceivedBuffer) {
        let index = buffer.index();
        let slot = (self.tail & (RECEIVE_BUFFERS - 1)) as usize;
        let entries = self.entries();
        // SAFETY: the slot is inside the mapping, which is page aligned. Only this thread
        // writes entries, and the kernel reads an entry only after the tail below has passed it.
        // The tail itself is in the first entry, in a field that these setters do not change.
        let entry = unsafe { &mut *entries.add(slot) };
        entry.set_addr(self.address(index) as u64);
        entry.set_len(RECEIVE_BUFFER_BYTES as u32);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
        self.held -= 1;
        // SAFETY: the tail is a field of the first entry. It is aligned and shared with the
        // kernel, which reads it with an acquire.
        let tail = unsafe { &*BufRingEntry::tail(entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// Returns the ring of entries.
    fn entries(&self) -> *mut BufRingEntry {
        self.mapping.as_ptr().cast()
    }

    /// Returns the address of a buffer.
    fn address(&self, index: u16) -> *mut u8 {
        // SAFETY: `index` is below RECEIVE_BUFFERS, so the result is inside the mapping.
        unsafe {
            self.mapping
                .as_ptr()
                .add(ENTRIES_BYTES + index as usize * RECEIVE_BUFFER_BYTES)
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping is owned by `self`, and the ring that used it is dropped already.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), ENTRIES_BYTES + MEMORY_BYTES) };
    }
}
