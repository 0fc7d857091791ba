//! Builds frames of clients, and collects the results of a decoder.

use fanfare::wire::{Decoder, Incoming, Inflater, ProtocolViolation};

pub const MAX_MESSAGE: usize = 1024;
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;

pub const MASKED: u8 = 0x80;
/// Values of the 7-bit length which mean that the length follows in 2 or in 8 bytes.
pub const LENGTH_16: u8 = 0x7e;
pub const LENGTH_64: u8 = 0x7f;

/// The results of decoding a stream: messages and control frames, and the violation that ended it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub events: Vec<Owned>,
    pub violation: Option<ProtocolViolation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Incoming<'_>> for Owned {
    fn from(event: Incoming<'_>) -> Self {
        match event {
            Incoming::Text(text) => Self::Text(str::from_utf8(text).unwrap().to_owned()),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Incoming::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

/// Returns a masked frame. `first` is the first byte of the header. The length is encoded in the
/// fewest bytes.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(MASKED | length as u8),
        length @ 126..65536 => {
            out.push(MASKED | LENGTH_16);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(MASKED | LENGTH_64);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(KEY);
    out.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// Passes one input to a decoder until all of it is consumed.
pub fn feed(decoder: &mut Decoder, input: &[u8], max_message: usize, seen: &mut Seen) {
    feed_both(decoder, None, input, max_message, seen);
}

/// Passes one input to a decoder. With an inflater, permessage-deflate is negotiated.
fn feed_both(
    decoder: &mut Decoder,
    mut inflater: Option<&mut Inflater>,
    input: &[u8],
    max_message: usize,
    seen: &mut Seen,
) {
    let mut bytes = input.to_vec();
    let mut input = &mut bytes[..];
    loop {
        match decoder.next(&mut input, max_message, inflater.as_deref_mut()) {
            Ok(Some(event)) => seen.events.push(event.into()),
            Ok(None) => break,
            Err(violation) => assert_eq!(
                seen.violation.replace(violation),
                None,
                "decoding ends after a violation"
            ),
        }
    }
    assert!(input.is_empty(), "None means that all input is consumed");
}

/// Decodes a stream that is received in these pieces.
pub fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max_message: usize) -> Seen {
    decode_both(pieces, max_message, None)
}

/// Decodes a stream that is received in these pieces, with permessage-deflate.
pub fn decode_deflated<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max_message: usize) -> Seen {
    decode_both(pieces, max_message, Some(&mut Inflater::default()))
}

fn decode_both<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    max_message: usize,
    mut inflater: Option<&mut Inflater>,
) -> Seen {
    let mut decoder = Decoder::default();
    let mut seen = Seen::default();
    let mut arrived_bytes = 0;
    // The payload of a message that does not compress is longer than the message.
    let payload_bytes = max_message + inflater.as_ref().map_or(0, |_| max_message / 4 + 64);
    for piece in pieces {
        arrived_bytes += piece.len();
        feed_both(
            &mut decoder,
            inflater.as_deref_mut(),
            piece,
            max_message,
            &mut seen,
        );
        let bound = 256 + 2 * arrived_bytes.min(payload_bytes);
        assert!(
            decoder.buffered_bytes() <= bound,
            "memory is bounded by the received bytes"
        );
    }
    seen
}

/// Decodes a stream that is received in one piece.
pub fn decode(stream: &[u8]) -> Seen {
    decode_pieces([stream], MAX_MESSAGE)
}

/// Asserts that the stream decodes to these events, in one piece and byte by byte.
#[track_caller]
pub fn assert_events(stream: &[u8], events: &[Owned]) {
    let expected = Seen {
        events: events.to_vec(),
        violation: None,
    };
    assert_eq!(decode(stream), expected);
    assert_eq!(decode_pieces(stream.chunks(1), MAX_MESSAGE), expected);
}

/// Asserts that the stream fails with this violation before any event, in one piece and byte by
/// byte.
#[track_caller]
pub fn assert_violation(stream: &[u8], violation: ProtocolViolation) {
    let expected = Seen {
        events: Vec::new(),
        violation: Some(violation),
    };
    assert_eq!(decode(stream), expected);
    assert_eq!(decode_pieces(stream.chunks(1), MAX_MESSAGE), expected);
}

pub fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}
