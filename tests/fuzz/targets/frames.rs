//! The frame decoder: a stream in pieces gives what the whole stream gives, within its memory;
//! with compressed messages and without.

use fanfare::wire::{Decoder, Incoming, Inflater, ProtocolViolation};

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
    let pieces: Vec<_> = pieces.collect();
    let whole = decode([stream], None);
    assert_eq!(decode(pieces.iter().copied(), None), whole);

    let mut inflater = Inflater::default();
    let negotiated = decode([stream], Some(&mut inflater));
    assert_eq!(decode(pieces, Some(&mut inflater)), negotiated);
    if whole.1.is_none() {
        assert_eq!(negotiated, whole, "there is nothing to inflate");
    }
    assert!(inflater.held_bytes() <= MAX_MESSAGE + 1);
}

fn decode<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut inflater: Option<&mut Inflater>,
) -> (Vec<String>, Option<ProtocolViolation>) {
    let payload_bytes = MAX_MESSAGE + inflater.as_ref().map_or(0, |_| MAX_MESSAGE / 4 + 64);
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    let mut end = None;
    let mut arrived_bytes = 0;
    for piece in pieces {
        arrived_bytes += piece.len();
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        loop {
            match decoder.next(&mut input, MAX_MESSAGE, inflater.as_deref_mut()) {
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
        assert!(decoder.buffered_bytes() <= 256 + 2 * arrived_bytes.min(payload_bytes));
    }
    (events, end)
}

fn check(event: &Incoming<'_>) {
    match event {
        Incoming::Text(text) => assert!(str::from_utf8(text).is_ok() && text.len() <= MAX_MESSAGE),
        Incoming::Binary(bytes) => assert!(bytes.len() <= MAX_MESSAGE),
        Incoming::Ping(payload) | Incoming::Pong(payload) => assert!(payload.len() <= 125),
        Incoming::Close { code, reason } => {
            assert!(reason.len() <= 123 && (code.is_some() || reason.is_empty()));
        }
    }
}
