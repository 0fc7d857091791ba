//! Builds client frames, and collects what a decoder makes of them.

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
/// The 7-bit lengths that say that the length follows in 2 or in 8 bytes.
pub const LENGTH_16: u8 = 0x7e;
pub const LENGTH_64: u8 = 0x7f;

/// What a stream decoded to: owned events, and the fault that ended it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub events: Vec<Owned>,
    pub fault: Option<ProtocolViolation>,
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

/// A masked frame; `first` is the first header byte, the length takes the fewest bytes.
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

/// Feeds one input to a decoder until it wants more.
pub fn feed(decoder: &mut Decoder, input: &[u8], max_message: usize, seen: &mut Seen) {
    feed_both(decoder, None, input, max_message, seen);
}

/// Feeds one input to a decoder, of a connection that compresses if there is an inflater.
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
            Err(fault) => assert_eq!(seen.fault.replace(fault), None, "a fault is the end"),
        }
    }
    assert!(input.is_empty(), "None means that all input is consumed");
}

/// Decodes a stream that arrives in these pieces.
pub fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, max_message: usize) -> Seen {
    decode_both(pieces, max_message, None)
}

/// Decodes a stream that arrives in these pieces, after permessage-deflate was agreed on.
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
    // What does not compress takes more room than the message that it stands for.
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
            "memory follows what arrived"
        );
    }
    seen
}

/// Decodes a stream that arrives at once.
pub fn decode(stream: &[u8]) -> Seen {
    decode_pieces([stream], MAX_MESSAGE)
}

/// Asserts that the stream decodes to these events, whole and byte by byte.
#[track_caller]
pub fn assert_events(stream: &[u8], events: &[Owned]) {
    let expected = Seen {
        events: events.to_vec(),
        fault: None,
    };
    assert_eq!(decode(stream), expected);
    assert_eq!(decode_pieces(stream.chunks(1), MAX_MESSAGE), expected);
}

/// Asserts that the stream fails with this fault and before any event, whole and byte by byte.
#[track_caller]
pub fn assert_fault(stream: &[u8], fault: ProtocolViolation) {
    let expected = Seen {
        events: Vec::new(),
        fault: Some(fault),
    };
    assert_eq!(decode(stream), expected);
    assert_eq!(decode_pieces(stream.chunks(1), MAX_MESSAGE), expected);
}

pub fn text(text: &str) -> Owned {
    Owned::Text(text.to_owned())
}
