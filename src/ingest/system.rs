//! System calls about the connections and the memory of libzmq, which it does not offer itself.
//! Ingest thread.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;

use socket2::{SockAddr, SockRef, Socket};

/// Offset of `tcpi_bytes_received` in `struct tcp_info` of the kernel (Linux 4.1 and newer), which
/// the binding of libc does not declare.
const BYTES_RECEIVED: usize = 128;

/// A descriptor that is always open, so that a connection can be duplicated while the process has
/// no descriptor left.
pub(super) struct SpareDescriptor {
    spare: OwnedFd,
    /// The socket that the spare descriptor refers to while it is no duplicate.
    idle: UnixDatagram,
}

impl SpareDescriptor {
    pub(super) fn open() -> io::Result<Self> {
        let idle = UnixDatagram::unbound()?;
        let spare = idle.try_clone()?.into();
        Ok(Self { spare, idle })
    }

    /// Duplicates the descriptor of a connection. Fails if it is not open.
    pub(super) fn duplicate(&mut self, descriptor: RawFd) -> io::Result<Duplicate<'_>> {
        self.replace(descriptor)?;
        Ok(Duplicate(self))
    }

    /// Makes the spare descriptor a duplicate of `descriptor`. This needs no further descriptor.
    fn replace(&mut self, descriptor: RawFd) -> io::Result<()> {
        // SAFETY: the call takes no pointers. It closes the spare descriptor, which this struct
        // owns, and opens it again without a moment in which another thread could get its number.
        let result = unsafe { libc::dup3(descriptor, self.spare.as_raw_fd(), libc::O_CLOEXEC) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

/// A duplicate of the descriptor of a connection. It is closed when it is dropped.
pub(super) struct Duplicate<'a>(&'a mut SpareDescriptor);

impl Duplicate<'_> {
    pub(super) fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.0.spare)
    }
}

impl Drop for Duplicate<'_> {
    fn drop(&mut self) {
        // Both descriptors are open, so this does not fail.
        let _ = self.0.replace(self.0.idle.as_raw_fd());
    }
}

/// Returns the cookie of a socket, a number that the kernel gives to no other socket.
pub(super) fn cookie(socket: RawFd) -> io::Result<u64> {
    option(socket, libc::SOL_SOCKET, libc::SO_COOKIE).map(u64::from_ne_bytes)
}

/// Returns the first `N` bytes of an option of a socket. Bytes that the kernel does not have are 0.
fn option<const N: usize>(socket: RawFd, level: c_int, name: c_int) -> io::Result<[u8; N]> {
    let mut value = [0; N];
    let mut length = N as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `value`, and the new length.
    let result = unsafe {
        let value = (&raw mut value).cast();
        libc::getsockopt(socket, level, name, value, &raw mut length)
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(value)
}

/// Returns the local port of a socket, or `None` if it is not a socket of TCP or UDP.
pub(super) fn local_port(socket: RawFd) -> io::Result<Option<u16>> {
    // SAFETY: the kernel writes at most `length` bytes to `address`, and the new length.
    let initialized = unsafe {
        SockAddr::try_init(|address, length| {
            match libc::getsockname(socket, address.cast(), length) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        })
    };
    let ((), address) = initialized?;
    Ok(address.as_socket().map(|address| address.port()))
}

/// Returns how many bytes of a TCP connection were read from the kernel, at least. Bytes that
/// arrive during the call may be missing. Fails if the descriptor is not open or is not one of a
/// TCP connection.
pub(super) fn consumed_bytes(connection: RawFd) -> io::Result<u64> {
    let received = received_bytes(connection)?;
    Ok(received.saturating_sub(unread_bytes(connection)?))
}

/// Returns how many bytes the kernel has received on a TCP connection.
fn received_bytes(connection: RawFd) -> io::Result<u64> {
    const BYTES: usize = BYTES_RECEIVED + size_of::<u64>();
    let info = option::<BYTES>(connection, libc::IPPROTO_TCP, libc::TCP_INFO)?;
    Ok(info.last_chunk().copied().map_or(0, u64::from_ne_bytes))
}

/// Returns how many received bytes were not read from the kernel yet.
fn unread_bytes(connection: RawFd) -> io::Result<u64> {
    let mut unread: c_int = 0;
    // SAFETY: the kernel writes one int.
    let result = unsafe { libc::ioctl(connection, libc::FIONREAD, &raw mut unread) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }

    Ok(u64::from(unread.unsigned_abs()))
}

/// Resets a TCP connection and discards what it has received. Every reader gets an error.
pub(super) fn reset(connection: &Socket) -> io::Result<()> {
    let nowhere = libc::sockaddr {
        sa_family: libc::AF_UNSPEC as libc::sa_family_t,
        sa_data: [0; 14],
    };
    // SAFETY: the kernel reads the address, which has the given size.
    let result = unsafe {
        libc::connect(
            connection.as_raw_fd(),
            &raw const nowhere,
            size_of_val(&nowhere) as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Returns how many bytes of the heap are in use. This includes what waits in libzmq, and nothing
/// that Rust has allocated.
pub(super) fn heap_bytes() -> usize {
    // SAFETY: the call takes no pointers, and the allocator locks what it reads.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Returns how many bytes the allocator keeps that are not in use. This includes those whose pages
/// were returned to the kernel between blocks that are in use.
pub(super) fn free_heap_bytes() -> u64 {
    // SAFETY: the call takes no pointers, and the allocator locks what it reads.
    let info = unsafe { libc::mallinfo2() };
    info.fordblks as u64
}

/// Returns memory that libzmq has freed to the kernel. libzmq uses the allocator of libc.
pub(super) fn trim_heap() {
    // SAFETY: the call takes no pointers, and the allocator locks what it changes.
    unsafe { libc::malloc_trim(0) };
}
