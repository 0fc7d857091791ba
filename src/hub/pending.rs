//! Commands whose answer is not available at once. Shard core.
//!
//! The hub asks a [`Question`] with a [`Ticket`]; the process answers later with the same ticket.
//! Until then the command is pending. A command without an answer fails at its deadline, and an
//! answer to a command that is no longer pending is ignored.

use std::collections::VecDeque;
use std::mem;

use foldhash::{HashMap, HashMapExt};

use crate::limits::{PENDING_COMMAND_TIMEOUT, PENDING_COMMANDS_PER_SHARD};
use crate::protocol::codes::ClientError;

use super::connection_id::ConnectionId;

/// Identifies a pending command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    connection: ConnectionId,
    number: u32,
}

#[cfg(test)]
impl Ticket {
    /// Creates a ticket for tests outside the hub, where only its identity matters.
    pub(crate) fn numbered(number: u32) -> Self {
        Self {
            connection: ConnectionId::from_bits(u64::from(number)),
            number,
        }
    }
}

/// What the hub asks of the process around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Take a client's publication. The topic is valid and the payload is JSON.
    Publish { topic: String, payload: Vec<u8> },
}

/// The answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Publish(PublishAnswer),
}

/// The answer to [`Question::Publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishAnswer {
    /// Ingest accepted the publication: it has its place in the order of its topic.
    Accepted,
    /// Ingest refuses the publication, now and later.
    Rejected,
    /// The publication found no room in a queue. The client may try again.
    Busy,
}

/// A pending command: who sent it, and the id that the reply carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingCommand {
    pub(super) connection: ConnectionId,
    pub(super) request: u32,
}

/// The pending commands of one shard.
#[derive(Debug, Default)]
pub(super) struct PendingCommands {
    commands: HashMap<u32, PendingCommand>,
    /// Deadlines in microseconds. All commands have the same timeout, so the first deadline is at
    /// the front. Commands that were answered meanwhile are skipped.
    deadlines: VecDeque<(u64, u32)>,
    /// Questions that the shell has not taken yet.
    questions: Vec<(Ticket, Question)>,
    next_number: u32,
}

impl PendingCommands {
    /// Makes a command pending and asks the question.
    ///
    /// Fails with a temporary error when the shard has [`PENDING_COMMANDS_PER_SHARD`] of them.
    pub(super) fn ask(
        &mut self,
        command: PendingCommand,
        question: Question,
        now_us: u64,
    ) -> Result<(), ClientError> {
        if self.commands.len() >= PENDING_COMMANDS_PER_SHARD {
            return Err(ClientError::TooManyRequests);
        }
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        self.commands.insert(number, command);
        let deadline_us = now_us + PENDING_COMMAND_TIMEOUT.as_micros() as u64;
        self.deadlines.push_back((deadline_us, number));
        let ticket = Ticket {
            connection: command.connection,
            number,
        };
        self.questions.push((ticket, question));
        Ok(())
    }

    /// Returns the questions asked since the last call, in order.
    pub(super) fn take_questions(&mut self) -> Vec<(Ticket, Question)> {
        mem::take(&mut self.questions)
    }

    /// Ends a pending command; `None` if it has ended before.
    pub(super) fn end(&mut self, ticket: Ticket) -> Option<PendingCommand> {
        let command = self.commands.remove(&ticket.number)?;
        debug_assert_eq!(command.connection, ticket.connection, "numbers are unique");
        self.forget_answered();
        Some(command)
    }

    /// Returns when the next command reaches its deadline.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.deadlines.front().map(|(deadline_us, _)| *deadline_us)
    }

    /// Ends the oldest command whose deadline has passed; `None` if there is none.
    pub(super) fn expire(&mut self, now_us: u64) -> Option<PendingCommand> {
        let &(deadline_us, number) = self.deadlines.front()?;
        if deadline_us > now_us {
            return None;
        }
        self.deadlines.pop_front();
        let command = self.commands.remove(&number);
        self.forget_answered();
        command
    }

    /// Removes deadlines of answered commands from the front, so that the front, if there is one,
    /// is the deadline of a pending command.
    fn forget_answered(&mut self) {
        while let Some((_, number)) = self.deadlines.front()
            && !self.commands.contains_key(number)
        {
            self.deadlines.pop_front();
        }
        if self.commands.is_empty() {
            // The memory of a burst is returned.
            self.commands = HashMap::new();
            self.deadlines = VecDeque::new();
        }
    }
}
