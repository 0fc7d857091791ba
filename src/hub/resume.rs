//! Parks connections, and continues with them in later turns. Shard core.

use crate::protocol::codes::ClientError;
use crate::wire::handshake::HttpRefusal;

use super::Hub;
use super::connection_id::ConnectionId;
use super::parked::{Awaited, Held, Parking, Wait};
use super::pending::UnreadAnswers;

impl Hub {
    /// Checks that a connection may wait. Fails with a temporary error if too many connections of
    /// the shard wait for answers.
    pub(super) fn admit_wait(&mut self, wait: &Wait) -> Result<(), ClientError> {
        let may_ask = match wait {
            Wait::ForTurn => true,
            Wait::ForAnswer(_) => self.pending.has_room_to_ask(),
        };
        if may_ask && self.parked.has_room() {
            return Ok(());
        }
        self.counts.service_refused += 1;
        Err(ClientError::Internal)
    }

    /// Parks a connection that was admitted with [`admit_wait`](Self::admit_wait).
    pub(super) fn park(&mut self, id: ConnectionId, held: Held, wait: Wait, now_us: u64) {
        match wait {
            Wait::ForTurn => self.parked.park(id, held),
            Wait::ForAnswer(question) => {
                let ticket = self.pending.ask_service(id, question);
                self.parked.park_for_answer(id, held, ticket, now_us);
            }
        }
    }

    /// Continues with parked connections, oldest first, for as long as a turn may verify tokens.
    /// The shell calls it once in each turn, after it has passed publications and answers to the
    /// hub.
    pub fn resume_parked(&mut self, now_us: u64) -> Parking {
        self.parked.begin_turn();
        while let Some((id, held, awaited)) = self.parked.next() {
            self.resume(id, held, awaited, now_us);
        }
        self.parked.parking()
    }

    fn resume(&mut self, id: ConnectionId, mut held: Held, awaited: Awaited, now_us: u64) {
        let answer_bytes = match &awaited {
            Awaited::Answer(answer) => answer.bytes(),
            Awaited::Nothing | Awaited::NoAnswer => 0,
        };
        let bytes = held.len() + answer_bytes;
        self.accept_keys(&awaited);
        match (held.message, awaited) {
            (Some(held), awaited) => {
                let (first, message) = (held.command, &held.message);
                self.handle_commands(id, held.codec, message, first, awaited, now_us);
            }
            (None, Awaited::NoAnswer) => {
                let text = "the server is busy; try again later";
                self.refuse(id, None, &HttpRefusal::Unavailable(text), now_us);
            }
            // The request head is in the input. What it awaited has changed the verifier.
            (None, Awaited::Nothing | Awaited::Answer(_)) => {}
        }
        if self.parked.contains(id) {
            self.parked.keep_input(id, &held.input);
        } else {
            self.process(id, &mut held.input, now_us);
        }
        self.key_fault = None;
        self.parked.take_time_for_bytes(bytes);
        if !self.parked.contains(id) {
            self.parked.set_readable(id);
        }
    }

    /// Returns the next connection that is no longer parked. The shell reads from it again.
    #[must_use]
    pub fn poll_readable(&mut self) -> Option<ConnectionId> {
        self.parked.next_readable()
    }

    /// Returns when the next parked connection has waited too long for its answer. While there may
    /// be unread answers, none has, and the shell does not sleep.
    pub(super) fn wait_deadline_us(&self) -> Option<u64> {
        match self.pending.unread_answers {
            UnreadAnswers::Possible => None,
            UnreadAnswers::None => self.parked.deadline_us(),
        }
    }

    /// Lets the connections continue whose answers are late: their commands fail.
    pub(super) fn end_late_waits(&mut self, now_us: u64) {
        while self
            .wait_deadline_us()
            .is_some_and(|due_us| due_us <= now_us)
            && let Some(ticket) = self.parked.expired(now_us)
        {
            self.parked.end_wait(ticket, Awaited::NoAnswer);
        }
    }
}
