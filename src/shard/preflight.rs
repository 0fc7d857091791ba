//! Whether this host can run a shard at all, and what to do if not. Main thread, before start.

use std::io;

use crate::limits::MEMLOCK_PER_SHARD_BYTES;

use super::buffers::Buffers;
use super::ring::Ring;
use super::system::{memlock_limit_bytes, wake};

/// Why a ring could not be set up; the text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("io_uring lacks what fanfare needs; run Linux 6.1 or newer (this is {0})")]
    KernelTooOld(String),
    #[error(
        "io_uring is not allowed: set sysctl kernel.io_uring_disabled=0, or allow the io_uring_* \
         calls in the container's seccomp profile"
    )]
    NotAllowed,
    #[error(
        "too little lockable memory ({0} bytes): raise LimitMEMLOCK (ulimit -l); 64 MiB is plenty"
    )]
    Memory(u64),
    #[error("io_uring could not be set up: {0}")]
    Other(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EINVAL) => Self::KernelTooOld(kernel_release()),
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Self::NotAllowed,
            Some(libc::ENOMEM) => Self::Memory(memlock_limit_bytes()),
            _ => Self::Other(error),
        }
    }
}

/// The lockable memory that so many shards want, and a share for what is not theirs.
pub fn memlock_wanted_bytes(shards: usize) -> u64 {
    MEMLOCK_PER_SHARD_BYTES * (shards as u64 + 1)
}

/// Sets up a ring with its buffers as each of so many shards would, and lets it go.
pub fn preflight(shards: usize) -> Result<(), Refused> {
    let memlock = memlock_limit_bytes();
    if memlock < memlock_wanted_bytes(shards) {
        return Err(Refused::Memory(memlock));
    }
    let wake = wake()?;
    let ring = Ring::new(wake.descriptor())?;
    let buffers = Buffers::new()?;
    let registered = ring.register(&buffers);
    drop(ring); // Before the buffers, which it may use.
    registered
}

/// Such as `6.1.0-18-amd64`.
fn kernel_release() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".into(), |release| release.trim().into())
}
