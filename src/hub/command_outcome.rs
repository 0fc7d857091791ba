//! How commands of the client protocol end. Shard core.

use crate::access::TokenSubscription;
use crate::access::hooks::{HookDisconnect, HookError};
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
    /// With the reply to a subscribe command that a hook has accepted.
    Subscribed {
        expiry: Option<Expiry>,
        data: Option<Box<[u8]>>,
    },
    /// With the answer of the back end to a call.
    Called { data: Option<Box<[u8]>> },
    /// With an error that a hook has chosen.
    Refused(HookError),
    /// With the close of the connection that a hook demands.
    Ended(HookDisconnect),
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

/// The content of the reply to a connect command that depends on the token or the hook.
#[derive(Debug, Default)]
pub(super) struct Grant {
    pub(super) expiry: Option<Expiry>,
    /// The subscriptions that the server makes for the client.
    pub(super) subscriptions: Vec<TokenSubscription>,
    /// Data of the connect hook for the client.
    pub(super) data: Option<Box<[u8]>>,
}
