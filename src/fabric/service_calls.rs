//! Questions of shards to the service thread, and the queue of its answers to one shard.
//!
//! A shard reserves room for the answer before it asks. So the number of questions is bounded, and
//! the service thread can always push an answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::mpsc;

use crate::access::{ServiceAnswer, ServiceQuestion};
use crate::hub::Ticket;
use crate::limits::SERVICE_CALLS_PER_SHARD;

/// One question of a shard.
#[derive(Debug)]
pub struct ServiceCall {
    /// The index of the shard that asks.
    pub shard: usize,
    pub ticket: Ticket,
    pub question: ServiceQuestion,
    /// When the shard asked, in microseconds of the process clock.
    pub asked_at_us: u64,
}

/// The shard has [`SERVICE_CALLS_PER_SHARD`] questions without answers, or no service thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service thread has too many questions of this shard")]
pub struct ServiceBusy;

/// The questions of all shards. Shards push, and the service thread takes them.
#[derive(Debug)]
pub struct ServiceCalls {
    sender: mpsc::UnboundedSender<ServiceCall>,
    /// Taken by the service thread when it starts.
    receiver: Mutex<Option<mpsc::UnboundedReceiver<ServiceCall>>>,
}

impl Default for ServiceCalls {
    fn default() -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
        }
    }
}

impl ServiceCalls {
    /// Returns the receiving end. Called once, by the service thread.
    pub fn take_receiver(&self) -> Option<mpsc::UnboundedReceiver<ServiceCall>> {
        let receiver = self.receiver.lock();
        receiver.unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn push(&self, call: ServiceCall) -> Result<(), ServiceBusy> {
        self.sender.send(call).map_err(|_| ServiceBusy)
    }
}

/// The answers of the service thread to one shard. The service thread pushes and the shard pops.
#[derive(Debug)]
pub struct ServiceAnswers {
    /// Bounded by the reservations, so that it uses memory only for answers that are on their way.
    sender: Sender<(Ticket, ServiceAnswer)>,
    receiver: Receiver<(Ticket, ServiceAnswer)>,
    /// Questions whose answers the shard has not popped. Only the shard writes it.
    awaited: AtomicUsize,
}

impl Default for ServiceAnswers {
    fn default() -> Self {
        let (sender, receiver) = unbounded();
        Self {
            sender,
            receiver,
            awaited: AtomicUsize::new(0),
        }
    }
}

impl ServiceAnswers {
    /// Reserves room for one answer. Called by the shard.
    pub(super) fn reserve(&self) -> Result<(), ServiceBusy> {
        let awaited = self.awaited.load(Ordering::Relaxed);
        if awaited == SERVICE_CALLS_PER_SHARD {
            return Err(ServiceBusy);
        }
        self.awaited.store(awaited + 1, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the room of one reservation. Called by the shard.
    pub(super) fn release(&self) {
        self.awaited.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn push(&self, ticket: Ticket, answer: ServiceAnswer) {
        // The receiver is in the same structure, so sending does not fail.
        let _ = self.sender.send((ticket, answer));
    }

    /// Removes the oldest answer. Called by the shard.
    pub fn pop(&self) -> Option<(Ticket, ServiceAnswer)> {
        let answer = self.receiver.try_recv().ok()?;
        self.release();
        Some(answer)
    }

    /// Returns whether the shard has nothing to take.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}
