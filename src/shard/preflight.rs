//! Whether this host can run a shard at all, and what to do if not. Main thread, before start.

use std::io;

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
        "too little lockable memory: raise LimitMEMLOCK (ulimit -l) to 64 MiB, it is {0} bytes"
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

/// glommio refuses to start an executor with less lockable memory.
const MEMLOCK_BYTES: u64 = 512 * 1024;

/// Sets up a ring as a shard would, and lets it go.
pub fn preflight() -> Result<(), Refused> {
    let memlock = memlock_limit_bytes();
    if memlock < MEMLOCK_BYTES {
        return Err(Refused::Memory(memlock));
    }
    let wake = wake()?;
    Ring::new(wake.descriptor()).map(drop)
}

/// Such as `6.1.0-18-amd64`.
fn kernel_release() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.map_or_else(|_| "unknown".into(), |release| release.trim().into())
}
