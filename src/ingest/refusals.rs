//! Logs the messages that are rejected and the publishers that are denied, with a bound on the
//! lines. Ingest thread.
//!
//! A line has the topic, because its name leads to the publisher, and never bytes of the payload,
//! which may be secret.

use std::net::IpAddr;

use serde::de::IgnoredAny;

use crate::fabric::Rejection;
use crate::observe::{LogLimiter, LogPermit, clip};

/// The reason why a publisher may not connect. `Display` is an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denial {
    #[error("to admit it, add its network to ingest.allow")]
    Address,
    #[error(
        "its handshake failed, most likely because only one side uses PLAIN: set the user and the \
         password in the publisher if ingest.plain is set, and no user otherwise"
    )]
    Handshake,
    #[error("correct its user or password, or add the pair to ingest.plain")]
    Password,
    #[error(
        "it sent a message that exceeds ingest.max_payload and did not end it: end each message \
         with a part without the flag SNDMORE, or shorten the message"
    )]
    Unfinished,
}

impl Denial {
    /// Returns the label `reason` of the metric `fanfare_denied_total`.
    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Handshake => "handshake",
            Self::Password => "password",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Decides which refusals are logged.
#[derive(Default)]
pub(super) struct RefusalLog {
    /// The lines for each socket and reason.
    rejections: LogLimiter<(&'static str, Rejection)>,
    denials: LogLimiter<Denial>,
}

impl RefusalLog {
    /// Logs a denied publisher, unless there were many for this reason. `endpoint` is the one that
    /// the publisher connected to.
    pub(super) fn deny(
        &mut self,
        denial: Denial,
        peer: Option<IpAddr>,
        endpoint: Option<&str>,
        now_us: u64,
    ) {
        let permit = self.denials.admit(denial, now_us);
        if let LogPermit::Granted { suppressed } = permit {
            tracing::warn!(
                reason = denial.name(),
                peer = peer.map(tracing::field::display),
                endpoint,
                suppressed,
                "denied a publisher: {denial}"
            );
        }
    }

    /// Notes a rejected message. Returns the line to write, unless there were many of its kind.
    /// `source` is the label `socket` of the metric `fanfare_received_total`.
    pub(super) fn reject(
        &mut self,
        source: &'static str,
        rejection: Rejection,
        now_us: u64,
    ) -> Option<RejectionLine> {
        match self.rejections.admit((source, rejection), now_us) {
            LogPermit::Suppressed => None,
            LogPermit::Granted { suppressed } => Some(RejectionLine {
                source,
                rejection,
                suppressed,
                peer: None,
                user: None,
            }),
        }
    }
}

/// A line about a rejected message.
#[must_use]
pub(super) struct RejectionLine {
    source: &'static str,
    rejection: Rejection,
    suppressed: u64,
    /// The address of the publisher, if it is known.
    pub(super) peer: Option<IpAddr>,
    /// The user of the publisher, if `ingest.publish_allow` distinguishes publishers.
    pub(super) user: Option<String>,
}

impl RejectionLine {
    /// Writes the line. `parts` are the topic, the payload and the meta, as far as they exist.
    pub(super) fn write<P: AsRef<[u8]>>(self, parts: &[P]) {
        let Self {
            source,
            rejection,
            suppressed,
            peer,
            user,
        } = self;
        let topic = parts.first().map(|topic| clip(topic.as_ref()));
        let payload = parts.get(1).map(AsRef::as_ref);
        tracing::warn!(
            reason = rejection.name(),
            topic,
            fault = payload.and_then(|payload| json_fault(rejection, payload)),
            payload_bytes = payload.map(<[u8]>::len),
            parts = (rejection == Rejection::Parts).then_some(parts.len()),
            socket = source,
            peer = peer.map(tracing::field::display),
            user,
            suppressed,
            "rejected a publication: {rejection}"
        );
    }
}

/// Returns where a payload stops being JSON. The text has a line and a column, and no part of the
/// payload.
fn json_fault(rejection: Rejection, payload: &[u8]) -> Option<String> {
    if rejection != Rejection::PayloadNotJson {
        return None;
    }
    let parsed = serde_json::from_slice::<IgnoredAny>(payload);
    parsed.err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_of_a_payload_does_not_contain_the_payload() {
        let fault = |payload: &str| json_fault(Rejection::PayloadNotJson, payload.as_bytes());
        assert_eq!(
            fault("{secret: 1}").as_deref(),
            Some("key must be a string at line 1 column 2")
        );
        assert_eq!(
            fault("secret").as_deref(),
            Some("expected value at line 1 column 1")
        );
        assert_eq!(json_fault(Rejection::TopicEmpty, b"secret"), None);
    }

    #[test]
    fn each_socket_and_reason_has_its_own_lines() {
        let mut log = RefusalLog::default();
        let (json, topic) = (Rejection::PayloadNotJson, Rejection::TopicEmpty);
        while log.reject("client", json, 0).is_some() {}
        assert!(log.reject("client", topic, 0).is_some());
        assert!(log.reject("pull", json, 0).is_some());
        assert!(log.reject("client", json, 0).is_none());
    }
}
