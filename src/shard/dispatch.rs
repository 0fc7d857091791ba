//! What each completion means for the hub. Shard core.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Arc;

use crate::hub::{ConnectionId, SendOutcome, Writability};

use super::acceptor::Due;
use super::drive::Drive;
use super::ring::{Completion, Operation};

impl Drive {
    /// Deals with one completion. Late ones, of a connection that is gone, do no harm: their id
    /// is of an older generation.
    pub(super) fn dispatch(&mut self, completion: Completion, now_us: u64) -> io::Result<()> {
        match completion.operation {
            Operation::Accept => self.accepted(completion, now_us),
            Operation::Receive => self.received(completion, now_us),
            Operation::Send => self.sent(completion, now_us),
            Operation::Writable => {
                self.sockets.set_awaiting_writable(completion.id, false);
                self.hub.writable(completion.id);
                self.release(completion.id);
                Ok(())
            }
            // The turn that these woke does what is due.
            Operation::Wake => {
                self.listening = false;
                Ok(())
            }
            Operation::Timer | Operation::Cancel => Ok(()),
        }
    }

    fn accepted(&mut self, completion: Completion, now_us: u64) -> io::Result<()> {
        if completion.result >= 0 {
            // SAFETY: the kernel has just made this descriptor for us.
            let socket = unsafe { OwnedFd::from_raw_fd(completion.result) };
            self.welcome(socket, now_us)?;
        } else if matches!(
            -completion.result,
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM
        ) {
            let (refused, first) = self.acceptor.starve(now_us);
            let counts = self.hub.counts_mut();
            counts.accepted += refused;
            counts.refused_descriptors += refused;
            if first {
                self.set_starved(true);
                tracing::warn!(
                    shard = self.index,
                    error = %io::Error::from_raw_os_error(-completion.result),
                    "cannot accept; retrying until descriptors return. Raise LimitNOFILE or lower \
                     ws.max_connections"
                );
            }
            return Ok(()); // `rearm` goes on after the pause.
        }
        if !completion.more {
            self.arm_accept()?;
        }
        Ok(())
    }

    fn welcome(&mut self, socket: OwnedFd, now_us: u64) -> io::Result<()> {
        let Some(id) = self.hub.accept(now_us) else {
            return Ok(());
        };
        self.sockets.insert(id, socket);
        self.arm_receive(id)
    }

    /// Takes in a stream that somebody in the process holds the other end of.
    pub(super) fn adopt(&mut self, socket: Arc<OwnedFd>, now_us: u64) -> io::Result<()> {
        let Some(socket) = Arc::into_inner(socket) else {
            return Ok(()); // Two shards were given it, which no order does.
        };
        let id = self.hub.accept_internal(now_us);
        self.sockets.insert(id, socket);
        self.arm_receive(id)
    }

    fn received(&mut self, completion: Completion, now_us: u64) -> io::Result<()> {
        let Completion { id, result, .. } = completion;
        if let Some(buffer) = completion.buffer {
            if result > 0 {
                let bytes = self.buffers.get(buffer, result.cast_unsigned() as usize);
                self.hub.receive(id, bytes, now_us);
            }
            self.buffers.give_back(buffer);
        }
        if completion.more {
            return Ok(());
        }
        self.sockets.set_receiving(id, false);
        match result {
            0 => self.hub.end_of_stream(id),
            // The other end of the multishot: it ran out of completions' room, so it is re-armed.
            1.. => self.arm_receive(id)?,
            _ if result == -libc::ENOBUFS => {
                self.hub.counts_mut().buffers_exhausted += 1;
                self.unarmed.push(id);
            }
            _ if result == -libc::EINTR || result == -libc::EAGAIN => self.unarmed.push(id),
            _ => self.hub.lost(id),
        }
        self.release(id);
        Ok(())
    }

    fn sent(&mut self, completion: Completion, now_us: u64) -> io::Result<()> {
        let Completion { id, result, .. } = completion;
        let sent = match result {
            0.. => SendOutcome::Written(result.cast_unsigned()),
            _ if matches!(-result, libc::EAGAIN | libc::EINTR | libc::ENOBUFS) => {
                SendOutcome::Written(0)
            }
            _ => SendOutcome::Failed,
        };
        if self.hub.sent(id, sent, now_us) == Writability::Full
            && let Some(socket) = self.sockets.descriptor(id)
        {
            self.ring.wait_writable(socket, id)?;
            self.sockets.set_awaiting_writable(id, true);
        }
        Ok(())
    }

    /// Arms again what had to wait: receives for buffers, the accept for descriptors.
    pub(super) fn rearm(&mut self, now_us: u64) -> io::Result<()> {
        for id in std::mem::take(&mut self.unarmed) {
            self.arm_receive(id)?;
        }
        match self.acceptor.due(now_us) {
            Some(Due::Resume) => self.arm_accept()?,
            Some(Due::Recovered) => {
                self.set_starved(false);
                tracing::info!(
                    shard = self.index,
                    "descriptors are back; accepting as usual"
                );
            }
            None => {}
        }
        Ok(())
    }

    fn arm_accept(&mut self) -> io::Result<()> {
        match self.acceptor.descriptor() {
            Some(listener) => self.ring.accept(listener),
            None => Ok(()),
        }
    }

    fn arm_receive(&mut self, id: ConnectionId) -> io::Result<()> {
        if let Some(socket) = self.sockets.descriptor(id) {
            self.ring.receive(socket, id)?;
            self.sockets.set_receiving(id, true);
        }
        Ok(())
    }

    fn set_starved(&self, starved: bool) {
        self.shard()
            .out_of_descriptors
            .store(starved, std::sync::atomic::Ordering::Relaxed);
    }
}
