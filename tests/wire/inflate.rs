//! RFC 7692, section 7.2.2: compressed messages from zlib, and malicious payloads.

use fanfare::limits::{DEFLATE_KEPT_BYTES, INFLATE_BLOCK_BYTES, INFLATE_BLOCKS};
use fanfare::wire::ProtocolViolation;
use fanfare::wire::deflate::Inflater;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::contents::{BORDERS, KINDS, Kind};
use crate::zlib::{self, END, FLUSH, Receiver, Sender};

/// A final block with fixed codes that contains "Hello" (section 7.2.3.4).
const FINAL_HELLO: [u8; 7] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

const MAX: usize = 64 * 1024;

fn inflate(payload: &[u8], max_message: usize) -> Result<Vec<u8>, ProtocolViolation> {
    let mut inflater = Inflater::default();
    inflater
        .inflate(payload, max_message)
        .map(|message| message.to_vec())
}

#[track_caller]
fn assert_message(payload: &[u8], message: &[u8]) {
    assert_eq!(inflate(payload, MAX).as_deref(), Ok(message));
    assert_eq!(inflate(payload, message.len()).as_deref(), Ok(message));
}

/// Returns a payload of empty blocks with fixed codes.
fn empty_blocks(count: usize) -> Vec<u8> {
    let mut payload = vec![0; (10 * count).div_ceil(8)];
    for at in (0..count).map(|block| 10 * block + 1) {
        payload[at / 8] |= 1 << (at % 8);
    }
    payload.extend([0x00]);
    payload
}

#[test]
fn rfc7692_7_2_3_1_one_block() {
    assert_message(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], b"Hello");
}

#[test]
fn rfc7692_7_2_3_2_a_context_is_not_taken_over() {
    // The second of two messages with a shared window refers to the first.
    assert_eq!(
        inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], MAX),
        Err(ProtocolViolation::InvalidDeflate)
    );
}

#[test]
fn rfc7692_7_2_3_3_a_block_without_compression() {
    let payload = b"\x00\x05\x00\xfa\xffHello\x00";
    assert_message(payload, b"Hello");
}

#[test]
fn rfc7692_7_2_3_4_a_final_block_does_not_end_the_message() {
    assert_message(&[&FINAL_HELLO[..], &[0x00]].concat(), b"Hello");
    assert_message(&FINAL_HELLO, b"Hello");
    assert_message(&FINAL_HELLO.repeat(3), b"HelloHelloHello");
    let mixed = [&FINAL_HELLO[..], &zlib::payload(b" again", 6)].concat();
    assert_message(&mixed, b"Hello again");
}

#[test]
fn rfc7692_7_2_3_5_two_blocks() {
    let payload = [
        0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
    ];
    assert_message(&payload, b"Hello");
}

#[test]
fn rfc7692_7_2_3_6_an_empty_message() {
    assert_message(&[0x00], b"");
    // Some clients send an empty payload, or only a final block.
    assert_message(&[], b"");
    assert_message(&[0x03, 0x00], b"");
    assert_message(&[0x01], b"");
    assert_message(&END, b"");
}

#[test]
fn empty_blocks_have_no_effect() {
    let hello = zlib::payload(b"Hello", 6);
    let flush = [&[0x00][..], &FLUSH].concat();
    for front in [&flush[..], &flush.repeat(5), &[0x03, 0x00], &END] {
        assert_message(&[front, &hello].concat(), b"Hello");
    }
    let between = [&hello[..], &FLUSH, &flush, &[0x03, 0x00], &hello].concat();
    assert_message(&between, b"HelloHello");
}

#[test]
fn messages_of_zlib_are_inflated_at_every_level() {
    let mut inflater = Inflater::default();
    for level in 0..=9 {
        for (number, bytes) in BORDERS.into_iter().chain([100, 1000]).enumerate() {
            let kind = KINDS[(number + level as usize) % KINDS.len()];
            let message = kind.message(bytes, u64::from(level));
            let packed = zlib::payload(&message, level);
            assert_eq!(inflater.inflate(&packed, bytes).unwrap(), message);
            let finished = zlib::finished(&message, level);
            assert_eq!(inflater.inflate(&finished, bytes).unwrap(), message);
        }
    }
}

#[test]
fn a_truncated_payload_is_invalid() {
    for kind in [Kind::Json, Kind::Words, Kind::LowEntropy, Kind::Random] {
        for level in [0, 1, 6] {
            let message = kind.message(300, 1);
            for payload in [
                zlib::payload(&message, level),
                zlib::finished(&message, level),
            ] {
                assert_message(&payload, &message);
                // The header of a block without compression alone is an empty message.
                let first = 1 + usize::from(matches!(payload[0], 0x00 | 0x01));
                for end in first..payload.len() {
                    let cut = inflate(&payload[..end], MAX);
                    assert_eq!(
                        cut,
                        Err(ProtocolViolation::InvalidDeflate),
                        "{kind:?}, {end} bytes"
                    );
                }
            }
        }
    }
    for end in 1..FINAL_HELLO.len() {
        assert_eq!(
            inflate(&FINAL_HELLO[..end], MAX),
            Err(ProtocolViolation::InvalidDeflate)
        );
    }
}

#[test]
fn a_flush_that_is_not_omitted_is_not_part_of_the_message() {
    let payload = [&zlib::payload(b"Hello", 6)[..], &FLUSH].concat();
    assert_eq!(
        inflate(&payload, MAX),
        Err(ProtocolViolation::InvalidDeflate)
    );
}

#[test]
fn every_bit_may_be_inverted() {
    let mut inflater = Inflater::default();
    let (mut messages, mut violations) = (0, 0);
    for kind in KINDS {
        let payload = zlib::payload(&kind.message(400, 2), 6);
        for bit in 0..payload.len() * 8 {
            let mut damaged = payload.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match inflater.inflate(&damaged, 500) {
                Ok(message) => {
                    assert!(message.len() <= 500);
                    messages += 1;
                }
                Err(_) => violations += 1,
            }
        }
        let message = kind.message(400, 2);
        assert_eq!(
            inflater.inflate(&payload, 400).unwrap(),
            message,
            "recovered"
        );
    }
    assert!(
        messages > 1000 && violations > 1000,
        "{messages}, {violations}"
    );
}

#[test]
fn a_message_cannot_refer_to_a_message_of_another_client() {
    let (mut sender, mut receiver) = (Sender::new(6), Receiver::new(15));
    let mut inflater = Inflater::default();
    let secret = Kind::Words.message(3000, 7);
    let first = sender.payload(&secret);
    assert_eq!(receiver.message(&first), secret);
    assert_eq!(inflater.inflate(&first, MAX).unwrap(), secret);
    for end in [3000, 1000, 100] {
        // The payload is far too short without the context. A receiver with the context can inflate
        // it.
        let next = sender.payload(&secret[..end]);
        assert_eq!(receiver.message(&next), secret[..end]);
        assert_eq!(
            inflater.inflate(&next, MAX),
            Err(ProtocolViolation::InvalidDeflate)
        );
        assert_eq!(inflater.inflate(&first, MAX).unwrap(), secret);
    }
}

#[test]
fn a_message_has_at_most_max_message_bytes() {
    for kind in KINDS {
        for bytes in [1, 100, 4095, 4096, 4097, 8192, 70_000] {
            let payload = zlib::payload(&kind.message(bytes, 3), 6);
            assert_eq!(inflate(&payload, bytes).unwrap().len(), bytes);
            assert_eq!(
                inflate(&payload, bytes - 1),
                Err(ProtocolViolation::MessageTooBig)
            );
        }
    }
    assert_eq!(
        inflate(&zlib::payload(b"a", 6), 0),
        Err(ProtocolViolation::MessageTooBig)
    );
    assert_message(&[0x00], b"");
}

#[test]
fn max_message_may_change_between_messages() {
    let mut inflater = Inflater::default();
    let payload = zlib::payload(&[b'a'; 9000], 6);
    assert_eq!(inflater.inflate(&payload, 10_000).unwrap().len(), 9000);
    assert_eq!(
        inflater.inflate(&payload, 5000),
        Err(ProtocolViolation::MessageTooBig)
    );
    let small = zlib::payload(&[b'a'; 5000], 6);
    assert_eq!(inflater.inflate(&small, 5000).unwrap().len(), 5000);
    assert_eq!(inflater.inflate(&payload, 9000).unwrap().len(), 9000);
}

#[test]
fn a_compression_bomb_uses_no_more_memory_than_the_largest_message() {
    let bomb = zlib::payload(&vec![0; 1 << 20], 9);
    assert!(bomb.len() < 1100, "{} bytes", bomb.len());
    for max_message in [100, 5000, 65_536, 70_000, (1 << 20) - 1] {
        let mut inflater = Inflater::default();
        assert_eq!(
            inflater.inflate(&bomb, max_message),
            Err(ProtocolViolation::MessageTooBig)
        );
        assert!(inflater.held_bytes() <= max_message + 1, "{max_message}");
    }
}

#[test]
fn memory_is_freed_between_messages() {
    let mut inflater = Inflater::default();
    assert_eq!(inflater.held_bytes(), 0);
    let large = zlib::payload(&vec![b'a'; 300_000], 6);
    inflater.inflate(&large, 1 << 20).unwrap();
    assert!((300_000..700_000).contains(&inflater.held_bytes()));
    inflater.trim();
    assert!(inflater.held_bytes() <= DEFLATE_KEPT_BYTES);

    let small = zlib::payload(b"small", 6);
    inflater.inflate(&small, 1 << 20).unwrap();
    let held_bytes = inflater.held_bytes();
    inflater.trim();
    assert_eq!(
        inflater.held_bytes(),
        held_bytes,
        "the buffer of ordinary messages is kept"
    );
    assert_eq!(inflater.inflate(&small, 5).unwrap(), b"small");
}

#[test]
fn the_number_of_blocks_is_limited() {
    // The flush is a block, too.
    assert_message(&empty_blocks(INFLATE_BLOCKS - 1), b"");
    for payload in [
        empty_blocks(1000),
        [0x03, 0x00].repeat(1000),
        END.repeat(1000),
    ] {
        assert_eq!(
            inflate(&payload, MAX),
            Err(ProtocolViolation::TooManyBlocks)
        );
    }
    let padding = Kind::Random.message(INFLATE_BLOCK_BYTES * 1000, 1);
    let front = [&zlib::payload(&padding, 0)[..], &FLUSH].concat();
    assert_message(&[&front[..], &empty_blocks(1000)].concat(), &padding);
}

#[test]
fn a_sender_may_flush_often() {
    let mut payload = Vec::new();
    let mut message = Vec::new();
    for seed in 0..500 {
        let piece = Kind::Json.message(40, seed);
        payload.extend(zlib::payload(&piece, 1));
        payload.extend(FLUSH);
        message.extend(piece);
    }
    payload.truncate(payload.len() - FLUSH.len());
    assert_message(&payload, &message);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn messages_of_zlib_are_inflated(
        kind in prop::sample::select(KINDS.to_vec()),
        bytes in prop_oneof![3 => 0_usize..1000, 1 => 1000_usize..20_000],
        seed in any::<u64>(),
        level in 0_u32..=9,
    ) {
        let message = kind.message(bytes, seed);
        let payload = zlib::payload(&message, level);
        prop_assert_eq!(inflate(&payload, bytes), Ok(message));
    }

    #[test]
    fn random_bytes_are_a_violation_or_a_bounded_message(
        payload in vec(any::<u8>(), 0..300),
        max_message in 0_usize..600,
    ) {
        let mut inflater = Inflater::default();
        if let Ok(message) = inflater.inflate(&payload, max_message) {
            prop_assert!(message.len() <= max_message);
        }
        prop_assert!(inflater.held_bytes() <= max_message + 1);
    }
}
