//! RFC 6455, sections 5.5.1 and 7.4: close frames.

use fanfare::wire::ProtocolViolation;

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
