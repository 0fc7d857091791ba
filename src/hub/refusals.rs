//! Refused handshakes: the reasons, and the reports that the shell logs. Shard core.

use std::collections::VecDeque;

use crate::access::InvalidToken;
use crate::config::OriginRule;
use crate::limits::LOG_EXCERPT_BYTES;
use crate::observe::{LogLimiter, LogPermit, ShardCounts, excerpt};
use crate::wire::handshake::{HttpRefusal, HttpRequest};

use super::connection_id::ConnectionId;

/// The reasons by which refusals are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// The server drains.
    Draining,
    /// The server has as many connections as it may have.
    Limit,
    /// `ws.origins` does not allow the page.
    Origin,
    /// The request has no token that is valid.
    Token,
    /// The client may not subscribe to a topic of the request.
    Permission,
    /// The request is malformed, or its path, method or WebSocket version is not supported.
    Request,
    /// The request head was not complete in time.
    Timeout,
}

impl RefusalReason {
    pub(super) fn of(refusal: &HttpRefusal, is_shutting_down: bool) -> Self {
        match refusal {
            HttpRefusal::ForbiddenOrigin => Self::Origin,
            HttpRefusal::Unauthorized(_) => Self::Token,
            HttpRefusal::Forbidden(_) => Self::Permission,
            HttpRefusal::Unavailable(_) if is_shutting_down => Self::Draining,
            HttpRefusal::Unavailable(_) => Self::Limit,
            HttpRefusal::RequestTimeout => Self::Timeout,
            _ => Self::Request,
        }
    }

    /// Returns the label `reason` of the metric `fanfare_refused_total`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Limit => "limit",
            Self::Origin => "origin",
            Self::Token => "token",
            Self::Permission => "permission",
            Self::Request => "request",
            Self::Timeout => "timeout",
        }
    }

    /// Returns the counter of refusals for this reason.
    pub(super) fn counter(self, counts: &mut ShardCounts) -> &mut u64 {
        match self {
            Self::Draining => &mut counts.refused_draining,
            Self::Limit => &mut counts.refused_limit,
            Self::Origin => &mut counts.refused_origin,
            Self::Token => &mut counts.refused_token,
            Self::Permission => &mut counts.refused_permission,
            Self::Request => &mut counts.refused_request,
            Self::Timeout => &mut counts.refused_timeout,
        }
    }
}

/// The thing that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedSubject {
    Handshake,
    /// The token of a command or of a handshake.
    Token,
}

/// A refused handshake or token that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedHandshake {
    pub subject: RefusedSubject,
    /// The connection, or `None` if the socket was closed at once.
    pub id: Option<ConnectionId>,
    pub reason: RefusalReason,
    /// The fault and its remedy. Text of the client is clipped and escaped.
    pub text: String,
    /// Refusals of this kind that were not reported since the last one that was.
    pub suppressed: u64,
}

/// The reports that the shell has not taken yet.
#[derive(Default)]
pub(super) struct Refusals {
    /// Bounds the reports of each reason and each kind of refusal.
    limiter: LogLimiter<(&'static str, &'static str)>,
    reports: VecDeque<RefusedHandshake>,
}

impl Refusals {
    /// Returns the oldest report that was not taken.
    pub(super) fn pop(&mut self) -> Option<RefusedHandshake> {
        self.reports.pop_front()
    }

    /// Reports a refusal unless there were many of its kind. `id` and `request` are `None` if the
    /// refusal comes before them.
    pub(super) fn report(
        &mut self,
        id: Option<ConnectionId>,
        request: Option<&HttpRequest>,
        reason: RefusalReason,
        refusal: &HttpRefusal,
        now_us: u64,
    ) {
        let kind = (reason.name(), refusal.name());
        if let LogPermit::Granted { suppressed } = self.limiter.admit(kind, now_us) {
            self.reports.push_back(RefusedHandshake {
                subject: RefusedSubject::Handshake,
                id,
                reason,
                text: describe(reason, request, refusal),
                suppressed,
            });
        }
    }

    /// Reports a token that cannot be valid, unless there were many with the same fault. The report
    /// contains no part of the token.
    pub(super) fn report_token(&mut self, id: ConnectionId, fault: InvalidToken, now_us: u64) {
        let reason = RefusalReason::Token;
        let kind = (reason.name(), fault.name());
        if let LogPermit::Granted { suppressed } = self.limiter.admit(kind, now_us) {
            self.reports.push_back(RefusedHandshake {
                subject: RefusedSubject::Token,
                id: Some(id),
                reason,
                text: fault.to_string(),
                suppressed,
            });
        }
    }
}

/// Returns the fault and its remedy.
fn describe(reason: RefusalReason, request: Option<&HttpRequest>, refusal: &HttpRefusal) -> String {
    match (reason, request) {
        (RefusalReason::Origin, _) => {
            describe_origin(request.and_then(|request| request.header("origin")))
        }
        (RefusalReason::Limit, _) => {
            "the server is full: raise ws.max_connections, or the limit on descriptors if that is \
             lower, or add a node"
                .into()
        }
        (RefusalReason::Timeout, _) => {
            "the client sent no complete request head within ws.handshake_timeout".into()
        }
        // The query may contain a token.
        (RefusalReason::Token | RefusalReason::Permission, _)
        | (RefusalReason::Draining | RefusalReason::Request, None) => refusal.to_string(),
        (RefusalReason::Draining | RefusalReason::Request, Some(request)) => {
            format!("{refusal} (path {})", excerpt(request.path().as_bytes()))
        }
    }
}

/// Returns the fault of an origin, and the entry of `ws.origins` that allows it.
fn describe_origin(origin: Option<&str>) -> String {
    if origin == Some("null") {
        return "pages with the origin null are not allowed: serve the page from a web server, and a \
                page in a file from http://localhost. The entry \"null\" in ws.origins would allow \
                every page in a sandbox, also those of other sites"
            .into();
    }
    let listable = origin.filter(|origin| {
        origin.len() <= LOG_EXCERPT_BYTES
            && OriginRule::parse(origin).is_ok_and(|rule| rule.allows(origin))
    });
    let Some(origin) = listable else {
        let origin = excerpt(origin.unwrap_or_default().as_bytes());
        return format!("the Origin header \"{origin}\" names no page that ws.origins could list");
    };
    format!(
        "pages from {origin} are not allowed: add \"{origin}\" to ws.origins to allow them. A list \
         that is not empty must name every origin, also the server's own"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Counts as _;

    #[test]
    fn the_origin_null_is_not_advised_as_an_entry() {
        let text = describe_origin(Some("null"));
        assert!(text.contains("http://localhost"), "{text}");
        assert!(!text.contains("to allow them"), "{text}");
        let text = describe_origin(Some("https://a.example"));
        assert!(
            text.contains("add \"https://a.example\" to ws.origins"),
            "{text}"
        );
    }

    #[test]
    fn each_reason_has_the_counter_with_its_name() {
        for reason in [
            RefusalReason::Draining,
            RefusalReason::Limit,
            RefusalReason::Origin,
            RefusalReason::Request,
            RefusalReason::Timeout,
        ] {
            let mut counts = ShardCounts::default();
            *reason.counter(&mut counts) += 1;
            let counted: Vec<_> = counts
                .each()
                .into_iter()
                .filter(|(_, value)| *value == 1)
                .map(|(metric, _)| (metric.name, metric.label))
                .collect();
            let label = Some(("reason", reason.name()));
            assert_eq!(counted, [("refused", label)]);
        }
    }
}
