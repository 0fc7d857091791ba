//! Pushes in Protobuf: one message carries a publication to all subscribers, or a change of a
//! subscription to one client. The ingest core makes publications once for all shards; shard cores
//! make the others.

use super::write::{
    bytes_field, bytes_field_header, bytes_field_len, delimited, message_field, number_field,
    varint, varint_len,
};
use crate::protocol::ClientInfo;
use crate::protocol::reply::{Expiry, Push};

/// A field of `Reply`.
const PUSH: u8 = 4;

/// Fields of `Push`.
const CHANNEL: u8 = 2;
const PUBLICATION: u8 = 4;
const UNSUBSCRIBE: u8 = 7;
const SUBSCRIBE: u8 = 9;
const REFRESH: u8 = 12;

/// Fields of `Publication`.
const DATA: u8 = 4;
const INFO: u8 = 5;

/// Fields of `ClientInfo`.
const USER: u8 = 1;
const CLIENT: u8 = 2;
const CONN_INFO: u8 = 3;
const CHAN_INFO: u8 = 4;

/// Fields of `Unsubscribe`.
const CODE: u8 = 2;
const REASON: u8 = 3;

/// A field of `Subscribe`.
const SUBSCRIBE_DATA: u8 = 7;

/// Fields of `Refresh`.
const EXPIRES: u8 = 1;
const TTL: u8 = 2;

/// The lengths of the nested messages of a push, each without its own tag and length.
struct Lengths {
    /// `None` if the publication names no client.
    info: Option<usize>,
    publication: usize,
    push: usize,
    reply: usize,
}

impl Lengths {
    fn new(topic: &str, payload: &[u8], info: Option<&ClientInfo>) -> Self {
        let info = info.map(|info| fields(info).map(|(_, content)| optional_len(content)).sum());
        let publication = optional_len(payload) + info.map_or(0, bytes_field_len);
        let push = bytes_field_len(topic.len()) + bytes_field_len(publication);
        Self {
            info,
            publication,
            push,
            reply: bytes_field_len(push),
        }
    }
}

/// Returns the number of bytes of a field. A field without content is not written.
fn optional_len(content: &[u8]) -> usize {
    match content.len() {
        0 => 0,
        len => bytes_field_len(len),
    }
}

/// Returns the fields of a `ClientInfo`.
fn fields(info: &ClientInfo) -> impl Iterator<Item = (u8, &[u8])> {
    let fields = [
        (USER, info.user.as_bytes()),
        (CLIENT, info.client.as_bytes()),
        (CONN_INFO, info.conn_info.as_deref().unwrap_or_default()),
        (CHAN_INFO, info.chan_info.as_deref().unwrap_or_default()),
    ];
    fields.into_iter()
}

/// Appends the push of a publication. The length of the push precedes it as a varint. The payload
/// is copied unchanged, whether it is JSON, text or bytes. `info` is the client that has sent the
/// publication.
pub fn publication(out: &mut Vec<u8>, topic: &str, payload: &[u8], info: Option<&ClientInfo>) {
    let lengths = Lengths::new(topic, payload, info);
    varint(out, lengths.reply as u64);
    bytes_field_header(out, PUSH, lengths.push);
    bytes_field(out, CHANNEL, topic.as_bytes());
    bytes_field_header(out, PUBLICATION, lengths.publication);
    bytes_field(out, DATA, payload);
    if let (Some(info), Some(len)) = (info, lengths.info) {
        bytes_field_header(out, INFO, len);
        for (number, content) in fields(info) {
            bytes_field(out, number, content);
        }
    }
}

/// Returns the number of bytes that [`publication`] appends.
pub fn publication_len(topic: &str, payload: &[u8], info: Option<&ClientInfo>) -> usize {
    let reply = Lengths::new(topic, payload, info).reply;
    varint_len(reply as u64) + reply
}

/// Appends a push to one connection, with its length in front.
pub fn append(out: &mut Vec<u8>, push: &Push<'_>) {
    delimited(out, |out| {
        message_field(out, PUSH, |out| match *push {
            Push::Subscribe { channel, data } => {
                bytes_field(out, CHANNEL, channel.as_bytes());
                message_field(out, SUBSCRIBE, |out| {
                    bytes_field(out, SUBSCRIBE_DATA, data.unwrap_or_default());
                });
            }
            Push::Unsubscribe { channel, code } => {
                bytes_field(out, CHANNEL, channel.as_bytes());
                message_field(out, UNSUBSCRIBE, |out| {
                    number_field(out, CODE, code.code().into());
                    bytes_field(out, REASON, code.reason().as_bytes());
                });
            }
            Push::Refresh { expiry } => message_field(out, REFRESH, |out| {
                if let Some(Expiry { ttl_s }) = expiry {
                    number_field(out, EXPIRES, 1);
                    number_field(out, TTL, ttl_s.into());
                }
            }),
        });
    });
}
