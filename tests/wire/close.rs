//! RFC 6455, sections 5.5.1 and 7.4: close frames.

use fanfare::wire::ProtocolViolation;
use fanfare::wire::decode::{Decoder, Skipped};

use crate::support::*;

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn rfc6455_5_5_1_close_may_be_empty() {
    assert_events(
        &frame(FIN | CLOSE, b""),
        &[Owned::Close(None, String::new())],
    );
}

#[test]
fn rfc6455_5_5_1_close_carries_a_code_and_a_reason() {
    assert_events(
        &close(1001, b""),
        &[Owned::Close(Some(1001), String::new())],
    );
    let reason = "żegnaj".to_owned();
    assert_events(
        &close(4000, reason.as_bytes()),
        &[Owned::Close(Some(4000), reason)],
    );
    let longest = "x".repeat(123);
    assert_events(
        &close(1000, longest.as_bytes()),
        &[Owned::Close(Some(1000), longest)],
    );
}

#[test]
fn rfc6455_5_5_1_a_payload_of_one_byte_is_invalid() {
    assert_violation(
        &frame(FIN | CLOSE, b"\x03"),
        ProtocolViolation::InvalidClosePayload,
    );
}

#[test]
fn rfc6455_5_5_1_close_reason_is_utf8() {
    assert_violation(
        &close(1000, b"\xce\xba\xff"),
        ProtocolViolation::CloseReasonNotUtf8,
    );
    assert_violation(
        &close(1000, b"cut \xf0\x9f\x98"),
        ProtocolViolation::CloseReasonNotUtf8,
    );
}

#[test]
fn rfc6455_5_5_1_nothing_is_decoded_after_close() {
    let stream = [
        close(1000, b""),
        frame(FIN | TEXT, b"late"),
        vec![0xff; 50],
        close(1000, b""),
    ]
    .concat();
    assert_events(&stream, &[Owned::Close(Some(1000), String::new())]);
}

#[test]
fn rfc6455_7_4_only_permitted_codes_are_accepted() {
    for code in 0..=u16::MAX {
        let is_sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        let seen = decode(&close(code, b""));
        if is_sendable {
            assert_eq!(seen.events, [Owned::Close(Some(code), String::new())]);
            assert_eq!(seen.violation, None, "{code}");
        } else {
            assert_eq!(seen.events, []);
            assert_eq!(
                seen.violation,
                Some(ProtocolViolation::InvalidCloseCode),
                "{code}"
            );
        }
    }
}

#[test]
fn rfc6455_7_1_1_the_close_frame_is_found_behind_messages_that_are_discarded() {
    let messages = [
        &frame(0x81, b"text")[..],
        &frame(0x01, b"begin"),
        &frame(0x89, b"ping"),
        &frame(0x80, b"end"),
    ]
    .concat();
    let close = frame(0x88, &1000_u16.to_be_bytes());
    let whole = [&messages[..], &close, b"rest"].concat();
    for piece_bytes in [1, 2, 7, whole.len()] {
        let mut decoder = Decoder::default();
        let mut found_after = None;
        let mut fed = 0;
        for piece in whole.chunks(piece_bytes) {
            fed += piece.len();
            match decoder.skip_to_close(&mut piece.to_vec(), 100, false) {
                Skipped::Input => {}
                Skipped::ToClose => found_after = found_after.or(Some(fed)),
                Skipped::ToViolation => panic!("the frames are valid"),
            }
        }
        let end = messages.len() + close.len();
        let expected = end.next_multiple_of(piece_bytes).min(whole.len());
        assert_eq!(found_after, Some(expected), "pieces of {piece_bytes}");
        assert_eq!(decoder.buffered_bytes(), 0);
    }
    let mut decoder = Decoder::default();
    let skipped = decoder.skip_to_close(&mut b"\x81\x01x".to_vec(), 100, false);
    assert_eq!(skipped, Skipped::ToViolation, "an unmasked frame");
}
