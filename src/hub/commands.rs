//! Commands of the client protocol. Shard core.
//!
//! A command ends in one of three ways: with a reply, with the close of the connection, or pending
//! until the answer to a question arrives. A command that waits for time or for a service is
//! executed again in a later turn.

use std::mem;

use uuid::Uuid;

use crate::access::hooks::HookDisconnect;
use crate::limits::COMMANDS_PER_MESSAGE;
use crate::protocol::codec::ClientCodec;
use crate::protocol::codes::ClientError;
use crate::protocol::command::{Command, CommandError, ErrorEffect, Request};
use crate::protocol::reply::Reply;
use crate::protocol::topic;

use super::Hub;
use super::close_reason::CloseReason;
use super::command_outcome::CommandOutcome;
use super::connection_id::ConnectionId;
use super::hook_calls::Executing;
use super::parked::{Awaited, Held, HeldMessage, Purpose, Wait};
use super::pending::{Answer, PublishAnswer, Question, Ticket};
use super::replies::Replies;
use super::sessions::{Allowance, Protocol, Stage};

/// The step after a command.
enum Next {
    Command,
    /// The connection is closed.
    Close(CloseReason),
    /// The connection is closed as a hook demands.
    CloseByHook(HookDisconnect),
    /// The connection is parked at this command.
    Park(Wait, Purpose),
}

impl From<ClientError> for CommandOutcome {
    fn from(error: ClientError) -> Self {
        Self::Reply(Reply::Error(error))
    }
}

impl Hub {
    /// Executes the commands of one message from the command with the index `first` on, for which
    /// `awaited` is. Their replies leave in one message, too.
    pub(super) fn handle_commands(
        &mut self,
        id: ConnectionId,
        codec: ClientCodec,
        message: &[u8],
        first: usize,
        mut awaited: Awaited,
        now_us: u64,
    ) {
        let mut replies = Replies::new(id, codec);
        let mut last = (first, Next::Command);
        for (index, command) in codec.commands(message).enumerate().skip(first) {
            // The frame was charged as the first command, and a parked command was charged before.
            let next = if index > first && self.charge(id, 1) == Allowance::Exhausted {
                Next::Close(CloseReason::TooFast)
            } else if index == COMMANDS_PER_MESSAGE {
                Next::Close(CloseReason::BadRequest)
            } else {
                let awaited = mem::take(&mut awaited);
                self.handle_command(id, command, &awaited, &mut replies, now_us)
            };
            // A push of the command may have closed the connection, whose outbox was full.
            if !self.sessions[id].is_open() {
                return;
            }
            last = (index, next);
            if !matches!(last.1, Next::Command) {
                break;
            }
        }
        self.send_replies(&replies, now_us);
        match last {
            (_, Next::Close(reason)) => self.close(id, reason, now_us),
            (_, Next::CloseByHook(disconnect)) => self.close_by_hook(id, &disconnect, now_us),
            // The replies may have closed the connection.
            (command, Next::Park(wait, purpose)) if self.sessions[id].is_open() => {
                let message = Some(HeldMessage {
                    codec,
                    message: message.to_vec(),
                    command,
                    purpose,
                });
                let input = Vec::new();
                self.park(id, Held { message, input }, wait, now_us);
            }
            (_, Next::Command | Next::Park(..)) => {}
        }
    }

    /// Executes one command and appends its reply.
    fn handle_command(
        &mut self,
        id: ConnectionId,
        command: Result<&[u8], CommandError>,
        awaited: &Awaited,
        replies: &mut Replies,
        now_us: u64,
    ) -> Next {
        let mut decoder = mem::take(&mut self.decoder);
        let bytes = command.unwrap_or_default();
        let mut purpose = Purpose::Other;
        let result = command.and_then(|command| decoder.decode(replies.codec, command));
        let (request, mut outcome) = match result {
            Ok(request) => {
                purpose = purpose_of(&request.command);
                let executing = Executing {
                    id,
                    codec: replies.codec,
                    command: bytes,
                    awaited,
                    now_us,
                };
                (request.id, self.execute(request, &executing))
            }
            Err(error) => match error.effect() {
                ErrorEffect::Reply { id, error } => (id, error.into()),
                ErrorEffect::Disconnect(_) => {
                    (0, CommandOutcome::Disconnect(CloseReason::BadRequest))
                }
            },
        };
        self.decoder = decoder;
        // The answer of a service is for this command alone.
        self.key_fault = None;
        if let CommandOutcome::Parked(wait) = outcome {
            match self.admit_wait(&wait) {
                Ok(()) => return Next::Park(wait, purpose),
                Err(error) => outcome = error.into(),
            }
        }
        self.counts.commands += 1;
        match outcome {
            CommandOutcome::Reply(reply) => self.append_reply(replies, request, &reply),
            CommandOutcome::Connected(grant) => self.append_connect_reply(replies, request, &grant),
            CommandOutcome::Refreshed(expiry) => {
                self.append_refresh_reply(replies, request, expiry);
            }
            CommandOutcome::Subscribed { expiry, data } => {
                let data = data.as_deref();
                self.append_reply(replies, request, &Reply::Subscribe { expiry, data });
            }
            CommandOutcome::Called { data } => {
                let data = data.as_deref();
                self.append_reply(replies, request, &Reply::Rpc { data });
            }
            CommandOutcome::Refused(error) => {
                let reply = Reply::CustomError {
                    code: error.code,
                    message: &error.message,
                    temporary: error.temporary,
                };
                self.append_reply(replies, request, &reply);
            }
            CommandOutcome::Ended(disconnect) => return Next::CloseByHook(disconnect),
            CommandOutcome::Disconnect(reason) => return Next::Close(reason),
            CommandOutcome::Silent | CommandOutcome::Pending | CommandOutcome::Parked(_) => {}
        }
        Next::Command
    }

    fn execute(&mut self, request: Request<'_>, executing: &Executing<'_>) -> CommandOutcome {
        let &Executing { id, now_us, .. } = executing;
        if *executing.awaited == Awaited::NoAnswer {
            self.counts.service_refused += 1;
            return ClientError::Internal.into();
        }
        let is_connecting = self.sessions[id].stage() == Stage::Connecting;
        if is_connecting != matches!(request.command, Command::Connect { .. }) {
            return CommandOutcome::Disconnect(CloseReason::BadRequest);
        }
        match request.command {
            Command::Connect { token } => self.connect(executing, token),
            Command::Refresh { token } => self.refresh(id, token, now_us),
            Command::Subscribe { channel, token } => self.subscribe(executing, channel, token),
            Command::SubRefresh { channel, token } => {
                self.refresh_subscription(id, channel, token, now_us)
            }
            Command::Unsubscribe { channel } => self.unsubscribe(id, channel),
            Command::Publish { channel, data } => {
                self.publish_from_client(executing, request.id, channel, data)
            }
            Command::Rpc => self.rpc(executing),
            Command::Ping => CommandOutcome::Reply(Reply::Ping),
            // Every input counts as a pong, and there is no application that takes messages.
            Command::Pong | Command::Send => CommandOutcome::Silent,
            Command::Unsupported(_) => ClientError::NotAvailable.into(),
        }
    }

    /// Makes a command pending until the answer to the question arrives.
    pub(super) fn ask(
        &mut self,
        id: ConnectionId,
        request: u32,
        question: Question,
        now_us: u64,
    ) -> CommandOutcome {
        match self.pending.ask(id, request, question, now_us) {
            Ok(()) => CommandOutcome::Pending,
            Err(error) => error.into(),
        }
    }

    /// Takes the answers to questions. A parked connection continues at
    /// [`resume_parked`](Self::resume_parked); a pending command ends with its reply. Consecutive
    /// replies of one connection leave in one message. An answer that is late, or whose connection
    /// is closed, is ignored.
    pub fn answer(&mut self, answers: impl IntoIterator<Item = (Ticket, Answer)>, now_us: u64) {
        let mut collected = None::<Replies>;
        for (ticket, answer) in answers {
            let Some(request) = self.pending.end(ticket) else {
                // It may push or close, after the replies before it.
                if let Some(replies) = collected.take() {
                    self.send_replies(&replies, now_us);
                }
                self.pending.end_service_call(ticket);
                self.end_wait(ticket, awaited(answer), now_us);
                continue;
            };
            let id = ticket.connection();
            if let Some(replies) =
                collected.take_if(|replies| replies.id != id || replies.is_full())
            {
                self.send_replies(&replies, now_us);
            }
            let Protocol::Client(codec) = self.sessions[id].protocol() else {
                continue;
            };
            let replies = collected.get_or_insert_with(|| Replies::new(id, codec));
            self.append_reply(replies, request, &reply_to(&answer));
        }
        if let Some(replies) = collected {
            self.send_replies(&replies, now_us);
        }
    }

    /// Ends the wait for the answer of a service. It is for a parked connection, or about something
    /// that has expired.
    fn end_wait(&mut self, ticket: Ticket, awaited: Awaited, now_us: u64) {
        match self.hook_clients.end_call(ticket) {
            Some(expired) => self.extend(ticket.connection(), &expired, &awaited, now_us),
            None => self.parked.end_wait(ticket, awaited),
        }
    }

    /// Ends the commands that got no answer in time. The error is temporary.
    pub(super) fn fail_expired_commands(&mut self, now_us: u64) {
        while let Some(ticket) = self.pending.expired(now_us) {
            self.answer([(ticket, Answer::Timeout)], now_us);
        }
    }

    /// Returns the id that the client of a connection is given. It is computed from the identifier
    /// of the connection, so that no connection has to store it.
    pub(super) fn client_id(&self, id: ConnectionId) -> Uuid {
        let half = |seed: u64| fastrand::Rng::with_seed(seed ^ id.to_bits()).u64(..);
        let [high, low] = self.client_seeds.map(half);
        let random = u128::from(high) << 64 | u128::from(low);
        uuid::Builder::from_random_bytes(random.to_ne_bytes()).into_uuid()
    }

    /// Returns whether a connection may use a topic: the topic of the watchdog is for internal
    /// connections.
    pub(super) fn may_use(&self, id: ConnectionId, name: &str) -> bool {
        name != topic::RESERVED || self.sessions[id].is_internal()
    }
}

/// Returns what a parked connection gets for the answer to its question.
fn awaited(answer: Answer) -> Awaited {
    match answer {
        Answer::Service(answer) => Awaited::Answer(answer),
        Answer::Publish(_) | Answer::Timeout => Awaited::NoAnswer,
    }
}

/// Returns whether a command may extend what expires while it waits.
fn purpose_of(command: &Command<'_>) -> Purpose {
    match command {
        Command::Refresh { .. } | Command::SubRefresh { .. } => Purpose::Refresh,
        _ => Purpose::Other,
    }
}

/// Returns the reply for the answer to a question.
fn reply_to(answer: &Answer) -> Reply<'static> {
    match answer {
        Answer::Publish(PublishAnswer::Accepted) => Reply::Publish,
        Answer::Publish(PublishAnswer::Rejected) => Reply::Error(ClientError::BadRequest),
        Answer::Publish(PublishAnswer::Busy) => Reply::Error(ClientError::TooManyRequests),
        // No pending command asks a service.
        Answer::Service(_) | Answer::Timeout => Reply::Error(ClientError::Internal),
    }
}
