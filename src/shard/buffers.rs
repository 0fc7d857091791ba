//! The provided buffers that all receives of a shard share: an idle connection holds none.

use std::io;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS};

/// The buffer group's number in the ring.
pub(super) const GROUP: u16 = 0;

const ENTRIES_BYTES: usize = RECEIVE_BUFFERS as usize * size_of::<BufRingEntry>();
const MEMORY_BYTES: usize = RECEIVE_BUFFERS as usize * RECEIVE_BUFFER_BYTES;

/// One mapping: the ring of entries that the kernel takes buffers from, then the buffers.
pub(super) struct Buffers {
    mapping: NonNull<u8>,
    /// The next entry to fill, modulo the ring's size.
    tail: u16,
}

impl Buffers {
    /// Maps the memory and gives every buffer to the kernel's side.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing.
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
        let mut buffers = Self { mapping, tail: 0 };
        for buffer in 0..RECEIVE_BUFFERS {
            buffers.give_back(buffer);
        }
        Ok(buffers)
    }

    /// Address and number of the entries, as the ring registers them.
    pub(super) fn ring(&self) -> (u64, u16) {
        (self.mapping.as_ptr() as u64, RECEIVE_BUFFERS)
    }

    /// The first `len` bytes of a buffer that the kernel has handed to us.
    pub(super) fn get(&mut self, buffer: u16, len: usize) -> &mut [u8] {
        assert!(buffer < RECEIVE_BUFFERS && len <= RECEIVE_BUFFER_BYTES);
        // SAFETY: the range lies in the mapping, and between a completion and `give_back` the
        // kernel does not touch the buffer. The borrow of `self` keeps it from being given back.
        unsafe { slice::from_raw_parts_mut(self.address(buffer), len) }
    }

    /// Lets the kernel use the buffer again.
    pub(super) fn give_back(&mut self, buffer: u16) {
        let slot = (self.tail & (RECEIVE_BUFFERS - 1)) as usize;
        let entries = self.entries();
        // SAFETY: the slot lies in the mapping, which is page aligned. Only this thread writes
        // entries, and the kernel reads one only after the tail below has passed it; the tail
        // itself lies in the first entry, in a field that these setters leave alone.
        let entry = unsafe { &mut *entries.add(slot) };
        entry.set_addr(self.address(buffer) as u64);
        entry.set_len(RECEIVE_BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail is a field of the first entry, aligned, and shared with the kernel,
        // which reads it with an acquire.
        let tail = unsafe { &*BufRingEntry::tail(entries).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }

    /// The ring of entries.
    fn entries(&self) -> *mut BufRingEntry {
        self.mapping.as_ptr().cast()
    }

    fn address(&self, buffer: u16) -> *mut u8 {
        // SAFETY: `buffer` is below RECEIVE_BUFFERS, so the result lies in the mapping.
        unsafe {
            self.mapping
                .as_ptr()
                .add(ENTRIES_BYTES + buffer as usize * RECEIVE_BUFFER_BYTES)
        }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the ring that used it is gone.
        unsafe { libc::munmap(self.mapping.as_ptr().cast(), ENTRIES_BYTES + MEMORY_BYTES) };
    }
}
