//! The codecs of the client protocol: one model of commands and replies, several forms on the wire.
//! Shard cores.

use super::command::{CommandError, Request};
use super::json;
use super::reply::Reply;
use crate::wire::encode::Data;

/// A codec of the client protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCodec {
    Json,
}

impl ClientCodec {
    /// Returns the type of the messages that carry this codec.
    pub fn data(self) -> Data {
        match self {
            Self::Json => Data::Text,
        }
    }

    /// Returns the commands of one message, undecoded.
    pub fn commands(self, message: &[u8]) -> impl Iterator<Item = &[u8]> {
        match self {
            Self::Json => json::lines(message),
        }
    }

    /// Appends a reply to a message, which may contain replies already.
    pub fn append_reply(self, message: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
        match self {
            Self::Json => {
                if !message.is_empty() {
                    message.push(b'\n');
                }
                json::replies::append(message, id, reply);
            }
        }
    }

    /// Returns the message that is the ping of the server.
    pub fn ping(self) -> &'static [u8] {
        match self {
            Self::Json => json::replies::PING,
        }
    }
}

/// Decodes commands of every codec and reuses its memory.
#[derive(Default)]
pub struct CommandDecoder {
    json: json::Parser,
}

impl CommandDecoder {
    /// Decodes one command. The command borrows from the decoder until the next call.
    pub fn decode<'a>(
        &'a mut self,
        codec: ClientCodec,
        command: &[u8],
    ) -> Result<Request<'a>, CommandError> {
        match codec {
            ClientCodec::Json => self.json.parse(command),
        }
    }
}
