//! RFC 6455, section 5.4: fragmentation, and the limits of messages (section 10.4).

use fanfare::limits;
use fanfare::wire::{Decoder, ProtocolViolation};

use crate::support::*;

#[test]
fn rfc6455_5_4_fragments_join_to_one_message() {
    let stream = [
        frame(TEXT, b"one "),
        frame(CONTINUATION, b"two "),
        frame(FIN | CONTINUATION, b"three"),
        frame(BINARY, b"\x01"),
        frame(FIN | CONTINUATION, b"\xff"),
    ]
    .concat();
    assert_events(
        &stream,
        &[text("one two three"), Owned::Binary(vec![0x01, 0xff])],
    );
}

#[test]
fn rfc6455_5_4_fragments_may_be_empty() {
    let stream = [
        frame(TEXT, b""),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, b""),
        frame(TEXT, b""),
        frame(CONTINUATION, b"middle"),
        frame(FIN | CONTINUATION, b""),
    ]
    .concat();
    assert_events(&stream, &[text(""), text("middle")]);
}

#[test]
fn rfc6455_5_4_control_frames_are_permitted_between_fragments() {
    let stream = [
        frame(TEXT, b"a"),
        frame(FIN | PING, b"1"),
        frame(FIN | PONG, b"2"),
        frame(CONTINUATION, b"b"),
        frame(FIN | PING, b""),
        frame(FIN | CONTINUATION, b"c"),
    ]
    .concat();
    let expected = [
        Owned::Ping(b"1".to_vec()),
        Owned::Pong(b"2".to_vec()),
        Owned::Ping(Vec::new()),
        text("abc"),
    ];
    assert_events(&stream, &expected);
}

#[test]
fn rfc6455_5_4_close_between_fragments_ends_the_message() {
    let stream = [
        frame(TEXT, b"a"),
        frame(FIN | CLOSE, b"\x03\xe8"),
        frame(FIN | CONTINUATION, b"b"),
    ]
    .concat();
    assert_events(&stream, &[Owned::Close(Some(1000), String::new())]);
}

#[test]
fn rfc6455_5_4_a_continuation_needs_a_message() {
    assert_violation(
        &frame(FIN | CONTINUATION, b"a"),
        ProtocolViolation::UnexpectedContinuation,
    );
    assert_violation(
        &frame(CONTINUATION, b""),
        ProtocolViolation::UnexpectedContinuation,
    );

    let after_one = [frame(FIN | TEXT, b"a"), frame(FIN | CONTINUATION, b"b")].concat();
    let seen = decode(&after_one);
    assert_eq!(seen.events, [text("a")]);
    assert_eq!(
        seen.violation,
        Some(ProtocolViolation::UnexpectedContinuation)
    );

    let after_many = [
        frame(TEXT, b"a"),
        frame(FIN | CONTINUATION, b"b"),
        frame(CONTINUATION, b"c"),
    ]
    .concat();
    assert_eq!(decode(&after_many).events, [text("ab")]);
    assert_eq!(
        decode(&after_many).violation,
        Some(ProtocolViolation::UnexpectedContinuation)
    );
}

#[test]
fn rfc6455_5_4_messages_are_not_interleaved() {
    for opcode in [TEXT, BINARY] {
        let stream = [frame(TEXT, b"a"), frame(FIN | opcode, b"b")].concat();
        assert_violation(&stream, ProtocolViolation::ExpectedContinuation);
        let after_an_empty_one = [frame(BINARY, b""), frame(opcode, b"b")].concat();
        assert_violation(&after_an_empty_one, ProtocolViolation::ExpectedContinuation);
    }
}

#[test]
fn rfc6455_10_4_a_message_has_at_most_max_message_bytes() {
    let largest = frame(FIN | BINARY, &[7; MAX_MESSAGE]);
    assert_events(&largest, &[Owned::Binary(vec![7; MAX_MESSAGE])]);
    assert_violation(
        &frame(FIN | BINARY, &[7; MAX_MESSAGE + 1]),
        ProtocolViolation::MessageTooBig,
    );

    let halves = |second| {
        [
            frame(BINARY, &[7; 1000]),
            frame(FIN | CONTINUATION, &vec![7; second]),
        ]
        .concat()
    };
    assert_events(
        &halves(MAX_MESSAGE - 1000),
        &[Owned::Binary(vec![7; MAX_MESSAGE])],
    );
    assert_violation(&halves(MAX_MESSAGE - 999), ProtocolViolation::MessageTooBig);
}

#[test]
fn rfc6455_10_4_a_message_too_big_is_refused_by_its_header() {
    let header = &frame(FIN | TEXT, &[b'a'; MAX_MESSAGE + 1])[..8];
    assert_violation(header, ProtocolViolation::MessageTooBig);

    let mut largest_length = vec![FIN | TEXT, MASKED | LENGTH_64];
    largest_length.extend((u64::MAX >> 1).to_be_bytes());
    largest_length.extend(KEY);
    assert_violation(&largest_length, ProtocolViolation::MessageTooBig);

    let second_header = &frame(CONTINUATION, &[b'a'; 200])[..8];
    let stream = [&frame(TEXT, &[b'a'; 1000])[..], second_header].concat();
    assert_violation(&stream, ProtocolViolation::MessageTooBig);
}

#[test]
fn rfc6455_10_4_a_message_has_a_bounded_number_of_fragments() {
    let fragments = |count: u32| {
        let mut stream = frame(TEXT, b"");
        for _ in 1..count - 1 {
            stream.extend(frame(CONTINUATION, b""));
        }
        stream.extend(frame(FIN | CONTINUATION, b""));
        stream
    };
    assert_eq!(decode(&fragments(limits::FRAGMENTS)).events, [text("")]);
    assert_violation(
        &fragments(limits::FRAGMENTS + 1),
        ProtocolViolation::TooManyFragments,
    );

    let two_long_messages = fragments(limits::FRAGMENTS).repeat(2);
    assert_eq!(decode(&two_long_messages).events, [text(""), text("")]);
}

#[test]
fn max_message_may_change_between_calls() {
    let mut decoder = Decoder::default();
    let mut seen = Seen::default();
    feed(&mut decoder, &frame(BINARY, &[7; 100]), 100, &mut seen);
    feed(
        &mut decoder,
        &frame(FIN | CONTINUATION, &[7; 1]),
        50,
        &mut seen,
    );
    assert_eq!(seen.violation, Some(ProtocolViolation::MessageTooBig));
}
