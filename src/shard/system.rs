//! System calls that std does not wrap. They are used on any thread, at start.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, RawFd};

use crate::fabric::Wake;

/// Creates a [`Wake`] with a new event descriptor. The descriptor is in blocking mode, because a
/// read in the ring must wait for a signal. Fails if no descriptor is left.
pub fn wake() -> io::Result<Wake> {
    // SAFETY: the call takes no pointers.
    let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and has no other owner.
    Ok(Wake::new(unsafe { File::from_raw_fd(descriptor) }))
}

/// Runs `work` with a umask that denies other users access to the files that it creates. Must be
/// called before other threads start, because the umask belongs to the whole process.
pub fn with_private_files<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the call takes no pointers and cannot fail.
    let before = unsafe { libc::umask(0o177) };
    let result = work();
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    result
}

/// Duplicates a descriptor. The caller owns the duplicate.
pub(super) fn duplicate(descriptor: RawFd) -> io::Result<RawFd> {
    // SAFETY: the call takes no pointers.
    let duplicate = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if duplicate < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(duplicate)
    }
}

/// Returns the soft limit on descriptors of this process.
pub fn descriptor_limit() -> u64 {
    limit(libc::RLIMIT_NOFILE).rlim_cur
}

/// Raises the soft limit on descriptors to the hard limit, and returns the new soft limit.
pub fn raise_descriptor_limit() -> u64 {
    let mut wanted = limit(libc::RLIMIT_NOFILE);
    wanted.rlim_cur = wanted.rlim_max;
    // SAFETY: the pointer is to a valid rlimit. A failure keeps the old limit, which is then
    // returned.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) };
    descriptor_limit()
}

/// Returns the number of bytes that this process may lock in memory.
pub fn memlock_limit_bytes() -> u64 {
    limit(libc::RLIMIT_MEMLOCK).rlim_cur
}

/// Returns the soft and the hard limit on a resource.
fn limit(resource: libc::__rlimit_resource_t) -> libc::rlimit {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to a valid rlimit. The call cannot fail for a known resource.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    limit
}
