//! Replies in Protobuf. Shard cores.

use super::write::{bytes_field, bytes_field_header, bytes_tag, delimited, number_field};
use crate::protocol::codes::ClientError;
use crate::protocol::reply::Reply;

/// The ping of the server, and the pong of the client: an empty message, after its length.
pub const PING: &[u8] = b"\0";

/// Fields of `Reply`.
const ID: u8 = 1;
const ERROR: u8 = 2;
const CONNECT: u8 = 5;
const SUBSCRIBE: u8 = 6;
const UNSUBSCRIBE: u8 = 7;
const PUBLISH: u8 = 8;
const PONG: u8 = 12;

/// Appends the reply to the command with this id, with its length in front.
pub fn append(out: &mut Vec<u8>, id: u32, reply: &Reply<'_>) {
    delimited(out, |out| {
        number_field(out, ID, id.into());
        match *reply {
            Reply::Connect {
                client,
                version,
                ping_s,
            } => message(out, CONNECT, |out| connect(out, client, version, ping_s)),
            Reply::Subscribe => bytes_field_header(out, SUBSCRIBE, 0),
            Reply::Unsubscribe => bytes_field_header(out, UNSUBSCRIBE, 0),
            Reply::Publish => bytes_field_header(out, PUBLISH, 0),
            Reply::Ping => bytes_field_header(out, PONG, 0),
            Reply::Error(error) => message(out, ERROR, |out| self::error(out, error)),
        }
    });
}

/// Appends a nested message.
fn message(out: &mut Vec<u8>, number: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(bytes_tag(number));
    delimited(out, write);
}

fn connect(out: &mut Vec<u8>, client: &str, version: &str, ping_s: u32) {
    bytes_field(out, 1, client.as_bytes());
    bytes_field(out, 2, version.as_bytes());
    number_field(out, 7, ping_s.into());
    // The client answers each ping.
    number_field(out, 8, u64::from(ping_s > 0));
}

fn error(out: &mut Vec<u8>, error: ClientError) {
    number_field(out, 1, error.code().into());
    bytes_field(out, 2, error.message().as_bytes());
    number_field(out, 3, error.temporary().into());
}
