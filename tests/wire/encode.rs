//! Frames of the encoder, read by tungstenite's client.

use std::io::Cursor;

use fanfare::wire::encode::{self, OpCode};
use proptest::prelude::*;
use tungstenite::protocol::frame::coding::{Control, Data};
use tungstenite::protocol::{Message, Role, WebSocket};

fn read_by_client(stream: &[u8]) -> Message {
    let stream = Cursor::new(stream.to_vec());
    WebSocket::from_raw_socket(stream, Role::Client, None)
        .read()
        .unwrap()
}

#[test]
fn rfc6455_5_2_server_frames_take_the_shortest_header_and_no_mask() {
    for (length, header) in [
        (0, &[0x82, 0][..]),
        (125, &[0x82, 125]),
        (126, &[0x82, 126, 0, 126]),
        (65_535, &[0x82, 126, 0xff, 0xff]),
        (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut out = Vec::new();
        encode::put_header(&mut out, OpCode::Data(Data::Binary), length);
        assert_eq!(out, header);
        assert_eq!(encode::header_len(length), header.len());
        let payload = vec![9; length];
        assert_eq!(encode::binary(&payload), [header, &payload].concat());
        assert_eq!(
            read_by_client(&encode::binary(&payload)),
            Message::binary(payload)
        );
    }
}

#[test]
fn a_header_is_appended_to_the_buffer() {
    let mut out = b"before".to_vec();
    encode::put_header(&mut out, OpCode::Control(Control::Ping), 3);
    assert_eq!(out, b"before\x89\x03");
}

#[test]
fn constant_frames_have_the_documented_bytes() {
    assert_eq!(
        read_by_client(&encode::PING),
        Message::Ping(Vec::new().into())
    );
    assert_eq!(read_by_client(&encode::CLOSE), Message::Close(None));
}

#[test]
fn rfc6455_5_5_1_a_close_reason_is_truncated_between_characters() {
    let close = encode::close(1002, &"a".repeat(200));
    assert_eq!(close.len(), 2 + 125);
    let close = encode::close(3008, &"ż".repeat(100));
    let Message::Close(Some(read)) = read_by_client(&close) else {
        panic!("a close frame");
    };
    assert_eq!(u16::from(read.code), 3008);
    assert_eq!(read.reason.as_str(), "ż".repeat(61));
    assert_eq!(encode::close(1000, ""), b"\x88\x02\x03\xe8"[..]);
}

proptest! {
    #[test]
    fn a_client_reads_the_encoded_message(
        text in ".{0,200}",
        bytes in prop::collection::vec(any::<u8>(), 0..70_000),
        ping in prop::collection::vec(any::<u8>(), 0..=125),
        code in 3000_u16..5000,
        reason in "[a-z ]{0,123}",
    ) {
        prop_assert_eq!(read_by_client(&encode::text(text.as_bytes())), Message::text(text));
        prop_assert_eq!(read_by_client(&encode::binary(&bytes)), Message::binary(bytes));
        prop_assert_eq!(read_by_client(&encode::pong(&ping)), Message::Pong(ping.into()));
        let Message::Close(Some(read)) = read_by_client(&encode::close(code, &reason)) else {
            panic!("a close frame");
        };
        prop_assert_eq!(u16::from(read.code), code);
        prop_assert_eq!(read.reason.as_str(), reason);
    }
}
