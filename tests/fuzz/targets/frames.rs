//! The frame decoder: the result does not depend on how a stream is divided into pieces, and memory
//! is bounded, with and without permessage-deflate.

use fanfare::wire::{Decoder, Incoming, Inflater, ProtocolViolation};

const MAX_MESSAGE: usize = 512;

/// Decodes one input. The first four bytes are the lengths of the pieces, used cyclically. The rest
/// is the stream.
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
        assert_eq!(negotiated, whole, "the stream has no compressed messages");
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
    let mut received_bytes = 0;
    for piece in pieces {
        received_bytes += piece.len();
        let mut bytes = piece.to_vec();
        let mut input = &mut bytes[..];
        loop {
            match decoder.next(&mut input, MAX_MESSAGE, inflater.as_deref_mut()) {
                Ok(Some(event)) => {
                    assert_eq!(end, None, "no event after a violation");
                    check(&event);
                    events.push(format!("{event:?}"));
                }
                Ok(None) => break,
                Err(violation) => {
                    assert_eq!(
                        end.replace(violation),
                        None,
                        "no violation after a violation"
                    );
                }
            }
        }
        assert!(input.is_empty(), "all of the input is consumed");
        assert!(decoder.buffered_bytes() <= 256 + 2 * received_bytes.min(payload_bytes));
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
