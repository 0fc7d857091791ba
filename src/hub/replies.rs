//! Replies to the commands of one message, which leave in one message too. Shard core.

use crate::limits::COMMANDS_PER_MESSAGE;
use crate::protocol::codec::ClientCodec;
use crate::protocol::reply::{Expiry, Reply, ServerSubscription};

use super::Hub;
use super::command_outcome::Grant;
use super::connection_id::ConnectionId;

/// Name and version of the server in the reply to a connect command.
const VERSION: &str = concat!("fanfare ", env!("CARGO_PKG_VERSION"));

/// The replies of one connection that leave in one message.
pub(super) struct Replies {
    pub(super) id: ConnectionId,
    pub(super) codec: ClientCodec,
    message: Vec<u8>,
    count: usize,
}

impl Hub {
    pub(super) fn append_reply(&mut self, replies: &mut Replies, request: u32, reply: &Reply<'_>) {
        let is_error = matches!(reply, Reply::Error(_) | Reply::CustomError { .. });
        self.counts.command_errors += u64::from(is_error);
        replies.append(request, reply);
    }

    pub(super) fn append_connect_reply(&self, replies: &mut Replies, request: u32, grant: &Grant) {
        let client = self.client_id(replies.id).to_string();
        let subscriptions = grant.subscriptions.iter().map(|each| ServerSubscription {
            topic: &each.topic,
            expiry: None,
            data: each.data.as_deref(),
        });
        let subscriptions = subscriptions.collect::<Vec<_>>();
        let reply = Reply::Connect {
            client: &client,
            version: VERSION,
            ping_s: self.config.ws.ping.as_secs().max(1) as u32,
            expiry: grant.expiry,
            subscriptions: &subscriptions,
            data: grant.data.as_deref(),
        };
        replies.append(request, &reply);
    }

    pub(super) fn append_refresh_reply(
        &self,
        replies: &mut Replies,
        request: u32,
        expiry: Option<Expiry>,
    ) {
        let client = self.client_id(replies.id).to_string();
        let reply = Reply::Refresh {
            client: &client,
            version: VERSION,
            expiry,
        };
        replies.append(request, &reply);
    }

    /// Sends the replies in one message. Without replies, it sends nothing.
    pub(super) fn send_replies(&mut self, replies: &Replies, now_us: u64) {
        if replies.count > 0 {
            let transport = self.sessions[replies.id].transport();
            let bytes = transport.message(replies.codec.data(), &replies.message);
            self.send(replies.id, bytes, now_us);
        }
    }
}

impl Replies {
    pub(super) fn new(id: ConnectionId, codec: ClientCodec) -> Self {
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
    pub(super) fn is_full(&self) -> bool {
        self.count >= COMMANDS_PER_MESSAGE
    }
}
