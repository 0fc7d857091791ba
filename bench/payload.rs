//! The payload of a publication: JSON of a fixed shape, so that a receiver reads the numbers at
//! fixed offsets instead of parsing. All threads of the load generator.

/// Text before, between and after the numbers. The numbers are JSON strings, because JSON forbids
/// leading zeros in numbers.
const BEFORE_TOPIC: &[u8] = br#"{"t":""#;
const BEFORE_SEQUENCE: &[u8] = br#"","s":""#;
const BEFORE_TIME: &[u8] = br#"","u":""#;
const BEFORE_PADDING: &[u8] = br#"","p":""#;
const AFTER_PADDING: &[u8] = br#""}"#;

const TOPIC_DIGITS: usize = 6;
const SEQUENCE_DIGITS: usize = 10;
const TIME_DIGITS: usize = 16;

const TOPIC_AT: usize = BEFORE_TOPIC.len();
const SEQUENCE_AT: usize = TOPIC_AT + TOPIC_DIGITS + BEFORE_SEQUENCE.len();
const TIME_AT: usize = SEQUENCE_AT + SEQUENCE_DIGITS + BEFORE_TIME.len();
const PADDING_AT: usize = TIME_AT + TIME_DIGITS + BEFORE_PADDING.len();

/// Size of the smallest payload in bytes.
pub const SMALLEST: usize = PADDING_AT + AFTER_PADDING.len();

/// Number of topics that the digits can express.
pub const MAX_TOPICS: u32 = 10_u32.pow(TOPIC_DIGITS as u32);

const TOPIC_PREFIX: &str = "bench-";

/// The text that the client protocol puts around a payload. All topic names have the same length,
/// so the payload has a fixed offset.
const BEFORE_CHANNEL: &[u8] = br#"{"push":{"channel":""#;
const BEFORE_DATA: &[u8] = br#"","pub":{"data":"#;
const AFTER_DATA: &[u8] = b"}}}";
const DATA_AT: usize = BEFORE_CHANNEL.len() + TOPIC_PREFIX.len() + TOPIC_DIGITS + BEFORE_DATA.len();

/// The numbers in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub topic: u32,
    /// Sequence number within the topic, from 1.
    pub sequence: u32,
    /// Time at which the publication was due, in microseconds of the run's clock.
    pub due_us: u64,
}

/// Returns the name of a topic.
pub fn topic_name(topic: u32) -> String {
    format!("{TOPIC_PREFIX}{topic:0TOPIC_DIGITS$}")
}

/// Returns a payload of `len` bytes, at least [`SMALLEST`], for [`stamp`] to write into.
pub fn template(len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len.max(SMALLEST));
    out.extend_from_slice(BEFORE_TOPIC);
    out.extend_from_slice(&[b'0'; TOPIC_DIGITS]);
    out.extend_from_slice(BEFORE_SEQUENCE);
    out.extend_from_slice(&[b'0'; SEQUENCE_DIGITS]);
    out.extend_from_slice(BEFORE_TIME);
    out.extend_from_slice(&[b'0'; TIME_DIGITS]);
    out.extend_from_slice(BEFORE_PADDING);
    out.resize(len.max(SMALLEST) - AFTER_PADDING.len(), b'x');
    out.extend_from_slice(AFTER_PADDING);
    out
}

/// Writes `stamp` into a payload that [`template`] made.
pub fn stamp(template: &mut [u8], stamp: Stamp) {
    write_digits(
        &mut template[TOPIC_AT..TOPIC_AT + TOPIC_DIGITS],
        u64::from(stamp.topic),
    );
    write_digits(
        &mut template[SEQUENCE_AT..SEQUENCE_AT + SEQUENCE_DIGITS],
        u64::from(stamp.sequence),
    );
    write_digits(&mut template[TIME_AT..TIME_AT + TIME_DIGITS], stamp.due_us);
}

/// Returns the padding of a payload: the bytes between the last pair of quotation marks.
pub fn padding(template: &mut [u8]) -> &mut [u8] {
    let end = template.len() - AFTER_PADDING.len();
    &mut template[PADDING_AT..end]
}

/// Reads the stamp of a payload. Returns `None` if it is not a payload of `len` bytes that
/// [`template`] made.
pub fn read(payload: &[u8], len: usize) -> Option<Stamp> {
    let has_shape = payload.len() == len
        && len >= SMALLEST
        && payload.starts_with(BEFORE_TOPIC)
        && payload[TIME_AT - BEFORE_TIME.len()..].starts_with(BEFORE_TIME)
        && payload.ends_with(AFTER_PADDING);
    has_shape.then(|| Stamp {
        topic: read_digits(&payload[TOPIC_AT..TOPIC_AT + TOPIC_DIGITS]) as u32,
        sequence: read_digits(&payload[SEQUENCE_AT..SEQUENCE_AT + SEQUENCE_DIGITS]) as u32,
        due_us: read_digits(&payload[TIME_AT..TIME_AT + TIME_DIGITS]),
    })
}

/// Returns the payload in a push of the client protocol, or `None` if `line` is not a push of a
/// publication.
pub fn unwrap_push(line: &[u8]) -> Option<&[u8]> {
    let data = line.get(DATA_AT..)?.strip_suffix(AFTER_DATA)?;
    let has_shape = line.starts_with(BEFORE_CHANNEL)
        && line[DATA_AT - BEFORE_DATA.len()..].starts_with(BEFORE_DATA);
    has_shape.then_some(data)
}

fn write_digits(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn read_digits(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit & 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        topic: 12,
        sequence: 345,
        due_us: 1_234_567_890,
    };

    fn payload(len: usize) -> Vec<u8> {
        let mut payload = template(len);
        stamp(&mut payload, STAMP);
        payload
    }

    fn push(payload: &[u8]) -> Vec<u8> {
        let topic = topic_name(STAMP.topic);
        let mut line = format!(r#"{{"push":{{"channel":"{topic}","pub":{{"data":"#).into_bytes();
        line.extend_from_slice(payload);
        line.extend_from_slice(b"}}}");
        line
    }

    #[test]
    fn a_stamped_payload_is_valid_json_of_the_given_size() {
        for len in [SMALLEST, 300, 70_000] {
            let payload = payload(len);
            assert_eq!(payload.len(), len);
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap();
            assert_eq!(read(&payload, len), Some(STAMP));
            assert_eq!(unwrap_push(&push(&payload)), Some(payload.as_slice()));
        }
    }

    #[test]
    fn a_truncated_or_altered_payload_is_rejected() {
        let whole = payload(300);
        assert_eq!(read(&whole[..299], 300), None);
        assert_eq!(read(&push(&whole), 300), None);
        assert_eq!(unwrap_push(&push(&whole)[1..]), None);
        assert_eq!(unwrap_push(b"{}"), None);
        assert_eq!(unwrap_push(br#"{"id":1,"connect":{}}"#), None);
        for at in [0, TIME_AT - 1, 299] {
            let mut altered = whole.clone();
            altered[at] = b'!';
            assert_eq!(read(&altered, 300), None);
        }
    }
}
