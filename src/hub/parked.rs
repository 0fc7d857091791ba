//! Connections whose next command or request waits: until the shard has time for its token, or
//! until a service outside the process has answered. Shard core.
//!
//! An asymmetric signature takes as long to verify as the sends of many deliveries. Therefore a
//! turn verifies tokens for a limited time. A call of a service takes milliseconds or seconds. A
//! connection whose command has to wait is parked: the hub keeps the bytes that the connection has
//! sent, and the shell does not read from it. Later the command is executed again, with the answer
//! if one was awaited. So the commands of one connection keep their order, and a connection has at
//! most one call under way.

use std::collections::{BTreeSet, VecDeque};

use foldhash::{HashMap, HashMapExt};

use crate::access::{ServiceAnswer, ServiceQuestion};
use crate::limits::{PARKED_BYTES, SERVICE_ANSWER_TIMEOUT};
use crate::protocol::codec::ClientCodec;

use super::connection_id::ConnectionId;
use super::pending::Ticket;
use super::token_time::{TokenTime, TurnTime};

/// Why a command or a request cannot be executed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// The turn has no time left for its token.
    ForTurn,
    /// The answer to this question is needed.
    ForAnswer(ServiceQuestion),
}

/// The answer at hand when a command or a request is executed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Awaited {
    /// None was awaited.
    #[default]
    Nothing,
    Answer(ServiceAnswer),
    /// The service thread was asked too much, or did not answer in time.
    NoAnswer,
}

/// The bytes of a parked connection that the hub has not processed.
pub(super) struct Held {
    /// The message whose command waits. `None` if the request head waits.
    pub(super) message: Option<HeldMessage>,
    /// The bytes from the head on, or those after the message.
    pub(super) input: Vec<u8>,
}

/// A message with a command that waits.
pub(super) struct HeldMessage {
    pub(super) codec: ClientCodec,
    pub(super) message: Vec<u8>,
    /// The index of the command in the message.
    pub(super) command: usize,
    pub(super) purpose: Purpose,
}

/// Whether a command that waits may extend what expires meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `refresh` or `sub_refresh`.
    Refresh,
    Other,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |held| held.message.len());
        message + self.input.len()
    }
}

/// A parked connection.
struct ParkedConnection {
    held: Held,
    state: State,
}

enum State {
    /// The connection is in the queue of those that continue.
    Ready(Awaited),
    Awaiting(AwaitedAnswer),
}

/// An answer that has not arrived.
struct AwaitedAnswer {
    ticket: Ticket,
    deadline_us: u64,
}

/// The parked connections of one shard, and the time that is left for them in this turn.
#[derive(Default)]
pub(super) struct Parked {
    /// Connections that continue in a turn, oldest first.
    ready: VecDeque<ConnectionId>,
    by_connection: HashMap<ConnectionId, ParkedConnection>,
    /// Deadline and connection of each awaited answer.
    deadlines: BTreeSet<(u64, u64)>,
    /// The bytes that are held, all connections together.
    held_bytes: usize,
    /// Connections that may be read again.
    readable: VecDeque<ConnectionId>,
    time: TurnTime,
}

/// Whether parked connections could continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parking {
    /// None could, until an answer arrives.
    Empty,
    /// The shell calls [`Hub::resume_parked`] again in the next turn, without sleeping.
    Occupied,
}

impl Parked {
    /// Takes the time for one verification from that of the turn.
    pub(super) fn take_time(&mut self, cost_us: u32) -> TokenTime {
        self.time.take(cost_us)
    }

    pub(super) fn contains(&self, id: ConnectionId) -> bool {
        !self.by_connection.is_empty() && self.by_connection.contains_key(&id)
    }

    /// Returns whether another connection may be parked.
    pub(super) fn has_room(&self) -> bool {
        self.held_bytes < PARKED_BYTES
    }

    /// Returns whether a connection waits with a command that may extend what expires.
    pub(super) fn is_refreshing(&self, id: ConnectionId) -> bool {
        let parked = self.by_connection.get(&id);
        let message = parked.and_then(|parked| parked.held.message.as_ref());
        message.is_some_and(|message| message.purpose == Purpose::Refresh)
    }

    /// Parks a connection until a turn has time for it.
    pub(super) fn park(&mut self, id: ConnectionId, held: Held) {
        self.insert(id, held, State::Ready(Awaited::Nothing));
        self.ready.push_back(id);
    }

    /// Parks a connection until the answer with this ticket arrives.
    pub(super) fn park_for_answer(
        &mut self,
        id: ConnectionId,
        held: Held,
        ticket: Ticket,
        now_us: u64,
    ) {
        let awaited = AwaitedAnswer {
            ticket,
            deadline_us: now_us + SERVICE_ANSWER_TIMEOUT.as_micros() as u64,
        };
        self.deadlines.insert((awaited.deadline_us, id.to_bits()));
        self.insert(id, held, State::Awaiting(awaited));
    }

    fn insert(&mut self, id: ConnectionId, held: Held, state: State) {
        self.held_bytes += held.len();
        let parked = ParkedConnection { held, state };
        let previous = self.by_connection.insert(id, parked);
        debug_assert!(previous.is_none(), "a parked connection is not processed");
    }

    /// Ends the wait for the answer with this ticket. An answer that no connection waits for is
    /// ignored.
    pub(super) fn end_wait(&mut self, ticket: Ticket, awaited: Awaited) {
        let id = ticket.connection();
        let Some(parked) = self.by_connection.get_mut(&id) else {
            return;
        };
        let State::Awaiting(wait) = &parked.state else {
            return;
        };
        if wait.ticket == ticket {
            self.deadlines.remove(&(wait.deadline_us, id.to_bits()));
            parked.state = State::Ready(awaited);
            self.ready.push_back(id);
        }
    }

    /// Returns when the next awaited answer is late.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.deadlines.first().map(|(deadline_us, _)| *deadline_us)
    }

    /// Returns the ticket of an answer that is late. The caller answers in its place.
    pub(super) fn expired(&self, now_us: u64) -> Option<Ticket> {
        let (deadline_us, bits) = *self.deadlines.first()?;
        let parked = self.by_connection.get(&ConnectionId::from_bits(bits))?;
        match &parked.state {
            State::Awaiting(awaited) if deadline_us <= now_us => Some(awaited.ticket),
            State::Awaiting(_) | State::Ready(_) => None,
        }
    }

    /// Keeps the bytes that follow the message of a parked connection.
    pub(super) fn keep_input(&mut self, id: ConnectionId, input: &[u8]) {
        if self.by_connection.is_empty() {
            return;
        }
        if let Some(parked) = self.by_connection.get_mut(&id) {
            parked.held.input.extend_from_slice(input);
            self.held_bytes += input.len();
        }
    }

    /// Forgets a connection, because it is being closed.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if self.by_connection.is_empty() {
            return;
        }
        let Some(parked) = self.by_connection.remove(&id) else {
            return;
        };
        self.held_bytes -= parked.held.len();
        if let State::Awaiting(awaited) = parked.state {
            self.deadlines.remove(&(awaited.deadline_us, id.to_bits()));
        }
        self.readable.push_back(id);
    }

    /// Adds a connection to those that may be read again.
    pub(super) fn set_readable(&mut self, id: ConnectionId) {
        if !self.is_last_readable(id) {
            self.readable.push_back(id);
        }
    }

    /// Removes a connection that has just become readable, because its caller reads it anyway.
    pub(super) fn forget_readable(&mut self, id: ConnectionId) {
        if self.is_last_readable(id) {
            self.readable.pop_back();
        }
    }

    fn is_last_readable(&self, id: ConnectionId) -> bool {
        self.readable.back() == Some(&id)
    }

    /// Removes the next connection that may be read again.
    pub(super) fn next_readable(&mut self) -> Option<ConnectionId> {
        self.readable.pop_front()
    }

    /// Returns the number of parked connections.
    pub(super) fn len(&self) -> usize {
        self.by_connection.len()
    }

    /// Returns whether connections could continue in the next turn.
    pub(super) fn parking(&self) -> Parking {
        if self.ready.is_empty() {
            Parking::Empty
        } else {
            Parking::Occupied
        }
    }

    /// Begins a turn, which has time for tokens again.
    pub(super) fn begin_turn(&mut self) {
        self.time = TurnTime::default();
    }

    /// Takes the time to process held bytes from that of the turn. Called after their command, so
    /// that a long message cannot use up the time for its own token in every turn.
    pub(super) fn take_time_for_bytes(&mut self, bytes: usize) {
        self.time.take_for_bytes(bytes);
    }

    /// Removes the connection that has been ready for the longest time, with the answer that it
    /// awaited. Returns `None` if the turn has no time left.
    pub(super) fn next(&mut self) -> Option<(ConnectionId, Held, Awaited)> {
        if self.time.is_exhausted() {
            return None;
        }
        while let Some(id) = self.ready.pop_front() {
            // It may have been closed meanwhile.
            let Some(ParkedConnection { held, state }) = self.by_connection.remove(&id) else {
                continue;
            };
            let State::Ready(awaited) = state else {
                debug_assert!(false, "a connection that awaits an answer is not ready");
                return None;
            };
            self.held_bytes -= held.len();
            return Some((id, held, awaited));
        }
        // The memory of a storm is returned.
        self.ready = VecDeque::new();
        if self.by_connection.is_empty() {
            self.by_connection = HashMap::new();
        }
        None
    }
}

#[cfg(test)]
mod tests;
