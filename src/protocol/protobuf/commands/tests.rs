//! Commands, byte by byte: what each one becomes, or which fault it has.

use super::*;
use crate::protocol::topic::TopicError;

/// Returns the id and the command of these bytes, or the error.
fn parse(command: &[u8]) -> Result<(u32, String), CommandError> {
    let request = decode(command)?;
    let command = match request.command {
        Command::Publish {
            channel,
            data: PublishData::Bytes(data),
        } => format!("publish {channel} {}", data.escape_ascii()),
        Command::Subscribe { channel, token: "" } => format!("subscribe {channel}"),
        Command::Unsubscribe { channel } => format!("unsubscribe {channel}"),
        other => format!("{other:?}"),
    };
    Ok((request.id, command))
}

/// The outcome of a good command.
macro_rules! ok {
    ($id:expr, $command:expr) => {
        Ok(($id, $command.to_string()))
    };
}

#[test]
fn methods() {
    let cases: [(&[u8], _); 22] = [
        (b"\x08\x01\x22\x00", ok!(1, r#"Connect { token: "" }"#)),
        // Token, name, version, and a field 99 that does not exist.
        (
            b"\x22\x0c\x0a\x01t\x22\x02js\x2a\x00\x98\x06\x01\x08\x02",
            ok!(2, r#"Connect { token: "t" }"#),
        ),
        (b"\x08\x03\x2a\x03\x0a\x01a", ok!(3, "subscribe a")),
        // With a token, and a request to recover from an offset.
        (
            b"\x08\x03\x2a\x0b\x0a\x01a\x12\x02tt\x18\x01\x38\x07",
            ok!(3, r#"Subscribe { channel: "a", token: "tt" }"#),
        ),
        (
            b"\x08\x03\x2a\x05\x0a\x01a\x6a\x00",
            ok!(3, r#"Unsupported("tags_filter")"#),
        ),
        (
            b"\x08\x03\x2a\x05\x0a\x01a\x78\x01",
            ok!(3, r#"Unsupported("channel_type")"#),
        ),
        (b"\x08\x03\x2a\x05\x0a\x01a\x78\x00", ok!(3, "subscribe a")),
        (b"\x08\xac\x02\x32\x03\x0a\x01a", ok!(300, "unsubscribe a")),
        (
            b"\x08\x05\x3a\x07\x0a\x01a\x12\x02\x00\xff",
            ok!(5, r"publish a \x00\xff"),
        ),
        (b"\x08\x05\x3a\x03\x0a\x01a", ok!(5, "publish a ")),
        (b"\x08\x06\x5a\x00", ok!(6, "Ping")),
        (b"\x62\x02\x0a\x00", ok!(0, "Send")),
        (b"\x08\x07\x6a\x00", ok!(7, "Rpc")),
        (b"\x08\x07\x52\x00", ok!(7, r#"Unsupported("history")"#)),
        (
            b"\x08\x08\x72\x03\x0a\x01t",
            ok!(8, r#"Refresh { token: "t" }"#),
        ),
        (b"\x08\x08\x72\x00", ok!(8, r#"Refresh { token: "" }"#)),
        (
            b"\x08\x09\x7a\x08\x0a\x01a\x12\x01t\x18\x00",
            ok!(9, r#"SubRefresh { channel: "a", token: "t" }"#),
        ),
        (
            b"\x08\x09\x7a\x03\x0a\x01a",
            ok!(9, r#"SubRefresh { channel: "a", token: "" }"#),
        ),
        (
            b"\x08\x09\x7a\x05\x0a\x01a\x18\x01",
            ok!(9, r#"Unsupported("sub_refresh_type")"#),
        ),
        // In other commands, the numbers of token fields have other meanings, or none.
        (
            b"\x08\x01\x32\x05\x0a\x01a\x10\x01",
            ok!(1, "unsubscribe a"),
        ),
        (b"", ok!(0, "Pong")),
        (b"\x08\x00", ok!(0, "Pong")),
    ];
    for (command, expected) in cases {
        assert_eq!(parse(command), expected, "{}", command.escape_ascii());
    }
}

#[test]
fn faults() {
    use CommandError::*;
    let bad_channel = |fault| BadChannel { id: 1, fault };
    let cases: [(&[u8], CommandError); 25] = [
        (b"\x08", NotProtobuf),
        (b"\x0a\x01\x01", NotProtobuf),             // the id is bytes
        (b"\x08\x01\x20\x01", NotProtobuf),         // connect is a number
        (b"\x08\x01\x22\x01\xff", NotProtobuf),     // connect is no message
        (b"\x08\x01\x2a\x02\x08\x01", NotProtobuf), // the channel is a number
        (b"\x08\x01\x3a\x02\x10\x01", NotProtobuf), // the data is a number
        // The token is a number.
        (b"\x08\x01\x22\x02\x08\x01", NotProtobuf),
        (b"\x08\x01\x2a\x05\x0a\x01a\x10\x01", NotProtobuf),
        (b"\x08\x01\x72\x02\x08\x01", NotProtobuf),
        (b"\x08\x01\x7a\x05\x0a\x01a\x10\x01", NotProtobuf),
        // The token is not UTF-8.
        (b"\x08\x01\x22\x03\x0a\x01\xff", BadParameters { id: 1 }),
        (
            b"\x08\x01\x2a\x06\x0a\x01a\x12\x01\xff",
            BadParameters { id: 1 },
        ),
        (b"\x08\x01\x72\x03\x0a\x01\xff", BadParameters { id: 1 }),
        (
            b"\x08\x01\x7a\x06\x0a\x01a\x12\x01\xff",
            BadParameters { id: 1 },
        ),
        (b"\x08\x01\x7a\x03\x12\x01t", bad_channel(TopicError::Empty)),
        (b"\x08\x80\x80\x80\x80\x10\x5a\x00", IdInvalid),
        (b"\x5a\x00", IdMissing),
        (b"\x98\x06\x01", IdMissing),
        (b"\x08\x01", NoMethod),
        (b"\x08\x01\x98\x06\x01", UnknownMethod { id: 1 }),
        (b"\x08\x01\x10\x01\x1a\x00", UnknownMethod { id: 1 }), // version 1 of the protocol
        (b"\x08\x01\x5a\x00\x22\x00", SeveralMethods { id: 1 }),
        (b"\x08\x01\x5a\x00\x5a\x00", SeveralMethods { id: 1 }),
        (b"\x08\x01\x2a\x00", bad_channel(TopicError::Empty)),
        (
            b"\x08\x01\x2a\x03\x0a\x01\xff",
            bad_channel(TopicError::NotUtf8),
        ),
    ];
    for (command, expected) in cases {
        assert_eq!(parse(command), Err(expected), "{}", command.escape_ascii());
    }
}

#[test]
fn the_last_value_of_a_repeated_field_counts() {
    assert_eq!(parse(b"\x08\x01\x08\x02\x5a\x00"), ok!(2, "Ping"));
    assert_eq!(
        parse(b"\x08\x01\x2a\x06\x0a\x01a\x0a\x01b"),
        ok!(1, "subscribe b")
    );
    assert_eq!(
        parse(b"\x08\x01\x22\x06\x0a\x01a\x0a\x01b"),
        ok!(1, r#"Connect { token: "b" }"#)
    );
}

#[test]
fn a_message_contains_several_commands() {
    let split = |message: &'static [u8]| Commands::new(message).collect::<Vec<_>>();
    assert_eq!(split(b""), []);
    assert_eq!(split(b"\x00"), [Ok(&b""[..])]);
    assert_eq!(
        split(b"\x04\x08\x01\x22\x00\x00\x04\x08\x02\x5a\x00"),
        [
            Ok(&b"\x08\x01\x22\x00"[..]),
            Ok(&b""[..]),
            Ok(&b"\x08\x02\x5a\x00"[..])
        ]
    );
    // The second length exceeds the message.
    assert_eq!(
        split(b"\x00\x05\x08\x01\x22\x00"),
        [Ok(&b""[..]), Err(CommandError::NotProtobuf)]
    );
    assert_eq!(split(b"\xff"), [Err(CommandError::NotProtobuf)]);
}
