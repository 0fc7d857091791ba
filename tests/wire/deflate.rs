//! RFC 7692, section 7.2.1: compressed messages of the server, inflated by zlib and by the
//! inflater.

use std::collections::BTreeSet;

use fanfare::limits::{DEFLATE_KEPT_BYTES, DEFLATE_LEVELS};
use fanfare::wire::deflate::{DeflateWindow, Deflater, Inflater, Tally};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use proptest::prelude::*;

use crate::contents::{BORDERS, KINDS, Kind};
use crate::zlib::{self, FLUSH, Receiver};

const WINDOWS: [DeflateWindow; 2] = [DeflateWindow::Narrow, DeflateWindow::Full];

/// Returns the smallest window size, in bits, that a client needs.
fn bits(window: DeflateWindow) -> u8 {
    match window {
        DeflateWindow::Narrow => 12,
        DeflateWindow::Full => 15,
    }
}

/// Compresses a message and checks the size of the payload.
fn deflate(deflater: &mut Deflater, message: &[u8], window: DeflateWindow) -> Option<Vec<u8>> {
    let payload = deflater.deflate(message, window)?.to_vec();
    assert!(!payload.is_empty(), "never empty");
    assert!(payload.len() < message.len(), "smaller");
    assert_eq!(zlib::message(&payload, bits(window)), message);
    Some(payload)
}

/// Returns the number of blocks of a payload, including empty ones.
fn blocks(payload: &[u8], message_bytes: usize) -> usize {
    let flags = inflate_flags::TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY
        | inflate_flags::TINFL_FLAG_HAS_MORE_INPUT
        | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let stream = [payload, &FLUSH].concat();
    let mut out = vec![0; message_bytes];
    let mut walker = DecompressorOxide::new();
    let (mut read, mut written, mut count) = (0, 0, 0);
    while read < stream.len() {
        let (status, took, gave) =
            decompress(&mut walker, &stream[read..], &mut out, written, flags);
        assert_eq!(
            status,
            TINFLStatus::BlockBoundary,
            "no block is marked as the final one"
        );
        (read, written, count) = (read + took, written + gave, count + 1);
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_compressed_message_inflates_to_the_original(
        kind in prop::sample::select(KINDS.to_vec()),
        bytes in prop_oneof![4 => 1_usize..600, 2 => 600_usize..9000, 1 => 9000_usize..20_000],
        seed in any::<u64>(),
        level in DEFLATE_LEVELS,
        window in prop::sample::select(WINDOWS.to_vec()),
    ) {
        let message = kind.message(bytes, seed);
        let payload = deflate(&mut Deflater::new(level, 0), &message, window);
        prop_assert!(payload.is_some() || !kind.shrinks(bytes));
        if let Some(payload) = payload {
            let mut inflater = Inflater::default();
            prop_assert_eq!(&*inflater.inflate(&payload, message.len()).unwrap(), &*message);
            blocks(&payload, message.len());
        }
    }

    #[test]
    fn any_bytes_may_be_compressed(
        message in prop::collection::vec(any::<u8>(), 0..400),
        repeats in 1_usize..5,
        level in DEFLATE_LEVELS,
        window in prop::sample::select(WINDOWS.to_vec()),
    ) {
        deflate(&mut Deflater::new(level, 0), &message.repeat(repeats), window);
    }
}

#[test]
fn rfc7692_7_2_1_receivers_with_context_takeover_read_thousands_of_messages() {
    let mut compressed_count = 0;
    let mut receivers = WINDOWS.map(|window| (window, Receiver::new(bits(window))));
    let mut inflater = Inflater::default();
    let mut deflater = Deflater::default();
    for seed in 0..6000 {
        let level = 1 + (seed / 500) as u8;
        deflater.reconfigure(level, 0);
        let kind = KINDS[seed as usize % KINDS.len()];
        let bytes = 1 + (seed as usize * 7919) % [300, 1200, 6000][seed as usize % 3];
        let message = kind.message(bytes, seed);
        for (window, receiver) in &mut receivers {
            let Some(payload) = deflater.deflate(&message, *window) else {
                assert!(
                    !kind.shrinks(bytes),
                    "{kind:?} of {bytes} bytes, seed {seed}"
                );
                continue;
            };
            compressed_count += 1;
            assert_eq!(receiver.message(payload), message, "seed {seed}");
            assert_eq!(inflater.inflate(payload, bytes).unwrap(), message);
        }
    }
    println!("{compressed_count} of 12000 payload");
    assert!(compressed_count > 9000, "{compressed_count}");
}

#[test]
fn messages_near_every_size_limit_are_compressed_at_every_level() {
    let (mut tried, mut compressed_count, mut most_blocks) = (0, 0, 0);
    let mut receivers = WINDOWS.map(|window| (window, Receiver::new(bits(window))));
    for level in DEFLATE_LEVELS {
        let mut deflater = Deflater::new(level, 0);
        for (number, bytes) in BORDERS.into_iter().enumerate() {
            let kind = KINDS[(number + usize::from(level)) % KINDS.len()];
            let message = kind.message(bytes, number as u64);
            for (window, receiver) in &mut receivers {
                tried += 1;
                let Some(payload) = deflate(&mut deflater, &message, *window) else {
                    assert!(!kind.shrinks(bytes), "{kind:?} of {bytes} bytes at {level}");
                    continue;
                };
                compressed_count += 1;
                assert_eq!(receiver.message(&payload), message);
                most_blocks = most_blocks.max(blocks(&payload, bytes));
            }
        }
    }
    println!("{compressed_count} of {tried} payload, up to {most_blocks} blocks each");
    assert!(compressed_count > tried / 2);
}

#[test]
fn a_mebibyte_has_several_blocks_without_a_final_mark() {
    for (level, kind) in [
        (1, Kind::Json),
        (1, Kind::Mixed),
        (6, Kind::Mixed),
        (9, Kind::Words),
    ] {
        for bytes in [(1 << 20) - 1, 1 << 20, (1 << 20) + 1] {
            let message = kind.message(bytes, bytes as u64);
            let payload =
                deflate(&mut Deflater::new(level, 0), &message, DeflateWindow::Full).unwrap();
            let count = blocks(&payload, bytes);
            assert!(count > 3, "{count} blocks of {kind:?} at level {level}");
            let mut inflater = Inflater::default();
            assert_eq!(inflater.inflate(&payload, bytes).unwrap(), message);
        }
    }
    let message = Kind::Json.message(1 << 20, 1);
    let payload = deflate(&mut Deflater::new(1, 0), &message, DeflateWindow::Narrow).unwrap();
    assert!(
        blocks(&payload, message.len()) >= 2 * 256,
        "number of pieces and flushes"
    );
}

#[test]
fn a_narrow_window_has_exactly_the_documented_size() {
    // The same 4 KiB of random bytes twice: only a window of more than 4 KiB can use the
    // repetition.
    let message = Kind::Random.message(4096, 1).repeat(2);
    let mut deflater = Deflater::new(9, 0);
    assert_eq!(deflater.deflate(&message, DeflateWindow::Narrow), None);
    let payload = deflater.deflate(&message, DeflateWindow::Full).unwrap();
    assert!(payload.len() < 4300);

    let within = Kind::Random.message(2048, 1).repeat(2);
    let payload = deflater.deflate(&within, DeflateWindow::Narrow).unwrap();
    assert!(payload.len() < 2200);
}

#[test]
fn a_message_within_the_narrow_window_has_the_same_payload_for_both_windows() {
    let mut receiver = Receiver::new(bits(DeflateWindow::Narrow));
    for level in DEFLATE_LEVELS {
        let mut deflater = Deflater::new(level, 0);
        for (seed, bytes) in [300, 2000, 4095, 4096].into_iter().enumerate() {
            assert!(bytes <= DeflateWindow::Narrow.piece_bytes());
            let kind = KINDS[(usize::from(level) + seed) % KINDS.len()];
            let message = kind.message(bytes, seed as u64);
            let full = deflater
                .deflate(&message, DeflateWindow::Full)
                .map(<[u8]>::to_vec);
            assert_eq!(
                deflater.deflate(&message, DeflateWindow::Narrow),
                full.as_deref()
            );
            if let Some(payload) = full {
                assert_eq!(receiver.message(&payload), message);
            }
        }
    }
}

#[test]
fn the_same_message_always_has_the_same_payload() {
    for level in DEFLATE_LEVELS {
        let message = Kind::Mixed.message(3000, 5);
        let mut used = Deflater::new(level, 0);
        for seed in 0..5 {
            used.deflate(&Kind::Json.message(9000, seed), DeflateWindow::Narrow);
            used.deflate(&Kind::Random.message(500, seed), DeflateWindow::Full);
        }
        for window in WINDOWS {
            let mut fresh = Deflater::new(level, 0);
            assert_eq!(
                used.deflate(&message, window),
                fresh.deflate(&message, window)
            );
        }
    }
}

#[test]
fn the_level_may_change_between_messages() {
    let message = Kind::Words.message(5000, 3);
    let by_level = |level| {
        let mut deflater = Deflater::new(level, 0);
        deflater
            .deflate(&message, DeflateWindow::Full)
            .unwrap()
            .to_vec()
    };
    let mut deflater = Deflater::new(1, 0);
    for level in DEFLATE_LEVELS.chain(DEFLATE_LEVELS.rev()) {
        deflater.reconfigure(level, 0);
        let payload = deflater.deflate(&message, DeflateWindow::Full);
        assert_eq!(payload.unwrap(), by_level(level), "level {level}");
    }
    let sizes: BTreeSet<_> = DEFLATE_LEVELS.map(|level| by_level(level).len()).collect();
    assert!(sizes.len() > 3, "levels differ: {sizes:?}");
    assert!(by_level(12).len() < by_level(1).len());
}

#[test]
fn the_threshold_is_the_size_of_the_smallest_message_that_is_compressed() {
    let mut deflater = Deflater::new(1, 256);
    assert_eq!(deflater.deflate(&[b'a'; 255], DeflateWindow::Full), None);
    assert!(
        deflater
            .deflate(&[b'a'; 256], DeflateWindow::Full)
            .is_some()
    );
    deflater.reconfigure(1, 257);
    assert_eq!(deflater.deflate(&[b'a'; 256], DeflateWindow::Full), None);
    deflater.reconfigure(1, 0);
    assert!(
        deflater
            .deflate(&[b'a'; 64], DeflateWindow::Narrow)
            .is_some()
    );
    assert_eq!(
        deflater.deflate(b"", DeflateWindow::Full),
        None,
        "no message is below the threshold"
    );
}

#[test]
fn the_tally_counts_every_message_once() {
    let mut deflater = Deflater::new(6, 100);
    assert_eq!(deflater.tally(), Tally::default());
    let mut expected = Tally::default();
    for seed in 0..500 {
        let kind = KINDS[seed as usize % KINDS.len()];
        let message = kind.message(1 + (seed as usize * 31) % 800, seed);
        let window = WINDOWS[seed as usize % 2];
        match deflater.deflate(&message, window) {
            Some(payload) => {
                expected.compressed += 1;
                expected.bytes_before += message.len() as u64;
                expected.bytes_after += payload.len() as u64;
            }
            None if message.len() < 100 => expected.small += 1,
            None => expected.incompressible += 1,
        }
        assert_eq!(deflater.tally(), expected);
        if seed == 250 {
            deflater.reconfigure(1, 100);
        }
    }
    let Tally {
        compressed,
        small,
        incompressible,
        ..
    } = expected;
    assert_eq!(compressed + small + incompressible, 500);
    assert!(
        compressed > 200 && small > 20 && incompressible > 20,
        "{expected:?}"
    );
}

#[test]
fn memory_is_freed_between_messages() {
    let mut deflater = Deflater::new(1, 0);
    assert_eq!(deflater.held_bytes(), 0);
    let large = Kind::Json.message(300_000, 1);
    for window in WINDOWS {
        deflater.deflate(&large, window).unwrap();
        deflater.trim();
        assert!(deflater.held_bytes() <= 2 * DEFLATE_KEPT_BYTES);
    }
    deflater
        .deflate(&large[..3000], DeflateWindow::Full)
        .unwrap();
    let held_bytes = deflater.held_bytes();
    deflater.trim();
    assert_eq!(
        deflater.held_bytes(),
        held_bytes,
        "buffers of ordinary messages are kept"
    );
}
