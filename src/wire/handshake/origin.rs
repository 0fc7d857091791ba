//! The check whether web pages of an origin may connect (RFC 6454; RFC 6455, section 10.2). Runs on
//! every shard thread.

use crate::config::{OriginRule, WebOrigin};

/// Returns whether `origin` may connect to `host`. The rules are those of
/// [`HttpRequest::origin_allowed`](super::HttpRequest::origin_allowed).
pub(super) fn is_allowed(origin: &str, host: &str, rules: &[OriginRule]) -> bool {
    if rules.is_empty() {
        return WebOrigin::parse(origin).is_some_and(|origin| origin.has_same_host(host));
    }
    rules.iter().any(|rule| rule.allows(origin))
}
