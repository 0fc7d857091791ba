//! Handles completions of the ring: passes their results to the hub, and restarts operations that
//! have ended. Runs on the shard thread.

use std::io;
use std::os::fd::OwnedFd;

use crate::hub::{ConnectionId, SendOutcome, Writability};

use super::acceptor::{Exhaustion, Shortage};
use super::ring::{Completion, Errno, Multishot, Ring, SocketInput};
use super::shard_loop::ShardLoop;

impl<R: Ring> ShardLoop<R> {
    /// Handles one completion. A completion for a connection that no longer exists has no effect,
    /// because its id belongs to an earlier generation of the slot.
    pub(super) fn dispatch(
        &mut self,
        completion: Completion<R::Socket>,
        now_us: u64,
    ) -> io::Result<()> {
        match completion {
            Completion::Accept { result, series } => self.handle_accept(result, series, now_us),
            Completion::Receive {
                id,
                result,
                buffer,
                input,
            } => {
                self.handle_received(id, result, buffer, input);
                Ok(())
            }
            Completion::Send { id, result } => self.handle_sent(id, result, now_us),
            Completion::Writable { id } => {
                self.sockets.set_awaiting_writable(id, false);
                self.hub.writable(id);
                self.release(id);
                Ok(())
            }
            Completion::WakeRead => {
                self.reading_wake = false;
                Ok(())
            }
            // These completions only end a sleep. The turn finds out itself which work is due.
            Completion::Timer | Completion::Cancel => Ok(()),
        }
    }

    /// Handles an accepted connection, or a failure to accept one.
    fn handle_accept(
        &mut self,
        result: Result<R::Socket, Errno>,
        series: Multishot,
        now_us: u64,
    ) -> io::Result<()> {
        match result {
            Ok(socket) => self.accept_socket(socket, now_us)?,
            Err(Errno(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)) => {
                self.handle_exhaustion(result.err(), now_us);
                return Ok(()); // `rearm` starts the accept operation again after the pause.
            }
            Err(_) => {}
        }
        match series {
            Multishot::Continues => Ok(()),
            Multishot::Ended => self.acceptor.restart(&mut self.ring),
        }
    }

    /// Registers an accepted connection. Closes it if the hub does not admit it.
    fn accept_socket(&mut self, socket: R::Socket, now_us: u64) -> io::Result<()> {
        let Some(id) = self.hub.accept(now_us) else {
            return Ok(());
        };
        self.sockets.insert(id, socket);
        self.start_receive(id, SocketInput::Drained)
    }

    /// Registers a connection whose other end belongs to this process.
    pub(super) fn accept_internal(&mut self, stream: OwnedFd, now_us: u64) -> io::Result<()> {
        let id = self.hub.accept_internal(now_us);
        let socket = self.ring.adopt(stream);
        self.sockets.insert(id, socket);
        self.start_receive(id, SocketInput::Drained)
    }

    /// Counts and logs the connections that were refused because no descriptor was left.
    fn handle_exhaustion(&mut self, error: Option<Errno>, now_us: u64) {
        let exhaustion = self.acceptor.handle_exhaustion(now_us, &mut self.ring);
        let Some(Exhaustion { refused, shortage }) = exhaustion else {
            return;
        };
        let counts = self.hub.counts_mut();
        counts.accepted += refused;
        counts.refused_descriptors += refused;
        if shortage == Shortage::Began {
            self.set_out_of_descriptors(true);
            tracing::warn!(
                shard = self.index,
                error = error.map(tracing::field::display),
                "cannot accept connections; retrying until descriptors are available. Raise \
                 LimitNOFILE or lower ws.max_connections"
            );
        }
    }

    /// Passes the result of a send to the hub. Waits for writability if the socket is full.
    pub(super) fn handle_sent(
        &mut self,
        id: ConnectionId,
        result: Result<u32, Errno>,
        now_us: u64,
    ) -> io::Result<()> {
        let outcome = match result {
            Ok(bytes) => SendOutcome::Written(bytes),
            Err(Errno(libc::EAGAIN | libc::EINTR | libc::ENOBUFS)) => SendOutcome::Written(0),
            Err(_) => SendOutcome::Failed,
        };
        if self.hub.sent(id, outcome, now_us) == Writability::Full
            && let Some(socket) = self.sockets.open(id)
        {
            self.ring.wait_writable(socket, id)?;
            self.sockets.set_awaiting_writable(id, true);
        }
        Ok(())
    }
}
