//! Receives from connections in turn, so that no connection keeps another one from being read. Runs
//! on the shard thread.
//!
//! A connection has one receive operation at most, which takes one buffer at most. The bytes are
//! passed to the hub before the connection may receive again:
//!
//! ```text
//! under way -> received -> hub -+-> under way   the socket has no more input
//!     |                         +-> waiting     the socket has more input
//!     |                         +-> paused      the connection has used up its rate
//!     |                         +-> parked      a command waits in the hub
//!     +-> waiting                               no buffer was free
//! ```
//!
//! A turn starts one operation for each free buffer at most, in the order in which the connections
//! began to wait.

use std::io;

use crate::hub::{ConnectionId, Reading};
use crate::limits::TURN_RECEIVE_TIME;

use super::receive_queue::Received;
use super::ring::{Completion, Errno, ReceivedBuffer, Ring, Socket as _, SocketInput};
use super::shard_loop::ShardLoop;
use super::work::Work;

impl<R: Ring> ShardLoop<R> {
    /// Handles a completed receive operation.
    pub(super) fn handle_received(
        &mut self,
        id: ConnectionId,
        result: Result<u32, Errno>,
        buffer: Option<ReceivedBuffer>,
        rest: SocketInput,
    ) {
        self.sockets.set_receiving(id, false);
        if self.sockets.open(id).is_none() {
            if let Some(buffer) = buffer {
                self.ring.return_buffer(buffer);
            }
            return self.release(id);
        }
        match (result, buffer) {
            (Ok(bytes @ 1..), Some(buffer)) => self.receives.add_received(Received {
                id,
                buffer,
                bytes: bytes as usize,
                rest,
            }),
            (Err(Errno(libc::ENOBUFS)), _) => {
                self.hub.counts_mut().buffers_exhausted += 1;
                self.receives.wait(id);
            }
            (Err(Errno(libc::EINTR | libc::EAGAIN)), _) => self.receives.wait(id),
            (Ok(_), _) => self.hub.end_of_stream(id),
            (Err(_), _) => self.hub.lost(id),
        }
    }

    /// Passes received bytes to the hub, oldest first, for [`TURN_RECEIVE_TIME`] at most. The rest
    /// is left for the next turn, so that publications are not delayed.
    pub(super) fn process_received(&mut self, now_us: u64) -> io::Result<Work> {
        // A pause that begins in this turn ends later than those that are over.
        self.receives.end_pause(now_us);
        let mut work = Work::None;
        let end_us = self.ring.now_us() + TURN_RECEIVE_TIME.as_micros() as u64;
        while let Some(received) = self.receives.next_received() {
            work = Work::Done;
            let Received {
                id,
                buffer,
                bytes,
                rest,
            } = received;
            let input = self.ring.bytes(&buffer, bytes);
            let reading = self.hub.receive(id, input, now_us);
            self.ring.return_buffer(buffer);
            match (reading, rest) {
                // The hub reports when the connection may be read again.
                (Reading::Parked, _) => {}
                (Reading::Paused { until_us }, _) => self.receives.pause(id, until_us),
                (Reading::Continues, SocketInput::Waiting) => self.receives.wait(id),
                (Reading::Continues, SocketInput::Drained) => self.start_receive(id, rest)?,
            }
            if self.ring.now_us() >= end_us {
                break;
            }
        }
        Ok(work)
    }

    /// Starts to receive from the connections whose turn it is. Reports work if others still wait.
    pub(super) fn start_receives(&mut self) -> io::Result<Work> {
        while let Some(id) = self.hub.poll_readable() {
            // Most clients wait for the reply to the command that was parked, so nothing is in the
            // socket. Otherwise the operation completes at once.
            self.start_receive(id, SocketInput::Drained)?;
        }
        // With more operations than free buffers, some would fail and lose their place.
        for _ in 0..self.ring.free_buffers() {
            let Some(id) = self.receives.next_waiting() else {
                break;
            };
            self.start_receive(id, SocketInput::Waiting)?;
        }
        Ok(self.receives.work())
    }

    /// Starts to receive from a connection, unless the hub has closed it.
    pub(super) fn start_receive(&mut self, id: ConnectionId, input: SocketInput) -> io::Result<()> {
        if let Some(socket) = self.sockets.open(id) {
            self.ring.receive(socket, id, input)?;
            self.sockets.set_receiving(id, true);
        }
        Ok(())
    }

    /// Informs the hub which of the connections that did not meet a deadline have sent nothing.
    /// The bytes of the others are unread, because the shard is behind.
    pub(super) fn confirm_silence(&mut self, now_us: u64) -> io::Result<()> {
        let mut next = self.hub.poll_silence_check();
        if next.is_some() {
            self.end_completed_receives()?;
        }
        while let Some(id) = next {
            let is_silent = self
                .sockets
                .receiving(id)
                .is_some_and(|socket| !socket.has_unread());
            if is_silent {
                self.hub.silent(id, now_us);
            }
            next = self.hub.poll_silence_check();
        }
        Ok(())
    }

    /// Records the end of the receive operations whose completions the next turn handles. Their
    /// bytes are neither in the socket nor in the hub.
    fn end_completed_receives(&mut self) -> io::Result<()> {
        // A submit in this turn may have completed operations that were not reaped.
        self.ring.reap(&mut self.completions)?;
        for completion in &self.completions {
            if let Completion::Receive { id, .. } = completion {
                self.sockets.set_receiving(*id, false);
            }
        }
        Ok(())
    }
}
