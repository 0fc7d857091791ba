//! RFC 6455, sections 5.1 to 5.3 and 5.5: the format of one frame.

use fanfare::wire::{Decoder, ProtocolViolation};

use crate::support::*;

#[test]
fn rfc6455_5_1_client_frames_are_masked() {
    assert_violation(
        &[FIN | TEXT, 0x02, b'h', b'i'],
        ProtocolViolation::UnmaskedFrame,
    );
    assert_violation(&[FIN | PING, 0x00], ProtocolViolation::UnmaskedFrame);
}

#[test]
fn rfc6455_5_2_reserved_bits_are_zero() {
    for bits in (RSV1 >> 2..=RSV1 | RSV1 >> 1 | RSV1 >> 2).step_by(0x10) {
        for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
            assert_violation(
                &frame(FIN | bits | opcode, b"\x03\xe8"),
                ProtocolViolation::ReservedBits,
            );
        }
        let fragments = [frame(TEXT, b"a"), frame(FIN | bits | CONTINUATION, b"b")].concat();
        assert_violation(&fragments, ProtocolViolation::ReservedBits);
    }
}

#[test]
fn rfc6455_5_2_reserved_opcodes_fail() {
    for opcode in (0x3..=0x7).chain(0xb..=0xf) {
        assert_violation(&frame(FIN | opcode, b""), ProtocolViolation::ReservedOpcode);
        assert_violation(
            &frame(opcode, b"payload"),
            ProtocolViolation::ReservedOpcode,
        );
    }
}

#[test]
fn rfc6455_5_2_every_length_form_is_read() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        let stream = frame(FIN | BINARY, &payload);
        let expected = Seen {
            events: vec![Owned::Binary(payload)],
            violation: None,
        };
        assert_eq!(decode_pieces([&stream[..]], length), expected);
        assert_eq!(decode_pieces(stream.chunks(1000), length), expected);
    }
}

#[test]
fn rfc6455_5_2_length_takes_the_fewest_bytes() {
    let mut short_in_16_bits = vec![FIN | TEXT, MASKED | LENGTH_16, 0, 125];
    short_in_16_bits.extend(KEY);
    assert_violation(&short_in_16_bits, ProtocolViolation::LengthNotMinimal);

    let mut medium_in_64_bits = vec![FIN | TEXT, MASKED | LENGTH_64];
    medium_in_64_bits.extend(65_535_u64.to_be_bytes());
    medium_in_64_bits.extend(KEY);
    assert_violation(&medium_in_64_bits, ProtocolViolation::LengthNotMinimal);

    let mut empty_ping = vec![FIN | PING, MASKED | LENGTH_16, 0, 0];
    empty_ping.extend(KEY);
    assert_violation(&empty_ping, ProtocolViolation::LengthNotMinimal);
}

#[test]
fn rfc6455_5_2_length_has_no_most_significant_bit() {
    for length in [1 << 63, u64::MAX] {
        let mut stream = vec![FIN | BINARY, MASKED | LENGTH_64];
        stream.extend(length.to_be_bytes());
        stream.extend(KEY);
        assert_violation(&stream, ProtocolViolation::LengthTooLarge);
    }
}

#[test]
fn rfc6455_5_3_unmasking_is_correct_at_every_length_and_division() {
    for length in 0..70 {
        let payload: Vec<u8> = (0..length).collect();
        let stream = frame(FIN | BINARY, &payload);
        for cut in 0..=stream.len() {
            let (front, back) = stream.split_at(cut);
            let seen = decode_pieces([front, back], MAX_MESSAGE);
            assert_eq!(
                seen.events,
                [Owned::Binary(payload.clone())],
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn rfc6455_5_5_control_frames_are_never_fragmented() {
    for opcode in [PING, PONG, CLOSE] {
        assert_violation(&frame(opcode, b""), ProtocolViolation::FragmentedControl);
        let inside = [frame(TEXT, b"a"), frame(opcode, b"")].concat();
        assert_violation(&inside, ProtocolViolation::FragmentedControl);
    }
}

#[test]
fn rfc6455_5_5_control_frames_carry_at_most_125_bytes() {
    for opcode in [PING, PONG, CLOSE] {
        assert_violation(
            &frame(FIN | opcode, &[b'a'; 126]),
            ProtocolViolation::ControlTooLong,
        );
        assert_violation(
            &frame(FIN | opcode, &vec![b'a'; 70_000])[..14],
            ProtocolViolation::ControlTooLong,
        );
    }
    let longest = [b'a'; 125];
    assert_events(
        &frame(FIN | PING, &longest),
        &[Owned::Ping(longest.to_vec())],
    );
}

#[test]
fn rfc6455_5_5_2_ping_and_pong_carry_any_bytes() {
    let payload = [0x00, 0xff, 0xfe, 0x80];
    let stream = [frame(FIN | PING, &payload), frame(FIN | PONG, b"")].concat();
    assert_events(
        &stream,
        &[Owned::Ping(payload.to_vec()), Owned::Pong(Vec::new())],
    );
}

#[test]
fn rfc6455_5_6_text_is_utf8_and_binary_is_anything() {
    assert_events(&frame(FIN | TEXT, "żółw".as_bytes()), &[text("żółw")]);
    assert_events(
        &frame(FIN | BINARY, b"\xff\x00"),
        &[Owned::Binary(vec![0xff, 0x00])],
    );
    assert_events(&frame(FIN | TEXT, b""), &[text("")]);
}

#[test]
fn a_violation_in_a_header_is_reported_before_the_payload_arrives() {
    let mut decoder = Decoder::default();
    let mut header = frame(FIN | RSV1 | TEXT, &[b'a'; 200])[..8].to_vec();
    assert_eq!(
        decoder.next(&mut &mut header[..], MAX_MESSAGE, None),
        Err(ProtocolViolation::ReservedBits)
    );
}

#[test]
fn nothing_is_decoded_after_a_violation() {
    let stream = [frame(FIN | RSV1 | TEXT, b"a"), frame(FIN | TEXT, b"b")].concat();
    assert_violation(&stream, ProtocolViolation::ReservedBits);
}

#[test]
fn every_violation_has_a_close_reason_and_a_metric_name() {
    let mut names: Vec<_> = ProtocolViolation::ALL
        .iter()
        .map(|violation| violation.name())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ProtocolViolation::ALL.len());
    for violation in ProtocolViolation::ALL {
        assert!(
            violation
                .name()
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        );
        assert!(
            violation.to_string().len() <= 123,
            "{violation} fits a close frame"
        );
        let code = match violation {
            ProtocolViolation::InvalidDeflate
            | ProtocolViolation::InvalidUtf8
            | ProtocolViolation::CloseReasonNotUtf8 => 1007,
            ProtocolViolation::MessageTooBig
            | ProtocolViolation::TooManyFragments
            | ProtocolViolation::TooManyBlocks => 1009,
            _ => 1002,
        };
        assert_eq!(violation.close_code(), code);
    }
}
