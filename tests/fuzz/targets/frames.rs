//! The frame decoder: a stream in pieces gives what the whole stream gives, within its memory.

use fanfare::wire::{Decoder, Event, Fault};

const MAX_MESSAGE: usize = 512;

/// The first four bytes are the lengths of the pieces, over and over; the rest is the stream.
pub fn frames(data: &[u8]) {
    let Some((lengths, stream)) = data.split_first_chunk::<4>() else {
        return;
    };
    let mut rest = stream;
    let pieces = lengths.iter().cycle().map_while(|length| {
        let (piece, after) = rest.split_at(rest.len().min(1 + usize::from(*length)));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(decode(pieces), decode([stream]));
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Option<Fault>) {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    let mut end = None;
    let mut arrived_bytes = 0;
    for piece in pieces {
        arrived_bytes += piece.len();
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        loop {
            match decoder.next(&mut input, MAX_MESSAGE, None) {
                Ok(Some(event)) => {
                    assert_eq!(end, None, "an event after a fault");
                    check(&event);
                    events.push(format!("{event:?}"));
                }
                Ok(None) => break,
                Err(fault) => assert_eq!(end.replace(fault), None, "a fault after a fault"),
            }
        }
        assert!(input.is_empty(), "input is left over");
        assert!(decoder.buffered_bytes() <= 256 + 2 * arrived_bytes.min(MAX_MESSAGE));
    }
    (events, end)
}

fn check(event: &Event<'_>) {
    match event {
        Event::Text(text) => assert!(str::from_utf8(text).is_ok() && text.len() <= MAX_MESSAGE),
        Event::Binary(bytes) => assert!(bytes.len() <= MAX_MESSAGE),
        Event::Ping(payload) | Event::Pong(payload) => assert!(payload.len() <= 125),
        Event::Close { code, reason } => {
            assert!(reason.len() <= 123 && (code.is_some() || reason.is_empty()));
        }
    }
}
