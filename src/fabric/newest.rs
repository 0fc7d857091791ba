//! The newest version of a value that one thread publishes and other threads apply when they come
//! to it, such as the configuration. The control thread publishes; the ingest thread and the shards
//! apply.
//!
//! Publishing replaces the value that was there, so it never fails, and a thread that was stalled
//! applies the newest value next, whatever it has missed. There is no queue of older values.

use std::sync::{Arc, PoisonError};

use crate::observe::atomics::{AtomicU64, Mutex, Ordering};

/// The version of the value with which all threads start.
const FIRST_VERSION: u64 = 1;

/// The newest value and its version. The struct has a cache line of its own: every turn of every
/// shard reads the version, and a value that is written often would make each of these reads slow.
///
/// The mutex orders the value: `newest` is replaced and `version` is stored while it is locked, so
/// a thread that locks it finds a value and its version together. The version is also read without
/// the lock, relaxed, to find out whether there is anything to take. A load that returns version
/// `n` cannot precede the locking in which `n` was stored, so locking the mutex after that load
/// finds the value of version `n` or a newer one. A load that misses `n` is repeated:
/// [`super::Wake`] orders the store before the last check of a thread that goes to sleep, or the
/// thread is woken.
#[derive(Debug)]
#[repr(align(64))]
pub struct Newest<T> {
    version: AtomicU64,
    /// `None` until the first publication: the threads received the first value at their start.
    newest: Mutex<Option<Arc<T>>>,
}

/// The version that one thread has applied. Only that thread writes it.
#[derive(Debug)]
pub struct AppliedVersion(AtomicU64);

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(FIRST_VERSION),
            newest: Mutex::new(None),
        }
    }
}

impl Default for AppliedVersion {
    fn default() -> Self {
        Self(AtomicU64::new(FIRST_VERSION))
    }
}

impl AppliedVersion {
    /// Returns the version. The release in [`Newest::apply`] and this acquire order what the thread
    /// did with the value before what the caller does next.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl<T> Newest<T> {
    /// Replaces the value. The caller then wakes the threads that apply it.
    pub(super) fn publish(&self, value: Arc<T>) {
        // A panic cannot leave the mutex with half a value: it is replaced by one store.
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Some(value);
        // Only this function writes the version, and the lock orders its callers.
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
    }

    /// Returns the version of the newest value.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    /// Returns whether a thread has applied the newest value. Two loads; called by that thread.
    pub fn is_applied(&self, applied: &AppliedVersion) -> bool {
        self.version() == applied.0.load(Ordering::Relaxed)
    }

    /// Passes the newest value to `apply`, unless the thread has applied it already, and publishes
    /// its version as applied. Called by the thread that `applied` belongs to.
    pub fn apply(&self, applied: &AppliedVersion, apply: impl FnOnce(Arc<T>)) -> Change {
        if self.is_applied(applied) {
            return Change::None;
        }
        let (value, version) = {
            let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            (newest.clone(), self.version())
        };
        if let Some(value) = value {
            apply(value);
        }
        applied.0.store(version, Ordering::Release);
        Change::Applied
    }
}

/// The outcome of [`Newest::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The thread had the newest value.
    None,
    /// The thread has applied a newer value.
    Applied,
}
