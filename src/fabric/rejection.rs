//! Why the ingest thread rejects a message. The answers to publishers and the metrics use the same
//! names. Created on the ingest thread, read on any thread.

use crate::limits;
use crate::observe::IngestCounts;
use crate::protocol::json::JsonError;
use crate::protocol::topic::TopicError;

/// Why a message is not a valid publication. The text is an instruction for the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("send an empty frame between the routing frames and the topic, as REQ does")]
    NoDelimiter,
    #[error(
        "shorten the routing frames before the topic to {} bytes, because each reply repeats them",
        limits::ENVELOPE_BYTES
    )]
    EnvelopeTooLarge,
    #[error("send 2 or 3 parts: topic, payload and, optionally, meta")]
    Parts,
    #[error("the topic is empty: name a topic")]
    TopicEmpty,
    #[error("shorten the topic to {} bytes", limits::TOPIC_BYTES)]
    TopicTooLong,
    #[error("encode the topic in UTF-8")]
    TopicNotUtf8,
    #[error("remove the control characters from the topic")]
    TopicControl,
    #[error("choose another topic: this one is reserved for the watchdog")]
    TopicReserved,
    #[error("choose a topic that ingest.publish_allow lets this publisher publish to, or add one")]
    NotAllowed,
    #[error("shorten the payload or raise ingest.max_payload")]
    PayloadTooLarge,
    #[error("send JSON as the payload, or set the namespace's payload to text or binary")]
    PayloadNotJson,
    #[error("encode the payload in UTF-8, or set the namespace's payload to binary")]
    PayloadNotUtf8,
    #[error(
        "nest the payload's arrays and objects no deeper than {}",
        limits::JSON_DEPTH
    )]
    PayloadTooDeep,
    #[error("shorten the meta to {} bytes", limits::META_BYTES)]
    MetaTooLarge,
    #[error("send a JSON object as the meta, or omit it")]
    MetaNotObject,
    #[error("in the meta, make id a string and seq an unsigned integer, each at most once")]
    MetaInvalid,
}

/// Selects one counter of the ingest thread.
type Counter = fn(&mut IngestCounts) -> &mut u64;

impl Rejection {
    /// All rejections, in the order in which they are declared.
    pub const ALL: [Self; 16] = [
        Self::NoDelimiter,
        Self::EnvelopeTooLarge,
        Self::Parts,
        Self::TopicEmpty,
        Self::TopicTooLong,
        Self::TopicNotUtf8,
        Self::TopicControl,
        Self::TopicReserved,
        Self::NotAllowed,
        Self::PayloadTooLarge,
        Self::PayloadNotJson,
        Self::PayloadNotUtf8,
        Self::PayloadTooDeep,
        Self::MetaTooLarge,
        Self::MetaNotObject,
        Self::MetaInvalid,
    ];

    /// Returns the metric label `reason`. The code in an answer to a publisher is the same word, so
    /// that an operator finds in the metrics what a publisher logs.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns the counter of this rejection.
    pub fn counter(self, counts: &mut IngestCounts) -> &mut u64 {
        self.row().1(counts)
    }

    /// Returns the name and the counter of the rejection.
    fn row(self) -> (&'static str, Counter) {
        match self {
            Self::NoDelimiter => ("no_delimiter", |counts| &mut counts.rejected_no_delimiter),
            Self::EnvelopeTooLarge => ("envelope_too_large", |counts| {
                &mut counts.rejected_envelope_too_large
            }),
            Self::Parts => ("parts", |counts| &mut counts.rejected_parts),
            Self::TopicEmpty => (TopicError::Empty.name(), |counts| {
                &mut counts.rejected_topic_empty
            }),
            Self::TopicTooLong => (TopicError::TooLong.name(), |counts| {
                &mut counts.rejected_topic_too_long
            }),
            Self::TopicNotUtf8 => (TopicError::NotUtf8.name(), |counts| {
                &mut counts.rejected_topic_not_utf8
            }),
            Self::TopicControl => (TopicError::Control.name(), |counts| {
                &mut counts.rejected_topic_control
            }),
            Self::TopicReserved => ("topic_reserved", |counts| {
                &mut counts.rejected_topic_reserved
            }),
            Self::NotAllowed => ("not_allowed", |counts| &mut counts.rejected_not_allowed),
            Self::PayloadTooLarge => ("payload_too_large", |counts| {
                &mut counts.rejected_payload_too_large
            }),
            Self::PayloadNotJson => ("payload_not_json", |counts| {
                &mut counts.rejected_payload_not_json
            }),
            Self::PayloadNotUtf8 => ("payload_not_utf8", |counts| {
                &mut counts.rejected_payload_not_utf8
            }),
            Self::PayloadTooDeep => ("payload_too_deep", |counts| {
                &mut counts.rejected_payload_too_deep
            }),
            Self::MetaTooLarge => ("meta_too_large", |counts| {
                &mut counts.rejected_meta_too_large
            }),
            Self::MetaNotObject => ("meta_not_object", |counts| {
                &mut counts.rejected_meta_not_object
            }),
            Self::MetaInvalid => ("meta_invalid", |counts| &mut counts.rejected_meta_invalid),
        }
    }
}

impl From<TopicError> for Rejection {
    fn from(fault: TopicError) -> Self {
        match fault {
            TopicError::Empty => Self::TopicEmpty,
            TopicError::TooLong => Self::TopicTooLong,
            TopicError::NotUtf8 => Self::TopicNotUtf8,
            TopicError::Control => Self::TopicControl,
        }
    }
}

impl From<JsonError> for Rejection {
    fn from(fault: JsonError) -> Self {
        match fault {
            JsonError::Syntax => Self::PayloadNotJson,
            JsonError::NotUtf8 => Self::PayloadNotUtf8,
            JsonError::TooDeep => Self::PayloadTooDeep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Counts;

    #[test]
    fn names_are_distinct_and_texts_are_instructions() {
        let mut names = Rejection::ALL.map(Rejection::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Rejection::ALL.len());
        for rejection in Rejection::ALL {
            let is_label = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
            assert!(rejection.name().bytes().all(is_label));
            assert!(rejection.to_string().len() > 20);
        }
    }

    #[test]
    fn each_rejection_has_the_counter_with_its_name() {
        for rejection in Rejection::ALL {
            let mut counts = IngestCounts::default();
            *rejection.counter(&mut counts) += 1;
            let counted: Vec<_> = counts
                .each()
                .into_iter()
                .filter(|(_, value)| *value == 1)
                .map(|(metric, _)| (metric.name, metric.label))
                .collect();
            let label = Some(("reason", rejection.name()));
            assert_eq!(counted, [("rejected", label)], "{rejection:?}");
        }
    }
}
