//! Commands of the Centrifugal client protocol, JSON codec.

use std::mem;

use uuid::Uuid;

use crate::config::PayloadKind;
use crate::limits::{COMMANDS_PER_MESSAGE, PENDING_COMMANDS};
use crate::protocol::codes::ClientError;
use crate::protocol::command::{self, Command, Outcome, Request};
use crate::protocol::reply;
use crate::protocol::topic;
use crate::wire::encode;

use super::connection::{Admission, ConnectionId, Phase};
use super::pending::{Answer, PendingCommand, PublishAnswer, Question, Ticket};
use super::{CloseReason, Hub};

impl Hub {
    /// Carries out one message: commands joined by newlines, answered in one frame.
    pub(super) fn commands(&mut self, id: ConnectionId, message: &mut [u8], now_us: u64) {
        let mut parser = mem::take(&mut self.parser);
        let mut failure = None;
        for (number, line) in command::lines(message).enumerate() {
            if number > 0 && !self.charge(id, now_us) {
                failure = Some(CloseReason::TooFast);
            } else if number == COMMANDS_PER_MESSAGE {
                failure = Some(CloseReason::BadRequest);
            } else {
                self.counts.commands += 1;
                failure = match parser.parse(line) {
                    Ok(request) => self.command(id, request, now_us).err(),
                    Err(fault) => match fault.outcome() {
                        Outcome::Reply { id: request, error } => {
                            self.answer_error(request, error);
                            None
                        }
                        Outcome::Disconnect(_) => Some(CloseReason::BadRequest),
                    },
                };
            }
            if failure.is_some() {
                break;
            }
        }
        self.parser = parser;
        self.send_replies(id, now_us);
        if let Some(cause) = failure {
            self.close(id, cause, now_us);
        }
    }

    /// Carries out one command. An error ends the connection.
    fn command(
        &mut self,
        id: ConnectionId,
        request: Request<'_>,
        now_us: u64,
    ) -> Result<(), CloseReason> {
        let opening = self.connections.at(id.slot() as u32).phase == Phase::ClientOpening;
        if opening != matches!(request.command, Command::Connect) {
            return Err(CloseReason::BadRequest);
        }
        let Request {
            id: request,
            command,
        } = request;
        let outcome = match command {
            Command::Connect => {
                self.connect(id, request, now_us);
                Ok(())
            }
            Command::Subscribe { channel } => self.subscribe(id, request, channel),
            Command::Unsubscribe { channel } => {
                self.unsubscribe(id, request, channel);
                Ok(())
            }
            Command::Publish { channel, data } => {
                self.publish_from(id, request, channel, data, now_us)
            }
            Command::Ping => {
                self.reply(|out| reply::ping(out, request));
                Ok(())
            }
            // Its bytes have already shown that the peer is alive; `send` has no receiver here.
            Command::Pong | Command::Send => Ok(()),
            Command::Unsupported(_) => Err(ClientError::NotAvailable),
        };
        if let Err(error) = outcome {
            self.answer_error(request, error);
        }
        Ok(())
    }

    fn connect(&mut self, id: ConnectionId, request: u32, now_us: u64) {
        let client = self.client_id(id).to_string();
        let ping_s = self.config.ws.ping.as_secs().max(1) as u32;
        self.reply(|out| reply::connect(out, request, &client, VERSION, ping_s));
        self.connections.at(id.slot() as u32).phase = Phase::Client;
        self.start_pings(id, now_us);
    }

    /// The id that a client is told. It can be made again at any time, so that no connection has
    /// to keep it.
    pub(super) fn client_id(&self, id: ConnectionId) -> Uuid {
        let half = |seed: u64| fastrand::Rng::with_seed(seed ^ id.to_bits()).u64(..);
        let [high, low] = self.client_seeds.map(half);
        let random = u128::from(high) << 64 | u128::from(low);
        uuid::Builder::from_random_bytes(random.to_ne_bytes()).into_uuid()
    }

    fn subscribe(&mut self, id: ConnectionId, request: u32, name: &str) -> Result<(), ClientError> {
        if !self.may_use(id, name) {
            return Err(ClientError::PermissionDenied);
        }
        if self.membership(id, name).is_some() {
            return Err(ClientError::AlreadySubscribed);
        }
        if self.connections.at(id.slot() as u32).topics.len() >= self.config.ws.max_topics {
            return Err(ClientError::LimitExceeded);
        }
        self.join(id, name);
        self.reply(|out| reply::subscribe(out, request));
        Ok(())
    }

    fn unsubscribe(&mut self, id: ConnectionId, request: u32, name: &str) {
        if let Some(membership) = self.membership(id, name) {
            self.leave(id.slot() as u32, membership);
        }
        self.reply(|out| reply::unsubscribe(out, request));
    }

    fn publish_from(
        &mut self,
        id: ConnectionId,
        request: u32,
        name: &str,
        data: Vec<u8>,
        now_us: u64,
    ) -> Result<(), ClientError> {
        let may_use = self.may_use(id, name);
        let namespace = self.config.namespace(name);
        if !may_use || !namespace.publish {
            return Err(ClientError::PermissionDenied);
        }
        if namespace.payload != PayloadKind::Json {
            return Err(ClientError::NotAvailable);
        }
        if data.len() > self.config.ingest.max_payload {
            return Err(ClientError::LimitExceeded);
        }
        let question = Question::Publish {
            topic: name.into(),
            payload: data,
        };
        self.ask(id, request, question, now_us)
    }

    /// Makes a command pending until the answer to the question arrives.
    fn ask(
        &mut self,
        id: ConnectionId,
        request: u32,
        question: Question,
        now_us: u64,
    ) -> Result<(), ClientError> {
        let connection = self.connections.at(id.slot() as u32);
        if connection.pending_commands >= PENDING_COMMANDS {
            return Err(ClientError::TooManyRequests);
        }
        let command = PendingCommand {
            connection: id,
            request,
        };
        self.pending.ask(command, question, now_us)?;
        connection.pending_commands += 1;
        Ok(())
    }

    /// Returns the questions that commands asked since the last call. The shell takes them once
    /// per turn and later calls [`Hub::answer`] with each ticket.
    #[must_use]
    pub fn take_questions(&mut self) -> Vec<(Ticket, Question)> {
        self.pending.take_questions()
    }

    /// Replies to a pending command. An answer that is late, or whose connection has ended, is
    /// ignored.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer, now_us: u64) {
        let Some(command) = self.pending.end(ticket) else {
            return;
        };
        let error = match answer {
            Answer::Publish(PublishAnswer::Accepted) => None,
            Answer::Publish(PublishAnswer::Rejected) => Some(ClientError::BadRequest),
            Answer::Publish(PublishAnswer::Busy) => Some(ClientError::TooManyRequests),
        };
        self.reply_pending(command, error, now_us);
    }

    /// Replies to a command that got no answer in time: the error is temporary.
    pub(super) fn fail_pending(&mut self, command: PendingCommand, now_us: u64) {
        self.reply_pending(command, Some(ClientError::Internal), now_us);
    }

    fn reply_pending(&mut self, command: PendingCommand, error: Option<ClientError>, now_us: u64) {
        let id = command.connection;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.pending_commands -= 1;
        if !connection.phase.is_open() {
            return;
        }
        match error {
            None => self.reply(|out| reply::publish(out, command.request)),
            Some(error) => self.answer_error(command.request, error),
        }
        self.send_replies(id, now_us);
    }

    /// Sends the replies that were collected, in one frame.
    fn send_replies(&mut self, id: ConnectionId, now_us: u64) {
        if !self.replies.is_empty() {
            let frame = encode::text(&self.replies);
            self.replies.clear();
            self.push_reply(id, frame, now_us);
        }
    }

    /// Whether a topic is open to the connection: one is the process's own.
    pub(super) fn may_use(&mut self, id: ConnectionId, name: &str) -> bool {
        name != topic::RESERVED || self.connections.at(id.slot() as u32).place == Admission::Own
    }

    /// Which of the connection's memberships is the one of this topic.
    fn membership(&mut self, id: ConnectionId, name: &str) -> Option<usize> {
        let topic = self.topics.find_by_name(name)?;
        let memberships = &self.connections.at(id.slot() as u32).topics;
        memberships
            .iter()
            .position(|membership| membership.topic == topic)
    }

    fn answer_error(&mut self, request: u32, error: ClientError) {
        self.counts.command_errors += 1;
        self.reply(|out| reply::error(out, request, error));
    }

    fn reply(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.replies.is_empty() {
            self.replies.push(b'\n');
        }
        write(&mut self.replies);
    }
}

/// What `connect` tells the client about the server.
const VERSION: &str = concat!("fanfare ", env!("CARGO_PKG_VERSION"));
