//! RFC 6455, section 8.1: text that is not UTF-8 fails at its first invalid byte.

use fanfare::wire::{Decoder, ProtocolViolation};

use crate::support::*;

/// Invalid sequences, each with the index of the first byte that makes it invalid.
const WRONG: [(&[u8], usize); 20] = [
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\xc0\xaf", 0),
    (b"\xc1\x80", 0),
    (b"\xc3\x28", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xe2\x28\xa1", 1),
    (b"\xe2\x82\x28", 2),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf0\x9f\x28\x80", 2),
    (b"\xf0\x9f\x98\x28", 3),
    (b"\xf0\x9f\x98\xc0", 3),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
    (b"\xf0\x9f\xf0\x9f", 2),
];

/// Characters of one to four bytes at the limits of their ranges.
const RIGHT: [&str; 6] = [
    "plain",
    "\u{7f}\u{80}",
    "\u{7ff}\u{800}",
    "\u{d7ff}\u{e000}\u{fffd}\u{ffff}",
    "\u{10000}\u{10ffff}",
    "κόσμε \u{1f600}",
];

#[test]
fn rfc6455_8_1_an_invalid_byte_fails_when_it_is_received() {
    for (wrong, index) in WRONG {
        for before in ["", "ab", "κόσμε"] {
            let payload = [before.as_bytes(), wrong, b"after"].concat();
            let stream = frame(FIN | TEXT, &payload);
            let first_wrong = stream.len() - payload.len() + before.len() + index;

            let mut decoder = Decoder::default();
            let mut seen = Seen::default();
            feed(&mut decoder, &stream[..first_wrong], MAX_MESSAGE, &mut seen);
            assert_eq!(seen, Seen::default(), "{wrong:x?} is not invalid yet");
            feed(
                &mut decoder,
                &stream[first_wrong..=first_wrong],
                MAX_MESSAGE,
                &mut seen,
            );
            assert_eq!(
                seen.violation,
                Some(ProtocolViolation::InvalidUtf8),
                "{wrong:x?}"
            );
        }
    }
}

#[test]
fn rfc6455_8_1_an_invalid_sequence_fails_across_every_fragment_boundary() {
    for (wrong, index) in WRONG {
        let payload = [b"ok ", wrong].concat();
        for border in 0..=3 + index {
            // The message does not end, so only an immediate failure is detected.
            let stream = [
                frame(TEXT, &payload[..border]),
                frame(CONTINUATION, &payload[border..]),
            ]
            .concat();
            assert_violation(&stream, ProtocolViolation::InvalidUtf8);
        }
    }
}

#[test]
fn rfc6455_8_1_characters_may_be_divided_between_fragments() {
    for right in RIGHT {
        let payload = right.as_bytes();
        for first in 0..=payload.len() {
            for second in first..=payload.len() {
                let stream = [
                    frame(TEXT, &payload[..first]),
                    frame(CONTINUATION, &payload[first..second]),
                    frame(FIN | PING, b"\xff"),
                    frame(FIN | CONTINUATION, &payload[second..]),
                ]
                .concat();
                assert_events(&stream, &[Owned::Ping(vec![0xff]), text(right)]);
            }
        }
    }
}

#[test]
fn rfc6455_8_1_a_message_does_not_end_inside_a_character() {
    for cut in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98"] {
        assert_violation(&frame(FIN | TEXT, cut), ProtocolViolation::InvalidUtf8);
        let fragments = [frame(TEXT, cut), frame(FIN | CONTINUATION, b"")].concat();
        assert_violation(&fragments, ProtocolViolation::InvalidUtf8);
    }
}

#[test]
fn rfc6455_8_1_a_new_message_starts_a_new_character() {
    let stream = [
        frame(TEXT, b"\xc5"),
        frame(FIN | CONTINUATION, b"\xbc"),
        frame(FIN | TEXT, b"\xbc"),
    ]
    .concat();
    let seen = decode_pieces(stream.chunks(1), MAX_MESSAGE);
    assert_eq!(seen.events, [text("ż")]);
    assert_eq!(seen.violation, Some(ProtocolViolation::InvalidUtf8));
}

#[test]
fn rfc6455_8_1_binary_messages_and_pings_are_not_checked() {
    let stream = [
        frame(BINARY, b"\xff"),
        frame(FIN | PING, b"\xc0"),
        frame(FIN | CONTINUATION, b"\xf5"),
    ]
    .concat();
    assert_events(
        &stream,
        &[Owned::Ping(vec![0xc0]), Owned::Binary(vec![0xff, 0xf5])],
    );
}
