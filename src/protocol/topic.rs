//! Checks topic names: UTF-8, 1 to 255 bytes, no control characters. Every core.

use crate::limits;

/// The topic of the watchdog. No one else may publish or subscribe to it. It has no `:`, so it
/// is in the namespace `""`.
pub const RESERVED: &str = "fanfare.canary";

/// Why bytes are not the name of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TopicError {
    #[error("the topic is empty")]
    Empty,
    #[error("the topic is longer than {} bytes", limits::TOPIC_BYTES)]
    TooLong,
    #[error("the topic is not UTF-8")]
    NotUtf8,
    #[error("the topic has a control character")]
    Control,
}

impl TopicError {
    /// Returns the name of the error as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "topic_empty",
            Self::TooLong => "topic_too_long",
            Self::NotUtf8 => "topic_not_utf8",
            Self::Control => "topic_control",
        }
    }
}

/// Returns the topic that these bytes name.
pub fn check(topic: &[u8]) -> Result<&str, TopicError> {
    match topic.len() {
        0 => return Err(TopicError::Empty),
        1..=limits::TOPIC_BYTES => {}
        _ => return Err(TopicError::TooLong),
    }
    let topic = str::from_utf8(topic).map_err(|_| TopicError::NotUtf8)?;
    if topic.chars().any(char::is_control) {
        return Err(TopicError::Control);
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
        let cases: [(&[u8], TopicError); 10] = [
            (b"", TopicError::Empty),
            (&[b'x'; 256], TopicError::TooLong),
            (b"\xff", TopicError::NotUtf8),
            (b"a\xc3", TopicError::NotUtf8),
            (b"\xed\xa0\x80", TopicError::NotUtf8),
            (b"a\0b", TopicError::Control),
            (b"a\n", TopicError::Control),
            (b"\x1b[2J", TopicError::Control),
            (b"\x7f", TopicError::Control),
            ("a\u{85}".as_bytes(), TopicError::Control),
        ];
        for (bytes, fault) in cases {
            assert_eq!(check(bytes), Err(fault), "{bytes:?}");
        }
    }

    #[test]
    fn the_length_counts_bytes() {
        assert_eq!(check("ü".repeat(128).as_bytes()), Err(TopicError::TooLong));
    }
}
