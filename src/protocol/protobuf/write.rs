//! Appends fields to a Protobuf message. As proto3 demands, a field with its default value is not
//! written. Every core.

/// Returns the tag of a field whose value is a varint.
pub(super) const fn varint_tag(number: u8) -> u8 {
    number << 3
}

/// Returns the tag of a field whose value is a string, bytes or a message. All fields that fanfare
/// writes have numbers below 16, so that a tag is one byte.
pub(super) const fn bytes_tag(number: u8) -> u8 {
    number << 3 | 2
}

/// Appends a varint.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the number of bytes of a varint.
pub(super) fn varint_len(value: u64) -> usize {
    // One byte for each seven bits, and one for 0.
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Returns the number of bytes of a field with `len` bytes of content: tag, length, content.
pub(super) fn bytes_field_len(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

/// Appends a number, unless it is 0.
pub(super) fn number_field(out: &mut Vec<u8>, number: u8, value: u64) {
    if value > 0 {
        out.push(varint_tag(number));
        varint(out, value);
    }
}

/// Appends the tag and the length of a field with `len` bytes of content.
pub(super) fn bytes_field_header(out: &mut Vec<u8>, number: u8, len: usize) {
    out.push(bytes_tag(number));
    varint(out, len as u64);
}

/// Appends a string or bytes, unless they are empty.
pub(super) fn bytes_field(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    if !content.is_empty() {
        bytes_field_header(out, number, content.len());
        out.extend_from_slice(content);
    }
}

/// Appends the bytes that `write` appends, with their length in front.
pub(super) fn delimited(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let len = out.len() - start;
    varint(out, len as u64);
    // The length was appended last and moves to the front.
    let length_bytes = out.len() - start - len;
    out[start..].rotate_right(length_bytes);
}

/// Appends a nested message, also if it is empty.
pub(super) fn message_field(out: &mut Vec<u8>, number: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(bytes_tag(number));
    delimited(out, write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        let cases: [(u64, &[u8]); 7] = [
            (0, b"\x00"),
            (1, b"\x01"),
            (127, b"\x7f"),
            (128, b"\x80\x01"),
            (16_383, b"\xff\x7f"),
            (16_384, b"\x80\x80\x01"),
            (u64::MAX, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ];
        for (value, expected) in cases {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!((&out[..], varint_len(value)), (expected, expected.len()));
        }
    }

    #[test]
    fn the_length_of_delimited_bytes_is_in_front() {
        for len in [0, 1, 127, 128, 300] {
            let mut out = b"before".to_vec();
            delimited(&mut out, |out| out.resize(out.len() + len, b'x'));
            let mut expected = b"before".to_vec();
            varint(&mut expected, len as u64);
            expected.resize(expected.len() + len, b'x');
            assert_eq!(out, expected);
        }
    }
}
