//! The results of decoding do not depend on how a byte stream is divided into reads.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::*;

/// Generates frames of clients, most of them valid, from the first byte and the payload.
pub fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![TEXT, BINARY, CONTINUATION]),
        8 => prop::sample::select(vec![FIN | TEXT, FIN | BINARY, FIN | CONTINUATION]),
        6 => prop::sample::select(vec![FIN | PING, FIN | PONG]),
        1 => Just(FIN | CLOSE),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        6 => "[aż\u{20ac}\u{1f600}]{0,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..12),
        1 => (120_usize..135).prop_map(|length| vec![b'x'; length]),
        1 => (0_u16..5000, "[a-z]{0,5}").prop_map(|(code, reason)| {
            [&code.to_be_bytes(), reason.as_bytes()].concat()
        }),
        1 => (400_usize..1100).prop_map(|length| vec![b'y'; length]),
    ];
    vec((first, payload), 0..12).prop_map(|frames| {
        frames
            .iter()
            .flat_map(|(first, payload)| frame(*first, payload))
            .collect()
    })
}

/// Generates a message that is divided into valid fragments at any byte, with pings between them.
pub fn fragmented_message() -> impl Strategy<Value = (Vec<u8>, Owned)> {
    (
        "[aż\u{20ac}\u{1f600}]{0,40}",
        vec(any::<prop::sample::Index>(), 0..5),
    )
        .prop_map(|(text, borders)| {
            let payload = text.as_bytes();
            let mut borders: Vec<_> = borders
                .iter()
                .map(|border| border.index(payload.len() + 1))
                .collect();
            borders.sort_unstable();
            let mut stream = Vec::new();
            let mut start = 0;
            let mut opcode = TEXT;
            for border in borders {
                stream.extend(frame(opcode, &payload[start..border]));
                (start, opcode) = (border, CONTINUATION);
            }
            stream.extend(frame(FIN | opcode, &payload[start..]));
            (stream, Owned::Text(text))
        })
}

/// Divides a stream into pieces of these lengths, which are used cyclically.
pub fn pieces<'a>(stream: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut lengths = lengths.iter().cycle();
    let mut pieces = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let length = lengths
            .next()
            .map_or(rest.len(), |length| rest.len().min(*length));
        let (piece, after) = rest.split_at(length);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Replaces some bytes.
pub fn damage(stream: &mut [u8], flips: Vec<(prop::sample::Index, u8)>) {
    for (index, value) in flips {
        if !stream.is_empty() {
            stream[index.index(stream.len())] = value;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_division_into_reads_does_not_matter(
        mut stream in frames(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        lengths in vec(1_usize..40, 1..6),
    ) {
        damage(&mut stream, flips);
        let whole = decode(&stream);
        prop_assert_eq!(&decode_pieces(stream.chunks(1), MAX_MESSAGE), &whole);
        prop_assert_eq!(&decode_pieces(pieces(&stream, &lengths), MAX_MESSAGE), &whole);
    }

    #[test]
    fn the_division_of_invalid_input_does_not_matter(
        stream in vec(any::<u8>(), 0..200),
        lengths in vec(1_usize..20, 1..6),
    ) {
        let whole = decode(&stream);
        prop_assert_eq!(&decode_pieces(stream.chunks(1), MAX_MESSAGE), &whole);
        prop_assert_eq!(&decode_pieces(pieces(&stream, &lengths), MAX_MESSAGE), &whole);
    }

    #[test]
    fn valid_messages_are_decoded(
        messages in vec(fragmented_message(), 1..5),
        lengths in vec(1_usize..40, 1..6),
    ) {
        let (streams, events): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
        let stream = streams.concat();
        let seen = decode_pieces(pieces(&stream, &lengths), MAX_MESSAGE);
        prop_assert_eq!(seen, Seen { events, violation: None });
    }

    #[test]
    fn the_division_into_fragments_does_not_matter(
        bytes in vec(any::<u8>(), 0..60),
        borders in vec(any::<prop::sample::Index>(), 0..5),
    ) {
        // The check of UTF-8 must not depend on the fragments either.
        let whole = decode(&frame(FIN | TEXT, &bytes));
        let places = bytes.len() + 1;
        let mut borders: Vec<_> = borders.iter().map(|border| border.index(places)).collect();
        borders.sort_unstable();
        let (mut stream, mut start, mut opcode) = (Vec::new(), 0, TEXT);
        for border in borders {
            stream.extend(frame(opcode, &bytes[start..border]));
            (start, opcode) = (border, CONTINUATION);
        }
        stream.extend(frame(FIN | opcode, &bytes[start..]));
        prop_assert_eq!(decode(&stream), whole);
    }
}
