//! Checks that this host can run shards, and explains what to change if it cannot. Runs on the main
//! thread, before the shards start.

use std::fs;
use std::io;

use crate::limits::MEMLOCK_PER_SHARD_BYTES;
use crate::observe::Clock;

use super::system::{memlock_limit_bytes, wake};
use super::uring::UringRing;

/// The reason why a ring could not be set up. Each message names the setting to change.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    #[error("io_uring lacks what fanfare needs; run Linux 6.1 or newer (this is {0})")]
    KernelTooOld(String),
    #[error(
        "io_uring is not allowed: set sysctl kernel.io_uring_disabled=0, or allow the io_uring_* \
         calls in the container's seccomp profile"
    )]
    NotAllowed,
    #[error(
        "too little lockable memory ({0} bytes): raise LimitMEMLOCK (ulimit -l); 64 MiB is enough"
    )]
    Memory(u64),
    #[error("io_uring could not be set up: {0}")]
    Other(io::Error),
}

impl From<io::Error> for PreflightError {
    /// Converts the error of a system call that sets up a ring.
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EINVAL) => Self::KernelTooOld(kernel_release()),
            Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Self::NotAllowed,
            Some(libc::ENOMEM) => Self::Memory(memlock_limit_bytes()),
            _ => Self::Other(error),
        }
    }
}

/// Returns the lockable memory, in bytes, that this number of shards needs. One more share is for
/// the rest of the process.
pub fn memlock_wanted_bytes(shards: usize) -> u64 {
    MEMLOCK_PER_SHARD_BYTES * (shards as u64 + 1)
}

/// Checks the limit on lockable memory for this number of shards, then sets up a ring with its
/// buffers as a shard does, and closes it again.
pub fn preflight(shards: usize) -> Result<(), PreflightError> {
    let memlock = memlock_limit_bytes();
    if memlock < memlock_wanted_bytes(shards) {
        return Err(PreflightError::Memory(memlock));
    }
    let wake = wake()?;
    UringRing::new(wake.descriptor(), Clock::start())?;
    Ok(())
}

/// Returns the release of the running kernel, such as `6.1.0-18-amd64`.
fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".into(), |release| release.trim().into())
}
