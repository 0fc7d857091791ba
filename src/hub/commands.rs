//! Commands of the client protocol. Shard core.
//!
//! A command ends in one of three ways: with a reply, with the close of the connection, or pending
//! until the answer to a question arrives.

use std::mem;

use uuid::Uuid;

use crate::config::PayloadKind;
use crate::limits::COMMANDS_PER_MESSAGE;
use crate::protocol::codec::ClientCodec;
use crate::protocol::codes::ClientError;
use crate::protocol::command::{Command, CommandError, ErrorEffect, PublishData, Request};
use crate::protocol::reply::Reply;
use crate::protocol::topic;

use super::Hub;
use super::close_reason::CloseReason;
use super::connection_id::ConnectionId;
use super::pending::{Answer, PublishAnswer, Question, Ticket};
use super::sessions::{Allowance, Protocol, Stage};
use super::subscriptions::InterestChange;

/// Name and version of the server in the reply to a connect command.
const VERSION: &str = concat!("fanfare ", env!("CARGO_PKG_VERSION"));

/// How a command ends.
enum CommandOutcome {
    /// With this reply.
    Reply(Reply<'static>),
    /// With the reply to a connect command, which contains the id of the client.
    Connected,
    /// Without a reply.
    Silent,
    /// With the close of the connection.
    Disconnect(CloseReason),
    /// With the answer to a question that was asked.
    Pending,
}

impl From<ClientError> for CommandOutcome {
    fn from(error: ClientError) -> Self {
        Self::Reply(Reply::Error(error))
    }
}

/// The replies of one connection that leave in one message.
struct Replies {
    id: ConnectionId,
    codec: ClientCodec,
    message: Vec<u8>,
    count: usize,
}

impl Hub {
    /// Executes the commands of one message. Their replies leave in one message, too.
    pub(super) fn handle_commands(
        &mut self,
        id: ConnectionId,
        codec: ClientCodec,
        message: &[u8],
        now_us: u64,
    ) {
        let mut replies = Replies::new(id, codec);
        let mut close = None;
        for (index, command) in codec.commands(message).enumerate() {
            // The frame itself was charged as the first command.
            if index > 0 && self.charge(id, 1) == Allowance::Exhausted {
                close = Some(CloseReason::TooFast);
            } else if index == COMMANDS_PER_MESSAGE {
                close = Some(CloseReason::BadRequest);
            } else {
                close = self.handle_command(id, command, &mut replies, now_us);
            }
            if close.is_some() {
                break;
            }
        }
        self.send_replies(&replies, now_us);
        if let Some(reason) = close {
            self.close(id, reason, now_us);
        }
    }

    /// Executes one command and appends its reply. Returns why the connection is to be closed, if
    /// it is.
    fn handle_command(
        &mut self,
        id: ConnectionId,
        command: Result<&[u8], CommandError>,
        replies: &mut Replies,
        now_us: u64,
    ) -> Option<CloseReason> {
        self.counts.commands += 1;
        let mut decoder = mem::take(&mut self.decoder);
        let result = command.and_then(|command| decoder.decode(replies.codec, command));
        let (request, outcome) = match result {
            Ok(request) => (request.id, self.execute(id, request, now_us)),
            Err(error) => match error.effect() {
                ErrorEffect::Reply { id, error } => (id, error.into()),
                ErrorEffect::Disconnect(_) => {
                    (0, CommandOutcome::Disconnect(CloseReason::BadRequest))
                }
            },
        };
        self.decoder = decoder;
        match outcome {
            CommandOutcome::Reply(reply) => self.append_reply(replies, request, &reply),
            CommandOutcome::Connected => self.append_connect_reply(replies, request),
            CommandOutcome::Disconnect(reason) => return Some(reason),
            CommandOutcome::Silent | CommandOutcome::Pending => {}
        }
        None
    }

    fn execute(&mut self, id: ConnectionId, request: Request<'_>, now_us: u64) -> CommandOutcome {
        let is_connecting = self.sessions[id].stage() == Stage::Connecting;
        if is_connecting != matches!(request.command, Command::Connect { .. }) {
            return CommandOutcome::Disconnect(CloseReason::BadRequest);
        }
        match request.command {
            Command::Connect { .. } => {
                self.sessions[id].connect();
                self.start_pings(id, now_us);
                CommandOutcome::Connected
            }
            Command::Subscribe { channel, .. } => self.subscribe(id, channel),
            Command::Unsubscribe { channel } => {
                let change = self.subscriptions.unsubscribe(id.into(), channel);
                self.change_interest(change);
                CommandOutcome::Reply(Reply::Unsubscribe)
            }
            Command::Publish { channel, data } => {
                self.publish_from_client(id, request.id, channel, data, now_us)
            }
            Command::Ping => CommandOutcome::Reply(Reply::Ping),
            // Every input counts as a pong, and there is no application that takes messages.
            Command::Pong | Command::Send => CommandOutcome::Silent,
            Command::Refresh { .. } | Command::SubRefresh { .. } | Command::Unsupported(_) => {
                ClientError::NotAvailable.into()
            }
        }
    }

    fn subscribe(&mut self, id: ConnectionId, name: &str) -> CommandOutcome {
        if !self.may_use(id, name) {
            return ClientError::PermissionDenied.into();
        }
        if self.subscriptions.is_subscribed(id.into(), name) {
            return ClientError::AlreadySubscribed.into();
        }
        if self.subscriptions.topics_of(id.into()) >= self.config.ws.max_topics {
            return ClientError::LimitExceeded.into();
        }
        self.subscribe_to(id, name);
        CommandOutcome::Reply(Reply::Subscribe { expiry: None })
    }

    /// Subscribes a connection to a topic that it is not subscribed to.
    pub(super) fn subscribe_to(&mut self, id: ConnectionId, name: &str) {
        let change = self.subscriptions.subscribe(id.into(), name, &self.config);
        // The interest changes before the reply is sent, so that no publication that arrives after
        // the reply is missed.
        self.change_interest(change);
    }

    pub(super) fn change_interest(&mut self, change: InterestChange) {
        match change {
            InterestChange::None => {}
            InterestChange::Begins { topic_hash } => self.upstream.want(topic_hash, true),
            InterestChange::Ends { topic_hash } => self.upstream.want(topic_hash, false),
        }
    }

    /// Asks ingest to take a publication. The client gets its reply when ingest has answered.
    fn publish_from_client(
        &mut self,
        id: ConnectionId,
        request: u32,
        name: &str,
        data: PublishData,
        now_us: u64,
    ) -> CommandOutcome {
        let namespace = self.config.namespace(name);
        if !namespace.publish || !self.may_use(id, name) {
            return ClientError::PermissionDenied.into();
        }
        let payload = match data {
            PublishData::Json(_) if namespace.payload != PayloadKind::Json => {
                return ClientError::NotAvailable.into();
            }
            PublishData::Json(payload) | PublishData::Bytes(payload) => payload,
        };
        if payload.len() > self.config.ingest.max_payload {
            return ClientError::LimitExceeded.into();
        }
        let question = Question::Publish {
            topic: name.into(),
            payload,
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
    ) -> CommandOutcome {
        match self.pending.ask(id, request, question, now_us) {
            Ok(()) => CommandOutcome::Pending,
            Err(error) => error.into(),
        }
    }

    /// Ends pending commands with their replies. Consecutive answers for one connection leave in
    /// one message. An answer that is late, or whose connection is closed, is ignored.
    pub fn answer(&mut self, answers: impl IntoIterator<Item = (Ticket, Answer)>, now_us: u64) {
        let mut collected = None::<Replies>;
        for (ticket, answer) in answers {
            let Some(request) = self.pending.end(ticket) else {
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
            self.append_reply(replies, request, &reply_to(answer));
        }
        if let Some(replies) = collected {
            self.send_replies(&replies, now_us);
        }
    }

    /// Ends the commands that got no answer in time. The error is temporary.
    pub(super) fn fail_expired_commands(&mut self, now_us: u64) {
        while let Some(ticket) = self.pending.expired(now_us) {
            self.answer([(ticket, Answer::Timeout)], now_us);
        }
    }

    fn append_reply(&mut self, replies: &mut Replies, request: u32, reply: &Reply<'_>) {
        self.counts.command_errors += u64::from(matches!(reply, Reply::Error(_)));
        replies.append(request, reply);
    }

    fn append_connect_reply(&self, replies: &mut Replies, request: u32) {
        let client = self.client_id(replies.id).to_string();
        let reply = Reply::Connect {
            client: &client,
            version: VERSION,
            ping_s: self.config.ws.ping.as_secs().max(1) as u32,
            expiry: None,
            subscriptions: &[],
        };
        replies.append(request, &reply);
    }

    /// Sends the replies in one message, if there are any.
    fn send_replies(&mut self, replies: &Replies, now_us: u64) {
        if replies.count > 0 {
            let transport = self.sessions[replies.id].transport();
            let bytes = transport.message(replies.codec.data(), &replies.message);
            self.send(replies.id, bytes, now_us);
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

/// Returns the reply for the answer to a question.
fn reply_to(answer: Answer) -> Reply<'static> {
    match answer {
        Answer::Publish(PublishAnswer::Accepted) => Reply::Publish,
        Answer::Publish(PublishAnswer::Rejected) => Reply::Error(ClientError::BadRequest),
        Answer::Publish(PublishAnswer::Busy) => Reply::Error(ClientError::TooManyRequests),
        Answer::Timeout => Reply::Error(ClientError::Internal),
    }
}

impl Replies {
    fn new(id: ConnectionId, codec: ClientCodec) -> Self {
        Self {
            id,
            codec,
            message: Vec::new(),
            count: 0,
        }
    }

    fn append(&mut self, request: u32, reply: &Reply<'_>) {
        self.count += 1;
        self.codec.append_reply(&mut self.message, request, reply);
    }

    /// Returns whether the message has as many replies as a message may have commands.
    fn is_full(&self) -> bool {
        self.count >= COMMANDS_PER_MESSAGE
    }
}
