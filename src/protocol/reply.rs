//! The replies of the Centrifugal client protocol, and the pushes to one connection, whatever their
//! codec. Shard cores.

use super::codes::{ClientError, UnsubscribeCode};

/// The reply to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    Connect {
        /// The id that the server gives to the client.
        client: &'a str,
        /// Name and version of the server.
        version: &'a str,
        /// Interval in seconds at which the server sends pings, each of which the client answers.
        /// The client reconnects when a ping is late. 0: the server sends no pings.
        ping_s: u32,
        /// When the connection expires, unless the client refreshes it; `None` if it never expires.
        expiry: Option<Expiry>,
        /// The topics that the server subscribes the client to, each once.
        subscriptions: &'a [ServerSubscription<'a>],
        /// Data for the application, as in [`ServerSubscription::data`].
        data: Option<&'a [u8]>,
    },
    /// Grants neither recovery nor positioning, and no numeric channel id.
    Subscribe {
        /// When the subscription expires, unless the client refreshes it; `None` if it never
        /// expires.
        expiry: Option<Expiry>,
        /// Data for the application, as in [`ServerSubscription::data`].
        data: Option<&'a [u8]>,
    },
    Unsubscribe,
    Publish,
    Refresh {
        client: &'a str,
        version: &'a str,
        expiry: Option<Expiry>,
    },
    SubRefresh {
        expiry: Option<Expiry>,
    },
    /// The reply to a ping of the client.
    Ping,
    /// The answer of the back end to a call.
    Rpc {
        /// As in [`ServerSubscription::data`].
        data: Option<&'a [u8]>,
    },
    Error(ClientError),
    /// An error that the back end has chosen.
    CustomError {
        code: u32,
        message: &'a str,
        /// Whether SDKs repeat the command after a pause.
        temporary: bool,
    },
}

/// When a connection or a subscription expires. SDKs fetch a new token before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Seconds until then.
    pub ttl_s: u32,
}

/// A subscription that the server makes for a client when the client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSubscription<'a> {
    pub topic: &'a str,
    pub expiry: Option<Expiry>,
    /// Data for the application. The JSON codec embeds it unchanged, so it must be one JSON value
    /// without line ends there. The Protobuf codec takes any bytes.
    pub data: Option<&'a [u8]>,
}

/// A message that the server sends to one connection without a command. A publication is no such
/// push, because all subscribers share its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push<'a> {
    /// The server has subscribed the client to a topic.
    Subscribe {
        channel: &'a str,
        /// As in [`ServerSubscription::data`].
        data: Option<&'a [u8]>,
    },
    /// The server has ended a subscription.
    Unsubscribe {
        channel: &'a str,
        code: UnsubscribeCode,
    },
    /// The server has changed when the connection expires; `None` if it never expires.
    Refresh { expiry: Option<Expiry> },
}
