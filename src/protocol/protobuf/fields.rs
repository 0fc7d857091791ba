//! Reads the fields of a Protobuf message. Shard cores.
//!
//! The input is untrusted: every length is checked against the rest of the message, and nested
//! messages are returned as bytes, so that no input leads to recursion.

/// Why bytes are not a Protobuf message: a field is truncated, or its tag is invalid. The groups of
/// proto2 are invalid too, since the protocol is proto3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The value of a field by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    /// A string, bytes, or a nested message.
    Bytes(&'a [u8]),
    /// Four or eight bytes. The protocol has no field of these types.
    Fixed,
}

/// The number and the value of each field of a message, in the order of the message.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        // Tags are 32-bit varints.
        let tag = u32::try_from(take_varint(&mut self.rest)?).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => Value::Varint(take_varint(&mut self.rest)?),
            1 => take(&mut self.rest, 8).map(|_| Value::Fixed)?,
            2 => Value::Bytes(take_delimited(&mut self.rest)?),
            5 => take(&mut self.rest, 4).map(|_| Value::Fixed)?,
            _ => return Err(Malformed),
        };
        match tag >> 3 {
            0 => Err(Malformed),
            number => Ok((number, value)),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    /// Returns the next field. After a malformed field, there are no more fields.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Removes a varint and so many bytes from the start of `rest`. Returns the bytes.
pub(super) fn take_delimited<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let len = usize::try_from(take_varint(rest)?).map_err(|_| Malformed)?;
    take(rest, len)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], Malformed> {
    let (taken, after) = rest.split_at_checked(len).ok_or(Malformed)?;
    *rest = after;
    Ok(taken)
}

/// Removes a varint of up to 64 bits from the start of `rest`.
fn take_varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(Malformed)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has the last bit only.
        if bits << shift >> shift != bits {
            return Err(Malformed);
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, Malformed> {
        Fields::new(message).collect()
    }

    #[test]
    fn fields_of_every_wire_type() {
        let message = b"\x08\x96\x01\x12\x02hi\x1d\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08\x28\x00";
        let expected = vec![
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed),
            (4, Value::Fixed),
            (5, Value::Varint(0)),
        ];
        assert_eq!(read(message), Ok(expected));
        assert_eq!(read(b""), Ok(Vec::new()));
    }

    #[test]
    fn the_largest_numbers() {
        let message = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(read(message), Ok(vec![(1, Value::Varint(u64::MAX))]));
        let message = b"\xf8\xff\xff\xff\x0f\x01";
        assert_eq!(read(message), Ok(vec![((1 << 29) - 1, Value::Varint(1))]));
    }

    #[test]
    fn malformed_fields() {
        let cases: [&[u8]; 13] = [
            b"\x08",                                             // no value
            b"\x08\x80",                                         // the varint is truncated
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     // more than 64 bits
            b"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", // more than ten bytes
            b"\x12\x03hi",                                       // the bytes are truncated
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // a length of 2^64 - 1
            b"\x1d\x01\x02\x03",                                 // four bytes are truncated
            b"\x21\x01\x02\x03\x04\x05\x06\x07",                 // eight bytes are truncated
            b"\x0b\x0c",                                         // a group
            b"\x0e\x00",                                         // wire type 6
            b"\x0f\x00",                                         // wire type 7
            b"\x00\x00",                                         // field 0
            b"\x80\x80\x80\x80\x10\x00",                         // a tag of more than 32 bits
        ];
        for message in cases {
            assert_eq!(read(message), Err(Malformed), "{message:x?}");
        }
    }

    #[test]
    fn a_malformed_field_is_the_last() {
        let fields: Vec<_> = Fields::new(b"\x08\x01\x0b\x08\x01").collect();
        assert_eq!(fields, [Ok((1, Value::Varint(1))), Err(Malformed)]);
    }
}
