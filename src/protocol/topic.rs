//! What a topic name may be: UTF-8, 1 to 255 bytes, no control characters. Every core.

use crate::limits;

/// The topic that the watchdog publishes to and listens on; clients may do neither. Without a `:`
/// it follows the namespace `""`.
pub const RESERVED: &str = "fanfare.canary";

/// Why a name is no topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TopicFault {
    #[error("the topic is empty")]
    Empty,
    #[error("the topic is longer than {} bytes", limits::TOPIC_BYTES)]
    TooLong,
    #[error("the topic is not UTF-8")]
    NotUtf8,
    #[error("the topic has a control character")]
    Control,
}

impl TopicFault {
    /// A word for metric labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "topic_empty",
            Self::TooLong => "topic_too_long",
            Self::NotUtf8 => "topic_not_utf8",
            Self::Control => "topic_control",
        }
    }
}

/// The topic that these bytes name.
pub fn check(topic: &[u8]) -> Result<&str, TopicFault> {
    match topic.len() {
        0 => return Err(TopicFault::Empty),
        1..=limits::TOPIC_BYTES => {}
        _ => return Err(TopicFault::TooLong),
    }
    let topic = str::from_utf8(topic).map_err(|_| TopicFault::NotUtf8)?;
    if topic.chars().any(char::is_control) {
        return Err(TopicFault::Control);
    }
    Ok(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names() {
        for name in [
            "a",
            "news:1",
            "user:42#profile",
            "emoji 🎺",
            "a b",
            "ü".repeat(127).as_str(),
        ] {
            assert_eq!(check(name.as_bytes()), Ok(name));
        }
        let longest = "x".repeat(255);
        assert_eq!(check(longest.as_bytes()), Ok(longest.as_str()));
    }

    #[test]
    fn bad_names() {
        let cases: [(&[u8], TopicFault); 10] = [
            (b"", TopicFault::Empty),
            (&[b'x'; 256], TopicFault::TooLong),
            (b"\xff", TopicFault::NotUtf8),
            (b"a\xc3", TopicFault::NotUtf8),
            (b"\xed\xa0\x80", TopicFault::NotUtf8),
            (b"a\0b", TopicFault::Control),
            (b"a\n", TopicFault::Control),
            (b"\x1b[2J", TopicFault::Control),
            (b"\x7f", TopicFault::Control),
            ("a\u{85}".as_bytes(), TopicFault::Control),
        ];
        for (bytes, fault) in cases {
            assert_eq!(check(bytes), Err(fault), "{bytes:?}");
        }
    }

    #[test]
    fn the_length_counts_bytes() {
        assert_eq!(check("ü".repeat(128).as_bytes()), Err(TopicFault::TooLong));
    }
}
