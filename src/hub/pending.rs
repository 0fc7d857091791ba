//! Commands whose answer is not available at once. Shard core.
//!
//! The hub asks a [`Question`] with a [`Ticket`]; the process answers later with the same ticket.
//! Until then the command is pending. A command without an answer fails at its deadline, and an
//! answer to a command that is no longer pending is ignored.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::access::{ServiceAnswer, ServiceQuestion};
use crate::limits::{
    PENDING_COMMAND_TIMEOUT, PENDING_COMMANDS, PENDING_COMMANDS_PER_SHARD, PENDING_QUESTION_BYTES,
    SERVICE_CALLS_PER_SHARD, SERVICE_WAIT_BYTES,
};
use crate::protocol::ClientInfo;
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
        Self::of(ConnectionId::from_bits(u64::from(number)), number)
    }

    pub(super) fn of(connection: ConnectionId, number: u32) -> Self {
        Self { connection, number }
    }
}

/// A question of the hub to the process around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Take a client's publication. The topic is valid and the payload is JSON.
    Publish {
        topic: String,
        payload: Vec<u8>,
        /// The client, if clients are authenticated.
        info: Option<Arc<ClientInfo>>,
    },
    /// Ask a service outside the process.
    Service(ServiceQuestion),
}

impl Question {
    /// Returns the bytes that the question keeps allocated.
    fn bytes(&self) -> usize {
        match self {
            Self::Publish {
                topic,
                payload,
                info,
            } => topic.len() + payload.len() + info.as_ref().map_or(0, |info| info.bytes()),
            Self::Service(question) => question.bytes(),
        }
    }
}

impl Ticket {
    /// Returns the connection whose command is pending.
    pub(super) fn connection(self) -> ConnectionId {
        self.connection
    }
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Publish(PublishAnswer),
    Service(ServiceAnswer),
    /// There is no answer in time. The client may try again.
    Timeout,
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

/// Whether answers may have arrived in the process that the hub has not got yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnreadAnswers {
    #[default]
    None,
    /// The shell has not read its queue to the end.
    Possible,
}

/// The pending commands of one shard.
#[derive(Debug, Default)]
pub(super) struct PendingCommands {
    by_connection: HashMap<ConnectionId, Vec<PendingCommand>>,
    /// Number of pending commands, all connections together.
    count: usize,
    /// Deadlines in microseconds. All commands have the same timeout, so the first deadline is at
    /// the front. Entries of commands that have ended are skipped.
    deadlines: VecDeque<(u64, Ticket)>,
    /// Questions that the shell has not taken yet, and the bytes of their payloads.
    questions: Vec<(Ticket, Question)>,
    question_bytes: usize,
    next_number: u32,
    /// The bytes of each question to a service that is not answered. They stay in memory until
    /// then, also if the connection is closed.
    service_calls: HashMap<Ticket, usize>,
    service_bytes: usize,
    pub(super) unread_answers: UnreadAnswers,
}

/// A pending command of one connection.
#[derive(Clone, Copy, Debug)]
struct PendingCommand {
    number: u32,
    /// The id of the command, which the reply carries.
    request: u32,
}

impl PendingCommands {
    /// Makes a command pending and asks the question. `request` is the id of the command.
    ///
    /// Fails with a temporary error at the bounds [`PENDING_COMMANDS`] per connection, and
    /// [`PENDING_COMMANDS_PER_SHARD`] and [`PENDING_QUESTION_BYTES`] per shard.
    pub(super) fn ask(
        &mut self,
        connection: ConnectionId,
        request: u32,
        question: Question,
        now_us: u64,
    ) -> Result<(), ClientError> {
        let bytes = question.bytes();
        let has_bytes =
            self.question_bytes == 0 || self.question_bytes + bytes <= PENDING_QUESTION_BYTES;
        let is_full = self.count >= PENDING_COMMANDS_PER_SHARD
            || self.deadlines.len() >= 2 * PENDING_COMMANDS_PER_SHARD;
        if is_full || !has_bytes || self.count_of(connection) >= PENDING_COMMANDS {
            return Err(ClientError::TooManyRequests);
        }
        let ticket = self.next_ticket(connection);
        let number = ticket.number;
        let commands = self.by_connection.entry(connection).or_default();
        commands.push(PendingCommand { number, request });
        self.count += 1;
        let deadline_us = now_us + PENDING_COMMAND_TIMEOUT.as_micros() as u64;
        self.deadlines.push_back((deadline_us, ticket));
        self.question_bytes += bytes;
        self.questions.push((ticket, question));
        Ok(())
    }

    /// Returns whether a command may ask a service.
    pub(super) fn has_room_to_ask(&self) -> bool {
        self.service_calls.len() < SERVICE_CALLS_PER_SHARD
            && self.service_bytes < SERVICE_WAIT_BYTES
    }

    /// Returns whether the hub itself may ask a service. Half of the room is left to commands.
    pub(super) fn has_spare_room_to_ask(&self) -> bool {
        self.service_calls.len() < SERVICE_CALLS_PER_SHARD / 2
            && self.service_bytes < SERVICE_WAIT_BYTES / 2
    }

    /// Ends a question to a service, which is answered.
    pub(super) fn end_service_call(&mut self, ticket: Ticket) {
        if let Some(bytes) = self.service_calls.remove(&ticket) {
            self.service_bytes -= bytes;
        }
        if self.service_calls.is_empty() {
            // The memory of a burst is returned.
            self.service_calls = HashMap::new();
        }
    }

    /// Asks a service. The command that needs the answer is not pending: its connection is parked,
    /// or the answer is not for a command. The caller checks that there is room.
    pub(super) fn ask_service(
        &mut self,
        connection: ConnectionId,
        question: ServiceQuestion,
    ) -> Ticket {
        let ticket = self.next_ticket(connection);
        let bytes = question.bytes();
        self.service_calls.insert(ticket, bytes);
        self.service_bytes += bytes;
        self.questions.push((ticket, Question::Service(question)));
        ticket
    }

    fn next_ticket(&mut self, connection: ConnectionId) -> Ticket {
        let number = self.next_number;
        self.next_number = self.next_number.wrapping_add(1);
        Ticket { connection, number }
    }

    /// Returns the number of pending commands of a connection.
    pub(super) fn count_of(&self, connection: ConnectionId) -> usize {
        self.by_connection.get(&connection).map_or(0, Vec::len)
    }

    /// Returns the questions asked since the last call, in order.
    pub(super) fn take_questions(&mut self) -> Vec<(Ticket, Question)> {
        self.question_bytes = 0;
        mem::take(&mut self.questions)
    }

    /// Ends a pending command. Returns the id of the command; `None` if it has ended before.
    pub(super) fn end(&mut self, ticket: Ticket) -> Option<u32> {
        let commands = self.by_connection.get_mut(&ticket.connection)?;
        let index = commands
            .iter()
            .position(|command| command.number == ticket.number)?;
        let command = commands.remove(index);
        if commands.is_empty() {
            self.by_connection.remove(&ticket.connection);
        }
        self.count -= 1;
        self.forget_ended();
        Some(command.request)
    }

    /// Ends all pending commands of a connection, which is closed.
    pub(super) fn end_all(&mut self, connection: ConnectionId) {
        if let Some(commands) = self.by_connection.remove(&connection) {
            self.count -= commands.len();
            self.forget_ended();
        }
    }

    /// Returns when the next command reaches its deadline. While there may be unread answers, no
    /// command does, and the shell does not sleep.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.next_to_expire().map(|(deadline_us, _)| deadline_us)
    }

    /// Returns the oldest command whose deadline has passed; `None` if there is none. The caller
    /// ends the command.
    pub(super) fn expired(&self, now_us: u64) -> Option<Ticket> {
        let (deadline_us, ticket) = self.next_to_expire()?;
        (deadline_us <= now_us).then_some(ticket)
    }

    /// Returns the oldest command with its deadline. While there may be unread answers, there is
    /// none: the answer of the command may be among them.
    fn next_to_expire(&self) -> Option<(u64, Ticket)> {
        match self.unread_answers {
            UnreadAnswers::Possible => None,
            UnreadAnswers::None => self.deadlines.front().copied(),
        }
    }

    /// Removes deadlines of ended commands from the front, so that the front, if there is one, is
    /// the deadline of a pending command.
    fn forget_ended(&mut self) {
        while let Some((_, ticket)) = self.deadlines.front()
            && !self.is_pending(*ticket)
        {
            self.deadlines.pop_front();
        }
        if self.count == 0 {
            // The memory of a burst is returned.
            self.by_connection = HashMap::new();
            self.deadlines = VecDeque::new();
        }
    }

    fn is_pending(&self, ticket: Ticket) -> bool {
        let commands = self.by_connection.get(&ticket.connection);
        commands.is_some_and(|commands| {
            commands
                .iter()
                .any(|command| command.number == ticket.number)
        })
    }
}
