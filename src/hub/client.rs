//! Commands of the Centrifugal client protocol, JSON codec.

use std::mem;

use uuid::Uuid;

use crate::config::PayloadKind;
use crate::limits::COMMANDS_PER_MESSAGE;
use crate::protocol::codes::ClientError;
use crate::protocol::command::{self, Command, Outcome, Request};
use crate::protocol::reply;
use crate::protocol::topic;
use crate::wire::encode;

use super::connection::{Admission, ConnectionId, Phase};
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
        if !self.replies.is_empty() {
            let frame = encode::text(&self.replies);
            self.replies.clear();
            self.push_reply(id, frame, now_us);
        }
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
            Command::Publish { channel, data } => self.publish_from(id, request, channel, data),
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
        self.upstream
            .publish(name, data)
            .map_err(|_| ClientError::TooManyRequests)?;
        self.reply(|out| reply::publish(out, request));
        Ok(())
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
