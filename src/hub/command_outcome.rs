//! How commands of the client protocol end. Shard core.

use crate::access::TokenSubscription;
use crate::protocol::reply::{Expiry, Reply};

use super::close_reason::CloseReason;
use super::parked::Wait;

/// How a command ends.
pub(super) enum CommandOutcome {
    /// With this reply.
    Reply(Reply<'static>),
    /// With the reply to a connect command, which contains the id of the client.
    Connected(Grant),
    /// With the reply to a refresh command, which contains the id of the client.
    Refreshed(Option<Expiry>),
    /// Without a reply.
    Silent,
    /// With the close of the connection.
    Disconnect(CloseReason),
    /// With the answer to a question that was asked.
    Pending,
    /// Later: the command waits, and its connection is parked.
    Parked(Wait),
}

impl From<Wait> for CommandOutcome {
    fn from(wait: Wait) -> Self {
        Self::Parked(wait)
    }
}

/// The content of the reply to a connect command that depends on the token.
#[derive(Debug, Default)]
pub(super) struct Grant {
    pub(super) expiry: Option<Expiry>,
    /// The subscriptions that the server makes for the client.
    pub(super) subscriptions: Vec<TokenSubscription>,
}
