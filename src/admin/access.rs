//! Which requests the admin port answers. No clock, no IO. Control thread.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};

use crate::config::BearerToken;

/// The conditions that a request must meet.
pub(super) struct AccessRule {
    token: Option<BearerToken>,
}

impl AccessRule {
    /// Creates the rule. `token` is `admin.token`.
    pub(super) fn new(token: Option<BearerToken>) -> Self {
        Self { token }
    }

    /// Returns status and text for a request that must be refused.
    pub(super) fn refusal(&self, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // Without a token, a page in an operator's browser could send requests through a name that
        // it lets resolve to this host (DNS rebinding). It cannot know the token.
        if self.token.is_none() && !is_address_or_localhost(text(header::HOST)) {
            let hint = "ask by address or as localhost, or set admin.token: other names are not answered\n";
            return Some((StatusCode::MISDIRECTED_REQUEST, hint));
        }
        if !self.has_token(text(header::AUTHORIZATION)) {
            let hint = "send the header Authorization: Bearer with the value of admin.token\n";
            return Some((StatusCode::UNAUTHORIZED, hint));
        }
        None
    }

    /// Returns whether the Authorization header has the token, if one is required.
    fn has_token(&self, authorization: Option<&str>) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let given = authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or("");
        token.matches(given.as_bytes())
    }
}

/// Returns whether a Host header is an IP address or localhost, with or without a port. A request
/// without the header, which no browser sends, passes too.
fn is_address_or_localhost(host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_pass_without_a_token() {
        for host in ["127.0.0.1", "[::1]:8001", "localhost:8001", "LOCALHOST"] {
            assert!(is_address_or_localhost(Some(host)), "{host}");
        }
        for host in ["example.org", "127.0.0.1.example.org:8001", ""] {
            assert!(!is_address_or_localhost(Some(host)), "{host}");
        }
    }
}
