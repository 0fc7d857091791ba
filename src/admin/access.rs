//! Which requests the admin port answers. No clock, no IO. Control thread.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use crate::config::{AdminConfig, BearerToken};

use super::api_keys::ApiKeys;

/// The pages that the token for scraping gives access to.
const SCRAPED: [&str; 3] = ["/metrics", "/stats", "/health"];

/// The conditions that a request must meet.
pub(super) struct AccessRule {
    token: Option<BearerToken>,
    scrape_token: Option<BearerToken>,
    api_keys: ApiKeys,
}

impl AccessRule {
    /// Creates the rule from `admin.token` and `admin.scrape_token`.
    pub(super) fn new(config: &AdminConfig, api_keys: ApiKeys) -> Self {
        Self {
            token: config.token.clone(),
            scrape_token: config.scrape_token.clone(),
            api_keys,
        }
    }

    /// Returns status and text for a request that must be refused. Looks at its head only.
    pub(super) fn refusal(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, &'static str)> {
        let path = uri.path();
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if !is_read && is_from_a_page(headers) {
            let text = "web pages may not send this: the request has a header of a browser that \
                        names a site (Origin or Sec-Fetch-Site)\n";
            return Some((StatusCode::FORBIDDEN, text));
        }
        if ApiKeys::is_api(path) {
            // Back ends may use any name of this host: a page does not know a key.
            return self.api_keys.refusal(uri, headers);
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // Without a token, a page in an operator's browser could send requests through a name that
        // it lets resolve to this host (DNS rebinding). It cannot know the token.
        if self.token.is_none() && !is_address_or_localhost(text(header::HOST)) {
            let hint = "ask by address or as localhost, or set admin.token: other names are not answered\n";
            return Some((StatusCode::MISDIRECTED_REQUEST, hint));
        }
        let authorization = text(header::AUTHORIZATION);
        if self.has_token(authorization) {
            return None;
        }
        if !self.has_scrape_token(authorization) {
            let hint = "send the header Authorization: Bearer with the value of admin.token\n";
            return Some((StatusCode::UNAUTHORIZED, hint));
        }
        if is_read && SCRAPED.contains(&path) {
            return None;
        }
        let hint = "admin.scrape_token reads /metrics, /stats and /health: send admin.token\n";
        Some((StatusCode::FORBIDDEN, hint))
    }

    /// Returns whether the Authorization header has the token, if one is required.
    fn has_token(&self, authorization: Option<&str>) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        token.matches(bearer(authorization))
    }

    /// Returns whether the Authorization header has the token for scraping.
    fn has_scrape_token(&self, authorization: Option<&str>) -> bool {
        let token = self.scrape_token.as_ref();
        token.is_some_and(|token| token.matches(bearer(authorization)))
    }
}

/// Returns the token of an Authorization header; nothing matches an empty one.
fn bearer(authorization: Option<&str>) -> &[u8] {
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    token.unwrap_or_default().as_bytes()
}

/// Returns whether a web page made a browser send this request, whatever its body is. Browsers add
/// `Origin` to every request that may change something, and `Sec-Fetch-Site`. Programs that are no
/// browsers send neither. The answer to a `GET` cannot be read by a page of another site.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let is_of_a_site = !matches!(site, None | Some(b"none" | b"same-origin"));
    is_of_a_site || headers.contains_key(header::ORIGIN)
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
    use std::sync::Arc;

    use crate::config::ApiKey;
    use crate::fabric::Fabric;
    use crate::shard;

    use super::*;

    fn rule(config: &AdminConfig) -> AccessRule {
        let wake = shard::wake().expect("the process may open an event descriptor");
        let fabric = Fabric::new(Vec::new(), wake, 1);
        AccessRule::new(config, ApiKeys::new(config, Arc::new(fabric)))
    }

    #[test]
    fn the_token_for_scraping_reads_three_pages_and_nothing_else() {
        let token = |text| Some(BearerToken::parse(text).expect("the token is valid"));
        let rule = rule(&AdminConfig {
            token: token("all"),
            scrape_token: token("scrape"),
            ..AdminConfig::default()
        });
        let status = |method, path: &str, token| {
            let mut headers = HeaderMap::new();
            let value = format!("Bearer {token}");
            headers.insert(header::AUTHORIZATION, value.parse().expect("it is text"));
            let uri = path.parse().expect("it is a path");
            let refusal = rule.refusal(&method, &uri, &headers);
            refusal.map_or(200, |(status, _)| status.as_u16())
        };
        for path in SCRAPED {
            assert_eq!(status(Method::GET, path, "scrape"), 200, "{path}");
            assert_eq!(status(Method::HEAD, path, "scrape"), 200, "{path}");
            assert_eq!(status(Method::POST, path, "scrape"), 403, "{path}");
            assert_eq!(status(Method::GET, path, "Scrape"), 401, "{path}");
            assert_eq!(status(Method::GET, path, ""), 401, "{path}");
        }
        for path in ["/", "/connections", "/load", "/metrics/", "/stats/.."] {
            assert_eq!(status(Method::GET, path, "scrape"), 403, "{path}");
            assert_eq!(status(Method::GET, path, "all"), 200, "{path}");
        }
        assert_eq!(status(Method::POST, "/publish", "scrape"), 403);
        assert_eq!(status(Method::POST, "/publish", "all"), 200);
    }

    #[test]
    fn a_key_gives_the_server_api_and_tokens_give_everything_else() {
        let key = ApiKey::parse("key").expect("the key is valid");
        let token = |text| Some(BearerToken::parse(text).expect("the token is valid"));
        let rule = rule(&AdminConfig {
            token: token("all"),
            api_keys: vec![key],
            ..AdminConfig::default()
        });
        let status = |path: &str, name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "fanfare.example".parse().expect("a name"));
            headers.insert(name, value.parse().expect("it is text"));
            let uri = path.parse().expect("it is a path");
            let refusal = rule.refusal(&Method::POST, &uri, &headers);
            refusal.map_or(200, |(status, _)| status.as_u16())
        };
        for path in ["/api", "/api/", "/api/publish", "/api/x/y"] {
            assert_eq!(status(path, "x-api-key", "key"), 200, "{path}");
            assert_eq!(status(path, "authorization", "Bearer all"), 401, "{path}");
            assert_eq!(status(path, "authorization", "Bearer key"), 401, "{path}");
        }
        for path in ["/publish", "/drain", "/apis", "/API/publish", "/stats"] {
            assert_eq!(status(path, "x-api-key", "key"), 401, "{path}");
            assert_eq!(status(path, "authorization", "apikey key"), 401, "{path}");
            assert_eq!(status(path, "authorization", "Bearer all"), 200, "{path}");
        }
    }

    #[test]
    fn requests_of_pages_that_change_something_are_refused_whatever_they_know() {
        let token = BearerToken::parse("all").expect("the token is valid");
        let rule = rule(&AdminConfig {
            token: Some(token),
            api_keys: vec![ApiKey::parse("key").expect("the key is valid")],
            ..AdminConfig::default()
        });
        let status = |method, path: &str, name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, "Bearer all".parse().expect("text"));
            headers.insert("x-api-key", "key".parse().expect("text"));
            headers.insert(name, value.parse().expect("text"));
            let uri = path.parse().expect("it is a path");
            let refusal = rule.refusal(&method, &uri, &headers);
            refusal.map_or(200, |(status, _)| status.as_u16())
        };
        for (name, value, expected) in [
            ("origin", "https://a.example", 403),
            ("origin", "http://127.0.0.1:8001", 403),
            ("origin", "null", 403),
            ("origin", "", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "same-site", 403),
            ("sec-fetch-site", "Cross-Site", 403),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "none", 200),
            ("content-type", "application/x-www-form-urlencoded", 200),
        ] {
            for path in ["/publish", "/drain", "/api", "/api/publish", "/unknown"] {
                let found = status(Method::POST, path, name, value);
                assert_eq!(found, expected, "{path} {name}: {value}");
            }
            let found = status(Method::DELETE, "/", name, value);
            assert_eq!(found, expected, "{name}: {value}");
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(status(method, "/stats", name, value), 200);
            }
        }
    }

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
