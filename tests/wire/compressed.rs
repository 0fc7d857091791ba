//! RFC 7692, section 6: compressed messages in one frame, in fragments and between other messages.

use fanfare::wire::{Decoder, Inflater, ProtocolViolation};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::chunking::{damage, frames, pieces};
use crate::contents::Kind;
use crate::support::*;
use crate::zlib;

/// Asserts the results of decoding the stream, in one piece and byte by byte.
#[track_caller]
fn assert_seen(stream: &[u8], events: &[Owned], violation: Option<ProtocolViolation>) {
    let events = events.to_vec();
    let expected = Seen { events, violation };
    assert_eq!(decode_deflated([stream], MAX_MESSAGE), expected);
    assert_eq!(decode_deflated(stream.chunks(1), MAX_MESSAGE), expected);
}

/// Returns a compressed message in one frame.
fn deflated(opcode: u8, message: &[u8]) -> Vec<u8> {
    frame(FIN | RSV1 | opcode, &zlib::payload(message, 6))
}

#[test]
fn rfc7692_6_2_a_message_with_rsv1_is_inflated() {
    let stream = [
        deflated(TEXT, "żółw".as_bytes()),
        deflated(BINARY, b"\xff\x00\xff"),
        deflated(TEXT, b""),
        frame(FIN | RSV1 | BINARY, b""),
    ]
    .concat();
    let expected = [
        text("żółw"),
        Owned::Binary(b"\xff\x00\xff".to_vec()),
        text(""),
        Owned::Binary(Vec::new()),
    ];
    assert_seen(&stream, &expected, None);
}

#[test]
fn rfc7692_6_2_uncompressed_messages_are_not_inflated() {
    let payload = zlib::payload(b"Hello", 6);
    let stream = [
        frame(FIN | TEXT, b"plain"),
        deflated(TEXT, b"compressed"),
        frame(FIN | BINARY, &payload),
        frame(TEXT, b"in "),
        frame(FIN | CONTINUATION, b"two"),
        deflated(TEXT, b"again"),
    ]
    .concat();
    let expected = [
        text("plain"),
        text("compressed"),
        Owned::Binary(payload),
        text("in two"),
        text("again"),
    ];
    assert_seen(&stream, &expected, None);
}

#[test]
fn rfc7692_6_1_a_compressed_message_may_be_fragmented_anywhere() {
    let message = "{\"name\":\"żółw\",\"numbers\":[1,2,3,1,2,3]}";
    let payload = zlib::payload(message.as_bytes(), 6);
    for first in 0..=payload.len() {
        for second in [first, first + (payload.len() - first) / 2, payload.len()] {
            let stream = [
                frame(RSV1 | TEXT, &payload[..first]),
                frame(FIN | PING, b"between"),
                frame(CONTINUATION, &payload[first..second]),
                frame(FIN | PONG, b""),
                frame(FIN | CONTINUATION, &payload[second..]),
                deflated(TEXT, b"next"),
            ]
            .concat();
            let expected = [
                Owned::Ping(b"between".to_vec()),
                Owned::Pong(Vec::new()),
                text(message),
                text("next"),
            ];
            assert_seen(&stream, &expected, None);
        }
    }
}

#[test]
fn rfc7692_6_a_compressed_message_may_have_empty_fragments() {
    let stream = [
        frame(RSV1 | TEXT, b""),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, b""),
        frame(RSV1 | TEXT, b""),
        frame(CONTINUATION, &zlib::payload(b"late", 6)),
        frame(FIN | CONTINUATION, b""),
    ]
    .concat();
    assert_seen(&stream, &[text(""), text("late")], None);
}

#[test]
fn rfc7692_6_1_only_the_first_frame_of_a_message_has_rsv1() {
    let payload = zlib::payload(b"Hello", 6);
    for front in [frame(RSV1 | TEXT, &payload[..3]), frame(TEXT, b"a")] {
        for first in [RSV1 | CONTINUATION, FIN | RSV1 | CONTINUATION] {
            let stream = [&front[..], &frame(first, &payload[3..])].concat();
            assert_seen(&stream, &[], Some(ProtocolViolation::ReservedBits));
        }
    }
    for control in [PING, PONG, CLOSE] {
        let control = frame(FIN | RSV1 | control, b"");
        assert_seen(&control, &[], Some(ProtocolViolation::ReservedBits));
        let inside = [&frame(RSV1 | TEXT, &payload[..3])[..], &control].concat();
        assert_seen(&inside, &[], Some(ProtocolViolation::ReservedBits));
    }
    assert_eq!(ProtocolViolation::ReservedBits.close_code(), 1002);
}

#[test]
fn rfc7692_6_rsv1_must_be_negotiated() {
    assert_violation(&deflated(TEXT, b"Hello"), ProtocolViolation::ReservedBits);
    assert_violation(&frame(RSV1 | BINARY, b""), ProtocolViolation::ReservedBits);
}

#[test]
fn rfc6455_5_2_rsv2_and_rsv3_stay_reserved() {
    for bits in [0x20, 0x10, 0x30] {
        for rsv1 in [0, RSV1] {
            for opcode in [TEXT, BINARY, PING, CLOSE] {
                let stream = frame(FIN | rsv1 | bits | opcode, b"");
                assert_seen(&stream, &[], Some(ProtocolViolation::ReservedBits));
            }
        }
    }
}

#[test]
fn rfc6455_8_1_an_inflated_text_is_utf8() {
    for wrong in [
        &b"\xff"[..],
        b"ok \xc0\xaf",
        b"cut \xf0\x9f\x98",
        b"\xed\xa0\x80",
    ] {
        assert_seen(
            &deflated(TEXT, wrong),
            &[],
            Some(ProtocolViolation::InvalidUtf8),
        );
        assert_seen(
            &deflated(BINARY, wrong),
            &[Owned::Binary(wrong.to_vec())],
            None,
        );
        let payload = zlib::payload(wrong, 6);
        for border in 0..payload.len() {
            let stream = [
                frame(RSV1 | TEXT, &payload[..border]),
                frame(FIN | CONTINUATION, &payload[border..]),
            ]
            .concat();
            assert_seen(&stream, &[], Some(ProtocolViolation::InvalidUtf8));
        }
    }
    assert_eq!(ProtocolViolation::InvalidUtf8.close_code(), 1007);
}

#[test]
fn a_payload_that_does_not_inflate_is_invalid() {
    let payload = zlib::payload(b"A message that is cut off", 6);
    for wrong in [&payload[..payload.len() / 2], b"\x07", b"\xff\xff\xff\xff"] {
        for opcode in [TEXT, BINARY] {
            let front = deflated(TEXT, b"before");
            let stream = [
                front,
                frame(FIN | RSV1 | opcode, wrong),
                frame(FIN | TEXT, b"late"),
            ];
            assert_seen(
                &stream.concat(),
                &[text("before")],
                Some(ProtocolViolation::InvalidDeflate),
            );
        }
    }
    assert_eq!(ProtocolViolation::InvalidDeflate.close_code(), 1007);
}

#[test]
fn rfc6455_10_4_the_limit_applies_to_the_inflated_message() {
    let largest = vec![b'a'; MAX_MESSAGE];
    assert_seen(&deflated(BINARY, &largest), &[Owned::Binary(largest)], None);
    for bytes in [MAX_MESSAGE + 1, 1 << 20] {
        let stream = deflated(TEXT, &vec![b'a'; bytes]);
        assert_seen(&stream, &[], Some(ProtocolViolation::MessageTooBig));
    }
    assert_eq!(ProtocolViolation::MessageTooBig.close_code(), 1009);
    assert_eq!(ProtocolViolation::TooManyBlocks.close_code(), 1009);
}

#[test]
fn rfc6455_10_4_a_payload_may_be_a_little_larger_than_its_message() {
    let message = Kind::Random.message(MAX_MESSAGE, 1);
    // A fifth more: the worst case of zlib's fixed codes is a little less.
    let mut payload = Vec::new();
    for piece in message.chunks(26) {
        let length = piece.len() as u16;
        payload.push(0x00);
        payload.extend(length.to_le_bytes());
        payload.extend((!length).to_le_bytes());
        payload.extend(piece);
    }
    payload.push(0x00);
    assert!(payload.len() > MAX_MESSAGE * 9 / 8 + 64);
    let stream = frame(FIN | RSV1 | BINARY, &payload);
    assert_seen(&stream, &[Owned::Binary(message)], None);
}

#[test]
fn rfc6455_10_4_a_payload_far_too_big_is_refused_by_its_header() {
    let bytes = MAX_MESSAGE + MAX_MESSAGE / 4;
    let header = &frame(FIN | RSV1 | TEXT, &vec![0; bytes])[..8];
    assert_seen(header, &[], Some(ProtocolViolation::MessageTooBig));
    let rest = &frame(CONTINUATION, &vec![0; bytes - 100])[..8];
    let stream = [&frame(RSV1 | TEXT, &[0; 100])[..], rest].concat();
    assert_seen(&stream, &[], Some(ProtocolViolation::MessageTooBig));
    // This tolerance is only for compressed messages.
    let plain = &frame(FIN | TEXT, &[b'a'; MAX_MESSAGE + 1])[..8];
    assert_seen(plain, &[], Some(ProtocolViolation::MessageTooBig));
}

#[test]
fn no_memory_is_held_between_compressed_messages_or_after_a_violation() {
    let bad = frame(FIN | RSV1 | TEXT, b"\x07\x07\x07");
    for stream in [deflated(TEXT, b"Hello"), bad] {
        let mut decoder = Decoder::default();
        let mut inflater = Inflater::default();
        for byte in &stream {
            let mut bytes = [*byte];
            let mut input = &mut bytes[..];
            while let Ok(Some(_)) | Err(_) =
                decoder.next(&mut input, MAX_MESSAGE, Some(&mut inflater))
            {}
        }
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}

/// Generates compressed messages in fragments between other frames, most of them valid.
fn mixed_frames() -> impl Strategy<Value = Vec<u8>> {
    let message = prop_oneof![
        6 => "[aż\u{20ac}\u{1f600}]{0,60}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..60),
        1 => (900_usize..1200).prop_map(|bytes| vec![b'z'; bytes]),
    ];
    let message = (
        prop::sample::select(vec![TEXT, BINARY]),
        message,
        0_u32..=9,
        vec(any::<prop::sample::Index>(), 0..3),
        any::<bool>(),
    );
    let compressed = message.prop_map(|(opcode, message, level, borders, is_pinged)| {
        let payload = zlib::payload(&message, level);
        let places = payload.len() + 1;
        let mut borders: Vec<_> = borders.iter().map(|border| border.index(places)).collect();
        borders.sort_unstable();
        let (mut stream, mut start, mut first) = (Vec::new(), 0, RSV1 | opcode);
        for border in borders {
            stream.extend(frame(first, &payload[start..border]));
            if is_pinged {
                stream.extend(frame(FIN | PING, b"?"));
            }
            (start, first) = (border, CONTINUATION);
        }
        stream.extend(frame(FIN | first, &payload[start..]));
        stream
    });
    let part = prop_oneof![4 => compressed, 1 => frames()];
    vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_division_into_reads_does_not_matter(
        mut stream in mixed_frames(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        lengths in vec(1_usize..40, 1..6),
    ) {
        damage(&mut stream, flips);
        let whole = decode_deflated([&stream[..]], MAX_MESSAGE);
        prop_assert_eq!(&decode_deflated(stream.chunks(1), MAX_MESSAGE), &whole);
        let cut = pieces(&stream, &lengths);
        prop_assert_eq!(&decode_deflated(cut, MAX_MESSAGE), &whole);
    }

    #[test]
    fn valid_messages_are_decoded(
        messages in vec(("[aż\u{20ac}\u{1f600}]{0,90}", 0_u32..=9, any::<bool>()), 1..6),
        lengths in vec(1_usize..40, 1..6),
    ) {
        let mut stream = Vec::new();
        let mut events = Vec::new();
        for (message, level, is_compressed) in messages {
            stream.extend(if is_compressed {
                frame(FIN | RSV1 | TEXT, &zlib::payload(message.as_bytes(), level))
            } else {
                frame(FIN | TEXT, message.as_bytes())
            });
            events.push(Owned::Text(message));
        }
        let seen = decode_deflated(pieces(&stream, &lengths), MAX_MESSAGE);
        prop_assert_eq!(seen, Seen { events, violation: None });
    }
}
