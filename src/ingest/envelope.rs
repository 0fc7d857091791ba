//! ZeroMQ multipart to publication, or to a rejection that has a name. No IO. Ingest core.
//!
//! `[topic, payload]` or `[topic, payload, meta]`. What leaves here may be embedded in what
//! browsers parse: one bad payload would end every connection it reaches.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::config::{Config, Namespace, PayloadKind};
use crate::delivery::NamespaceRules;
use crate::limits;
use crate::protocol::json::{self, JsonError};
use crate::protocol::topic::{self, TopicError};

/// One message as it came in, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication<'a> {
    pub topic: &'a str,
    /// JSON on one line, UTF-8 text or bytes: see the rules' kind.
    pub payload: Cow<'a, [u8]>,
    pub rules: NamespaceRules,
    pub meta: Option<Meta>,
}

/// What a publisher may say about its publication. Other members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Meta {
    /// Who publishes: its numbers are followed by this name.
    #[serde(default)]
    pub id: Option<String>,
    /// The publisher's own count of what it has sent.
    #[serde(default)]
    pub seq: Option<u64>,
}

/// Why a message is no publication. The text is for the publisher: it says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejection {
    #[error("send an empty frame between the routing frames and the topic, as REQ does")]
    NoDelimiter,
    #[error("send 2 or 3 parts: topic, payload and, if wanted, meta")]
    Parts,
    #[error("name a topic in the first part, it is empty")]
    TopicEmpty,
    #[error("shorten the topic to {} bytes", limits::TOPIC_BYTES)]
    TopicTooLong,
    #[error("encode the topic in UTF-8")]
    TopicNotUtf8,
    #[error("remove the control characters from the topic")]
    TopicControl,
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
    #[error("send a JSON object as the meta, or leave it out")]
    MetaNotObject,
    #[error("in the meta, make id a string and seq an unsigned integer, each at most once")]
    MetaInvalid,
}

impl Rejection {
    /// Every rejection, for counters.
    pub const ALL: [Self; 13] = [
        Self::NoDelimiter,
        Self::Parts,
        Self::TopicEmpty,
        Self::TopicTooLong,
        Self::TopicNotUtf8,
        Self::TopicControl,
        Self::PayloadTooLarge,
        Self::PayloadNotJson,
        Self::PayloadNotUtf8,
        Self::PayloadTooDeep,
        Self::MetaTooLarge,
        Self::MetaNotObject,
        Self::MetaInvalid,
    ];

    /// The metric label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoDelimiter => "no_delimiter",
            Self::Parts => "parts",
            Self::TopicEmpty => TopicError::Empty.name(),
            Self::TopicTooLong => TopicError::TooLong.name(),
            Self::TopicNotUtf8 => TopicError::NotUtf8.name(),
            Self::TopicControl => TopicError::Control.name(),
            Self::PayloadTooLarge => "payload_too_large",
            Self::PayloadNotJson => "payload_not_json",
            Self::PayloadNotUtf8 => "payload_not_utf8",
            Self::PayloadTooDeep => "payload_too_deep",
            Self::MetaTooLarge => "meta_too_large",
            Self::MetaNotObject => "meta_not_object",
            Self::MetaInvalid => "meta_invalid",
        }
    }

    /// The second frame of the router's reply `["error", code, text]`: the metric's word, so that
    /// what a publisher logs is found in the metrics.
    pub fn code(self) -> &'static str {
        self.name()
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

/// Checks messages, one after the other, in memory that is reused.
pub struct Checker {
    json: json::Checker,
    rules: HashMap<String, NamespaceRules, foldhash::fast::RandomState>,
    default_rules: NamespaceRules,
    max_payload: usize,
}

impl Checker {
    pub fn new(config: &Config) -> Self {
        let each = |each: &Namespace| (each.name.clone(), NamespaceRules::from(each));
        let rules = config.namespaces.iter().map(each).collect();
        Self {
            json: json::Checker::new(),
            rules,
            default_rules: NamespaceRules::from(config.namespace("")),
            max_payload: config.ingest.max_payload,
        }
    }

    /// The publication in `parts`.
    pub fn check<'a, P: AsRef<[u8]>>(
        &mut self,
        parts: &'a [P],
    ) -> Result<Publication<'a>, Rejection> {
        let (topic, payload, meta) = match parts {
            [topic, payload] => (topic, payload, None),
            [topic, payload, meta] => (topic, payload, Some(meta.as_ref())),
            _ => return Err(Rejection::Parts),
        };
        let topic = topic::check(topic.as_ref())?;
        let rules = self.rules(topic);
        let payload = self.check_payload(payload.as_ref(), rules.kind)?;
        let meta = meta.map(check_meta).transpose()?;
        Ok(Publication {
            topic,
            payload,
            rules,
            meta,
        })
    }

    /// What holds for `topic`, as [`Config::namespace`] has it.
    fn rules(&self, topic: &str) -> NamespaceRules {
        let configured = topic
            .split_once(':')
            .and_then(|(name, _)| self.rules.get(name));
        *configured.unwrap_or(&self.default_rules)
    }

    fn check_payload<'a>(
        &mut self,
        payload: &'a [u8],
        kind: PayloadKind,
    ) -> Result<Cow<'a, [u8]>, Rejection> {
        if payload.len() > self.max_payload {
            return Err(Rejection::PayloadTooLarge);
        }
        match kind {
            PayloadKind::Json => {
                self.json.check(payload)?;
                Ok(json::on_one_line(payload))
            }
            PayloadKind::Text if str::from_utf8(payload).is_err() => Err(Rejection::PayloadNotUtf8),
            PayloadKind::Text | PayloadKind::Binary => Ok(Cow::Borrowed(payload)),
        }
    }
}

/// What the meta of a message that was rejected says all the same.
pub(super) fn meta_of<P: AsRef<[u8]>>(parts: &[P]) -> Option<Meta> {
    let [_, _, meta] = parts else { return None };
    check_meta(meta.as_ref()).ok()
}

fn check_meta(meta: &[u8]) -> Result<Meta, Rejection> {
    if meta.len() > limits::META_BYTES {
        return Err(Rejection::MetaTooLarge);
    }
    // Asked first, because an array would do for the derived parser.
    if meta.trim_ascii_start().first() != Some(&b'{') {
        return Err(Rejection::MetaNotObject);
    }
    serde_json::from_slice(meta).map_err(|error| {
        if error.is_data() {
            Rejection::MetaInvalid
        } else {
            Rejection::MetaNotObject
        }
    })
}

/// What a ROUTER socket received, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct Routed<'a, P> {
    /// The frames that a reply starts with, unchanged: identity, leading frames, delimiter. Only
    /// the identity if there is no delimiter.
    pub route: &'a [P],
    /// The frames for [`Checker::check`].
    pub parts: Result<&'a [P], Rejection>,
}

/// Splits `[identity, leading.., empty delimiter, parts..]` at the first empty frame after the
/// identity.
pub fn split_router<P: AsRef<[u8]>>(frames: &[P]) -> Routed<'_, P> {
    let delimiter = frames
        .iter()
        .skip(1)
        .position(|frame| frame.as_ref().is_empty());
    let Some(leading) = delimiter else {
        let identity = &frames[..frames.len().min(1)];
        return Routed {
            route: identity,
            parts: Err(Rejection::NoDelimiter),
        };
    };
    let (route, parts) = frames.split_at(leading + 2);
    Routed {
        route,
        parts: Ok(parts),
    }
}

#[cfg(test)]
mod tests;
