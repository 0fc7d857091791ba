//! The codecs of the client protocol: one model of commands and replies, several forms on the wire.
//! Shard cores.

use super::command::{CommandError, Request};
use super::reply::{Push, Reply};
use super::{json, protobuf};
use crate::wire::encode::Data;

/// A codec of the client protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCodec {
    Json,
    Protobuf,
}

impl ClientCodec {
    /// Returns the type of the messages that carry this codec.
    pub fn data(self) -> Data {
        match self {
            Self::Json => Data::Text,
            Self::Protobuf => Data::Binary,
        }
    }

    /// Returns the commands of one message, undecoded. An error is the last item.
    pub fn commands(self, message: &[u8]) -> impl Iterator<Item = Result<&[u8], CommandError>> {
        let (lines, delimited) = match self {
            Self::Json => (Some(json::lines(message)), None),
            Self::Protobuf => (None, Some(protobuf::Commands::new(message))),
        };
        let lines = lines.into_iter().flatten().map(Ok);
        lines.chain(delimited.into_iter().flatten())
    }

    /// Appends a reply to a message, which may contain replies and pushes already.
    pub fn append_reply(self, message: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
        match self {
            Self::Json => {
                begin_line(message);
                json::replies::append(message, id, reply);
            }
            Self::Protobuf => protobuf::replies::append(message, id, reply),
        }
    }

    /// Appends a push to a message, which may contain replies and pushes already.
    pub fn append_push(self, message: &mut Vec<u8>, push: &Push<'_>) {
        match self {
            Self::Json => {
                begin_line(message);
                json::pushes::append(message, push);
            }
            Self::Protobuf => protobuf::pushes::append(message, push),
        }
    }

    /// Returns the message that is the ping of the server.
    pub fn ping(self) -> &'static [u8] {
        match self {
            Self::Json => json::replies::PING,
            Self::Protobuf => protobuf::replies::PING,
        }
    }
}

/// Separates the next reply or push in JSON from those before it.
fn begin_line(message: &mut Vec<u8>) {
    if !message.is_empty() {
        message.push(b'\n');
    }
}

/// Decodes commands of every codec and reuses its memory.
#[derive(Default)]
pub struct CommandDecoder {
    json: json::Parser,
}

impl CommandDecoder {
    /// Decodes one command. The result borrows from the decoder until the next call.
    pub fn decode<'a>(
        &'a mut self,
        codec: ClientCodec,
        command: &'a [u8],
    ) -> Result<Request<'a>, CommandError> {
        match codec {
            ClientCodec::Json => self.json.parse(command),
            ClientCodec::Protobuf => protobuf::decode(command),
        }
    }
}
