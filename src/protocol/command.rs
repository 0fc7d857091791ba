//! The commands of the Centrifugal client protocol, whatever their codec. Shard cores.
//!
//! As in Centrifugo, bytes that are not the protocol close the connection, and a command with wrong
//! parameters gets an error reply. Unknown members are ignored, so that SDKs may be newer than the
//! server.

use super::codes::{ClientError, Disconnect};
use super::topic::TopicError;

/// A command and the id that its reply carries. The id is 0 for [`Command::Pong`] and
/// [`Command::Send`], which have no reply.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    pub id: u32,
    pub command: Command<'a>,
}

/// A command. Channels are valid topics.
#[derive(Debug, PartialEq)]
pub enum Command<'a> {
    /// Data, name and requested server-side subscriptions are in [`HookParameters`].
    ///
    /// [`HookParameters`]: super::hook_parameters::HookParameters
    Connect {
        /// The connection token, not verified; empty if the client sent none.
        token: &'a str,
    },
    /// Requests for recovery and positioning are ignored: the reply grants neither.
    Subscribe {
        channel: &'a str,
        /// The subscription token, not verified; empty if the client sent none.
        token: &'a str,
    },
    Unsubscribe {
        channel: &'a str,
    },
    Publish {
        channel: &'a str,
        data: PublishData,
    },
    /// Replaces the connection token before the connection expires.
    Refresh {
        token: &'a str,
    },
    /// Replaces the token of a subscription before the subscription expires.
    SubRefresh {
        channel: &'a str,
        token: &'a str,
    },
    /// A ping of the client, which has a reply.
    Ping,
    /// The answer to a ping of the server.
    Pong,
    /// A message to an application behind the server. fanfare has none and ignores it.
    Send,
    /// A call of the back end. Its method and data are in [`HookParameters`].
    ///
    /// [`HookParameters`]: super::hook_parameters::HookParameters
    Rpc,
    /// A method of the protocol that fanfare does not implement; the reply is
    /// [`ClientError::NotAvailable`].
    Unsupported(&'static str),
}

/// The data of a publish command.
#[derive(Debug, PartialEq, Eq)]
pub enum PublishData {
    /// JSON without whitespace between its tokens. Codecs whose data is JSON cannot publish text or
    /// bytes.
    Json(Vec<u8>),
    /// A payload of the kind of the namespace, not checked yet.
    Bytes(Vec<u8>),
}

/// Why a message is not a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("a command is not JSON")]
    NotJson,
    #[error("a command is not a Protobuf message")]
    NotProtobuf,
    #[error("a command is not a JSON object")]
    NotAnObject,
    #[error("a command has no id")]
    IdMissing,
    #[error("a command's id is not an integer from 1 to 4294967295, given once")]
    IdInvalid,
    #[error("a command has an id and nothing else")]
    NoMethod,
    #[error("a command has no method that is known")]
    UnknownMethod { id: u32 },
    #[error("a command has several methods")]
    SeveralMethods { id: u32 },
    #[error("a command lacks a parameter, or has one of the wrong type")]
    BadParameters { id: u32 },
    #[error("a command is nested too deep")]
    TooDeep { id: u32 },
    #[error("a command's channel is invalid: {fault}")]
    BadChannel { id: u32, fault: TopicError },
}

/// The effect of a [`CommandError`] on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorEffect {
    /// The command gets an error reply; the connection stays open.
    Reply { id: u32, error: ClientError },
    /// The connection is closed.
    Disconnect(Disconnect),
}

impl CommandError {
    /// Returns the effect on the connection.
    pub fn effect(&self) -> ErrorEffect {
        match *self {
            Self::NotJson
            | Self::NotProtobuf
            | Self::NotAnObject
            | Self::IdMissing
            | Self::IdInvalid
            | Self::NoMethod => ErrorEffect::Disconnect(Disconnect::BadRequest),
            Self::UnknownMethod { id } => ErrorEffect::Reply {
                id,
                error: ClientError::MethodNotFound,
            },
            Self::SeveralMethods { id }
            | Self::BadParameters { id }
            | Self::TooDeep { id }
            | Self::BadChannel { id, .. } => ErrorEffect::Reply {
                id,
                error: ClientError::BadRequest,
            },
        }
    }

    /// Returns the name of the error as a metric label.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotJson => "command_not_json",
            Self::NotProtobuf => "command_not_protobuf",
            Self::TooDeep { .. } => "command_too_deep",
            Self::NotAnObject => "command_not_an_object",
            Self::IdMissing => "command_id_missing",
            Self::IdInvalid => "command_id_invalid",
            Self::NoMethod => "command_no_method",
            Self::UnknownMethod { .. } => "command_unknown_method",
            Self::SeveralMethods { .. } => "command_several_methods",
            Self::BadParameters { .. } => "command_bad_parameters",
            Self::BadChannel { fault, .. } => fault.name(),
        }
    }
}
