//! Turns a multipart message into a publication, or rejects it with a named reason. No IO. Ingest
//! thread.
//!
//! A message is `[topic, payload]` or `[topic, payload, meta]`. The payload of a publication may be
//! embedded in JSON that browsers parse, so an invalid payload would end every connection that
//! receives it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::config::{AuthMode, Config, Namespace, PayloadKind};
use crate::delivery::NamespaceRules;
use crate::fabric::Rejection;
use crate::limits::ENVELOPE_BYTES;
use crate::protocol::ClientInfo;
use crate::protocol::json;
use crate::protocol::topic;

use super::meta::Meta;

/// A valid message.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication<'a> {
    pub topic: &'a str,
    /// JSON on one line, UTF-8 text, or bytes, depending on `rules.payload_kind`.
    pub payload: Cow<'a, [u8]>,
    pub rules: NamespaceRules,
    pub meta: Option<Meta>,
    /// The client that has sent the publication, if clients are authenticated.
    pub info: Option<Arc<ClientInfo>>,
}

impl Publication<'_> {
    /// Returns the bytes of the information about the sender.
    pub(super) fn info_bytes(&self) -> usize {
        self.info.as_ref().map_or(0, |info| info.bytes())
    }
}

/// Checks messages. The memory of the JSON parser is used again for the next message.
pub struct Checker {
    json: json::Checker,
    rules: HashMap<String, NamespaceRules, foldhash::fast::RandomState>,
    default_rules: NamespaceRules,
    /// Empty if no topic is private.
    private_prefix: String,
    max_payload: usize,
}

impl Checker {
    pub fn new(config: &Config) -> Self {
        let rules_of = |each: &Namespace| (each.name.clone(), NamespaceRules::from(each));
        Self {
            json: json::Checker::new(),
            rules: config.namespaces.iter().map(rules_of).collect(),
            default_rules: NamespaceRules::from(config.namespace("")),
            private_prefix: match config.auth.mode() {
                AuthMode::Open => String::new(),
                AuthMode::Enforced => config.auth.private_prefix.clone(),
            },
            max_payload: config.ingest.max_payload,
        }
    }

    /// Returns the maximum size of a payload.
    pub fn max_payload(&self) -> usize {
        self.max_payload
    }

    /// Returns the publication in the parts of a message. The topic of the watchdog is refused.
    pub fn check<'a, P: AsRef<[u8]>>(
        &mut self,
        parts: &'a [P],
    ) -> Result<Publication<'a>, Rejection> {
        match parts {
            [topic, _] | [topic, _, _] if topic.as_ref() == topic::RESERVED.as_bytes() => {
                Err(Rejection::TopicReserved)
            }
            _ => self.check_own(parts),
        }
    }

    /// Returns the publication in the parts of a message of this process, which may have the topic
    /// of the watchdog.
    pub fn check_own<'a, P: AsRef<[u8]>>(
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
        let payload = self.check_payload(payload.as_ref(), rules.payload_kind)?;
        let meta = meta.map(Meta::parse).transpose()?;
        Ok(Publication {
            topic,
            payload,
            rules,
            meta,
            info: None,
        })
    }

    /// Returns the rules of the namespace of `topic`, chosen in the same way as in
    /// [`Config::namespace`].
    fn rules(&self, topic: &str) -> NamespaceRules {
        let public = topic.strip_prefix(self.private_prefix.as_str());
        let configured = public
            .unwrap_or(topic)
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

/// The frames that a ROUTER socket received.
#[derive(Debug, PartialEq, Eq)]
pub struct RoutedMessage<'a, P> {
    /// The frames that a reply starts with, unchanged: identity, leading frames, delimiter. Only
    /// the identity if there is no delimiter, or if the frames exceed [`ENVELOPE_BYTES`].
    pub route: &'a [P],
    /// The parts for [`Checker::check`].
    pub parts: Result<&'a [P], Rejection>,
}

/// Splits `[identity, leading.., delimiter, parts..]` at the first empty frame after the identity.
pub fn split_router<P: AsRef<[u8]>>(frames: &[P]) -> RoutedMessage<'_, P> {
    let delimiter = frames
        .iter()
        .skip(1)
        .position(|frame| frame.as_ref().is_empty());
    let identity_only = |rejection| RoutedMessage {
        route: &frames[..frames.len().min(1)],
        parts: Err(rejection),
    };
    let Some(leading) = delimiter else {
        return identity_only(Rejection::NoDelimiter);
    };
    let (route, parts) = frames.split_at(leading + 2);
    let route_bytes: usize = route.iter().map(|frame| frame.as_ref().len()).sum();
    if route_bytes > ENVELOPE_BYTES {
        return identity_only(Rejection::EnvelopeTooLarge);
    }
    RoutedMessage {
        route,
        parts: Ok(parts),
    }
}

#[cfg(test)]
mod tests;
