//! Opens the listening sockets of all shards. Runs on the main thread at start.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::{ACCEPT_BACKLOG, LISTEN_RETRY_INTERVAL, LISTEN_TIMEOUT, NOT_SENT_BYTES};

/// Opens one listener per shard on the same address. The kernel distributes connections over the
/// listeners.
///
/// Fails if another process listens on the address, even if that process allows to share it.
pub fn listen(address: SocketAddr, shards: usize) -> io::Result<Vec<TcpListener>> {
    let exclusive = bind_exclusively(address)?;
    let address = exclusive.local_addr()?.as_socket().unwrap_or(address);
    drop(exclusive);
    (0..shards).map(|_| open_shared(address)).collect()
}

/// Binds the address without sharing it, which shows that no other process uses it. Repeats the
/// attempt until [`LISTEN_TIMEOUT`] has passed, because the rings of a killed process release its
/// sockets only a moment after the process has ended.
fn bind_exclusively(address: SocketAddr) -> io::Result<Socket> {
    let deadline = Instant::now() + LISTEN_TIMEOUT;
    loop {
        let socket = socket(address)?;
        match socket.bind(&address.into()) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(LISTEN_RETRY_INTERVAL);
            }
            bound => return bound.map(|()| socket),
        }
    }
}

/// Opens one of several listeners on the address.
fn open_shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    // Accepted connections inherit both options. Nagle's algorithm would only add delay, because
    // all frames of a turn are already sent together. Bytes that a client does not read should stay
    // in its outbox, where the slow-client policies apply, and not in the kernel.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

/// Creates a TCP socket for the address, with the options that all sockets here need.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // The shard must not block when it refuses connections with `accept`.
    socket.set_nonblocking(true)?;
    Ok(socket)
}
