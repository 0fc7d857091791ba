//! Masking of client payloads (RFC 6455, section 5.3). Runs on every shard thread.

/// Masks or unmasks `payload` in place. `key[0]` applies to the first byte.
///
/// XORs eight bytes at a time for speed. Eight is a multiple of four, so `rest` starts at `key[0]`.
pub(super) fn apply(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let repeated_key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ repeated_key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Returns the key rotated so that its first byte applies to the payload byte at `offset`.
pub(super) fn rotate(mut key: [u8; 4], offset: usize) -> [u8; 4] {
    key.rotate_left(offset % 4);
    key
}
