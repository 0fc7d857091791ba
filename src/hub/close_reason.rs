//! Why the server closes a connection, and what the peer and the metrics are given. Shard core.

use crate::observe::ShardCounts;
use crate::protocol::codes::Disconnect;
use crate::wire::violation::ProtocolViolation;

use super::sessions::CloseAnswer;

/// Why the server closes an open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer broke the client protocol: 3501.
    BadRequest,
    /// The connect command did not arrive in time: 3502.
    NoConnect,
    /// The peer did not answer a ping: 3012.
    NoPong,
    /// The peer sent a close frame with this code, which is sent back.
    Peer(Option<u16>),
    /// The token of the peer is not valid: 3500.
    InvalidToken,
    /// The token of the peer has expired, and the peer has sent no other one: 3005.
    Expired,
    /// The token grants more subscriptions than `ws.max_topics` allows: 3505.
    TooManyTopics,
    /// The user has as many connections as `auth.user_connection_limit` allows: 3504.
    UserLimit,
    /// The server shuts down or sheds connections: 3001.
    Shutdown,
    /// The server API demands it: 3503, unless the call names another code.
    Demanded,
    /// A hook of the back end demands it, with a code of its own.
    Hook,
    /// The outbox is full: 3008.
    Slow,
    /// The peer sends more commands per second than `ws.max_command_rate` allows: 3013.
    TooFast,
    /// The peer sent a message to an endpoint that takes none: 1003.
    Unsupported,
    /// The peer violated RFC 6455 or RFC 7692: the violation has its own code.
    Violation(ProtocolViolation),
}

impl CloseReason {
    /// Returns the status code of the close frame, if it has one, and the reason.
    pub(super) fn code_and_reason(self) -> (Option<u16>, String) {
        let disconnect = match self {
            Self::BadRequest => Disconnect::BadRequest,
            Self::NoConnect => Disconnect::Stale,
            Self::NoPong => Disconnect::NoPong,
            Self::Peer(code) => return (code, String::new()),
            Self::InvalidToken => Disconnect::InvalidToken,
            Self::Expired => Disconnect::Expired,
            Self::TooManyTopics => Disconnect::ChannelLimit,
            Self::UserLimit => Disconnect::ConnectionLimit,
            Self::Shutdown => Disconnect::Shutdown,
            Self::Demanded => Disconnect::ForceNoReconnect,
            Self::Hook => Disconnect::ConnectionClosed,
            Self::Slow => Disconnect::Slow,
            Self::TooFast => Disconnect::TooManyRequests,
            Self::Unsupported => return (Some(1003), "raw connections take no messages".into()),
            Self::Violation(violation) => {
                return (Some(violation.close_code()), violation.to_string());
            }
        };
        (Some(disconnect.code()), disconnect.reason().into())
    }

    /// Returns whether the server waits for a close frame of the peer. A peer that violates the
    /// protocol is not waited for: RFC 6455, section 7.1.7, does not require it. Nor is one that
    /// sends too fast, because its answer may follow any number of other frames.
    pub(super) fn close_answer(self) -> CloseAnswer {
        match self {
            Self::Peer(_) => CloseAnswer::Received,
            Self::Violation(_) | Self::TooFast => CloseAnswer::NotAwaited,
            Self::BadRequest
            | Self::NoConnect
            | Self::NoPong
            | Self::InvalidToken
            | Self::Expired
            | Self::TooManyTopics
            | Self::UserLimit
            | Self::Shutdown
            | Self::Demanded
            | Self::Hook
            | Self::Slow
            | Self::Unsupported => CloseAnswer::Awaited,
        }
    }

    /// Returns the counter of connections that are closed for this reason.
    pub(super) fn counter(self, counts: &mut ShardCounts) -> &mut u64 {
        match self {
            Self::BadRequest | Self::Unsupported => &mut counts.closed_bad_request,
            Self::NoConnect => &mut counts.closed_stale,
            Self::NoPong => &mut counts.closed_no_pong,
            Self::Peer(_) => &mut counts.closed_peer,
            Self::InvalidToken | Self::TooManyTopics => &mut counts.closed_token,
            Self::Expired => &mut counts.closed_expired,
            Self::UserLimit => &mut counts.closed_user_limit,
            Self::Shutdown => &mut counts.closed_shutdown,
            Self::Demanded => &mut counts.closed_demanded,
            Self::Hook => &mut counts.closed_hook,
            Self::Slow => &mut counts.closed_slow,
            Self::TooFast => &mut counts.closed_too_fast,
            Self::Violation(violation) if violation.close_code() == 1009 => {
                &mut counts.closed_too_big
            }
            Self::Violation(_) => &mut counts.closed_fault,
        }
    }
}
