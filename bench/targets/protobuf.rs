//! The Protobuf form of the client protocol, as far as a subscriber needs it. Receiving thread.
//!
//! The load generator does not use the codec of fanfare, so that it also detects faults of the
//! codec.

use crate::client::frames;
use crate::targets::target::{FirstMessage, ServerItem};

/// The tag of the id of a command or a reply.
const ID: u8 = 0x08;
/// The tag of the error in a reply.
const ERROR: u8 = 0x12;
/// The tags of the nested messages and fields of a push: push, channel, publication, data.
const PUSH: u8 = 0x22;
const CHANNEL: u8 = 0x12;
const PUBLICATION: u8 = 0x22;
const DATA: u8 = 0x22;

/// Returns a connect and the subscribes in one batch with the ids 1, 2, and so on.
pub fn first_message(topics: &[String], token: Option<&str>) -> FirstMessage {
    let token = token.map(|token| field(0x0a, token.as_bytes()));
    let mut message = command(1, 0x22, &token.unwrap_or_default());
    for (id, topic) in (2..).zip(topics) {
        let parameters = field(0x0a, topic.as_bytes());
        message.extend(command(id, 0x2a, &parameters));
    }
    FirstMessage {
        opcode: frames::BINARY,
        message,
        replies: 1 + topics.len(),
    }
}

/// Returns a command, preceded by its length.
fn command(id: u64, method: u8, parameters: &[u8]) -> Vec<u8> {
    let mut command = vec![ID];
    put_varint(&mut command, id);
    command.extend(field(method, parameters));
    let mut out = Vec::new();
    put_varint(&mut out, command.len() as u64);
    out.extend(command);
    out
}

/// Returns a length-delimited field: its tag, the length of its content, and the content.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    put_varint(&mut out, content.len() as u64);
    out.extend(content);
    out
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the first reply or push of a message and the number of bytes that it occupies.
pub fn first_item(message: &[u8]) -> (ServerItem<'_>, usize) {
    let Some((reply, rest)) = take_bytes(message) else {
        return (ServerItem::Unknown, message.len());
    };
    let item = match reply.first() {
        None => ServerItem::Ping {
            opcode: frames::BINARY,
            answer: b"\0",
        },
        Some(&ID) => ServerItem::Reply(reply),
        Some(&PUSH) => payload(reply).map_or(ServerItem::Unknown, ServerItem::Publication),
        Some(_) => ServerItem::Unknown,
    };
    (item, message.len() - rest.len())
}

/// Returns the payload of a push.
fn payload(reply: &[u8]) -> Option<&[u8]> {
    let (push, _) = take_field(reply, PUSH)?;
    let (_, publication) = take_field(push, CHANNEL)?;
    let (publication, _) = take_field(publication, PUBLICATION)?;
    take_field(publication, DATA).map(|(data, _)| data)
}

/// Returns whether a reply reports that its command failed.
pub fn is_error(reply: &[u8]) -> bool {
    let after_id = reply.get(1..).and_then(take_varint);
    after_id.is_some_and(|(_, rest)| rest.first() == Some(&ERROR))
}

/// Returns the content of the field at the start of a message, and the bytes after it.
fn take_field(message: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = message.split_first()?;
    if first == tag { take_bytes(rest) } else { None }
}

fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = take_varint(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_connects_and_subscribes() {
        let first = first_message(&["ab".to_owned()], None);
        assert_eq!(
            first.message,
            b"\x04\x08\x01\x22\x00\x08\x08\x02\x2a\x04\x0a\x02ab"
        );
        assert_eq!((first.opcode, first.replies), (frames::BINARY, 2));
        let first = first_message(&[], Some("a.b"));
        assert_eq!(first.message, b"\x09\x08\x01\x22\x05\x0a\x03a.b");
    }

    #[test]
    fn replies_pushes_and_pings_are_distinguished() {
        let reply = b"\x04\x08\x01\x2a\x00";
        assert_eq!(first_item(reply), (ServerItem::Reply(&reply[1..]), 5));
        assert!(!is_error(&reply[1..]));
        assert!(is_error(b"\x08\x80\x01\x12\x02\x08\x6b"));
        let push = b"\x0b\x22\x09\x12\x01a\x22\x04\x22\x02hi\x00";
        assert_eq!(first_item(push), (ServerItem::Publication(b"hi"), 12));
        let ping = ServerItem::Ping {
            opcode: frames::BINARY,
            answer: b"\0",
        };
        assert_eq!(first_item(&push[12..]), (ping, 1));
        for unknown in [&b"\x05\x08"[..], b"\x02\x2a\x00", b"\x03\x22\x01\x12"] {
            assert_eq!(first_item(unknown).0, ServerItem::Unknown);
        }
    }
}
