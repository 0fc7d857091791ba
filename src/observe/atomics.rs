//! The atomic types, and the mutex, of the structures whose memory orderings are checked with loom.
//! The test `tests/loom_orderings.rs` compiles the same source files with the types of loom in this
//! module's place.

pub use std::hint::spin_loop;
pub use std::sync::Mutex;
pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
