//! The memory of a decoder: none while it is idle, and at most in proportion to the received bytes.

use fanfare::wire::{Decoder, Incoming};

use crate::support::*;

#[test]
fn an_idle_decoder_is_16_bytes() {
    assert!(size_of::<Decoder>() <= 16);
    assert_eq!(Decoder::default().buffered_bytes(), 0);
}

#[test]
fn no_memory_is_held_between_messages() {
    let messages = [
        frame(FIN | TEXT, b"whole"),
        [frame(TEXT, b"in "), frame(FIN | CONTINUATION, b"two")].concat(),
        frame(FIN | PING, b"ping"),
        frame(FIN | TEXT, b""),
    ];
    for message in messages {
        for piece_bytes in 1..=message.len() {
            let mut decoder = Decoder::default();
            let mut seen = Seen::default();
            for piece in message.chunks(piece_bytes) {
                feed(&mut decoder, piece, MAX_MESSAGE, &mut seen);
            }
            assert_eq!(seen.events.len(), 1);
            assert_eq!(decoder.buffered_bytes(), 0);
        }
    }
}

#[test]
fn no_memory_is_held_after_a_violation_or_a_close() {
    for last in [
        frame(FIN | RSV1 | PING, b""),
        frame(FIN | CLOSE, b"\x03\xe8"),
        vec![0x88, 0x80],
    ] {
        let stream = [frame(TEXT, &[b'a'; 500]), last].concat();
        let mut decoder = Decoder::default();
        let mut seen = Seen::default();
        for byte in stream.chunks(1) {
            feed(&mut decoder, byte, MAX_MESSAGE, &mut seen);
        }
        feed(&mut decoder, &[0; 4], MAX_MESSAGE, &mut seen);
        assert_eq!(decoder.buffered_bytes(), 0);
    }
}

#[test]
fn memory_depends_on_received_bytes_and_not_on_the_length_in_a_header() {
    let claims_a_mebibyte = &frame(FIN | TEXT, &vec![b'a'; 1 << 20])[..14 + 100];
    let mut decoder = Decoder::default();
    feed(
        &mut decoder,
        claims_a_mebibyte,
        1 << 20,
        &mut Seen::default(),
    );
    assert!(
        (100..500).contains(&decoder.buffered_bytes()),
        "{}",
        decoder.buffered_bytes()
    );
}

#[test]
fn the_payload_of_a_ping_between_fragments_is_freed() {
    let mut decoder = Decoder::default();
    let mut seen = Seen::default();
    feed(&mut decoder, &frame(TEXT, b"a"), MAX_MESSAGE, &mut seen);
    let before = decoder.buffered_bytes();
    for _ in 0..100 {
        for byte in frame(FIN | PING, &[b'p'; 125]).chunks(1) {
            feed(&mut decoder, byte, MAX_MESSAGE, &mut seen);
        }
    }
    assert_eq!(seen.events.len(), 100);
    assert_eq!(decoder.buffered_bytes(), before);
}

#[test]
fn a_complete_frame_is_decoded_in_place() {
    let mut bytes = [frame(FIN | TEXT, b"first"), frame(FIN | BINARY, b"second")].concat();
    let place = bytes.as_ptr_range();
    let mut input = &mut bytes[..];
    let mut decoder = Decoder::default();
    for expected in [&b"first"[..], b"second"] {
        let Ok(Some(Incoming::Text(payload) | Incoming::Binary(payload))) =
            decoder.next(&mut input, MAX_MESSAGE, None)
        else {
            panic!("a message is ready");
        };
        assert_eq!(payload, expected);
        assert!(place.contains(&payload.as_ptr()));
    }
    assert_eq!(decoder.buffered_bytes(), 0);
}
