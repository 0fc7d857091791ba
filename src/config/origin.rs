//! Origins of web pages (RFC 6454) and the rules for them in `ws.origins`. Parsed when the
//! configuration is read, used by shard threads in the handshake (RFC 6455, section 10.2).

use std::fmt;

/// One entry of `ws.origins`: an origin, or a pattern for origins, whose pages may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRule {
    /// The rule as the operator wrote it.
    text: String,
    pattern: Pattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// `*`: every origin.
    Any,
    /// `null`: the origin of sandboxed pages and local files.
    Null,
    /// `https://example.com`. `host` has its port unless it is the default port of the scheme.
    Exact { scheme: String, host: String },
    /// `https://*.example.com`: every host whose name ends in `suffix`, `.example.com`.
    Subdomains { scheme: String, suffix: String },
}

impl OriginRule {
    /// Parses a rule. The error completes the sentence "the origin ...".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let pattern = match text {
            "*" => Pattern::Any,
            "null" => Pattern::Null,
            _ => parse_pattern(text)?,
        };
        Ok(Self {
            text: text.into(),
            pattern,
        })
    }

    /// Returns the rule as the operator wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the rule allows every origin, including malformed ones.
    pub fn allows_any(&self) -> bool {
        self.pattern == Pattern::Any
    }

    /// Returns whether the pages of `origin`, an `Origin` header, may connect. Upper and lower case
    /// and the default port of a scheme make no difference.
    pub fn allows(&self, origin: &str) -> bool {
        match &self.pattern {
            Pattern::Any => true,
            Pattern::Null => origin == "null",
            Pattern::Exact { scheme, host } => WebOrigin::parse(origin)
                .is_some_and(|origin| origin.has_scheme(scheme) && origin.has_host(host)),
            Pattern::Subdomains { scheme, suffix } => WebOrigin::parse(origin)
                .is_some_and(|origin| origin.has_scheme(scheme) && origin.is_below(suffix)),
        }
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn parse_pattern(text: &str) -> Result<Pattern, &'static str> {
    let (scheme, host) = text
        .split_once("://")
        .filter(|(scheme, _)| !scheme.is_empty())
        .ok_or("has no scheme; write it as https://example.com")?;
    let name = host.strip_prefix("*.").unwrap_or(host);
    if name.is_empty() {
        return Err("has no host");
    }
    if name.contains(['/', '?', '#', '@']) {
        return Err("has more than a host and port");
    }
    if name.contains('*') {
        return Err("may have `*.` only in front of its host");
    }
    let host = without_default_port(scheme, host);
    let scheme = scheme.to_owned();
    Ok(match host.strip_prefix('*') {
        Some(suffix) => Pattern::Subdomains {
            scheme,
            suffix: suffix.into(),
        },
        None => Pattern::Exact {
            scheme,
            host: host.into(),
        },
    })
}

/// The origin of a web page: `scheme://host[:port]`.
#[derive(Clone, Copy, Debug)]
pub struct WebOrigin<'a> {
    scheme: &'a str,
    /// Without the port if it is the default port of the scheme.
    host: &'a str,
}

impl<'a> WebOrigin<'a> {
    /// Parses an `Origin` header. Returns `None` for an opaque origin (`null`) and for text that is
    /// not an origin.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let is_bare = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        is_bare.then(|| Self {
            scheme,
            host: without_default_port(scheme, host),
        })
    }

    /// Returns whether the origin has the host and port of `host`, a `Host` header. The header does
    /// not name the scheme; without a port it means the default port of any scheme.
    pub fn has_same_host(&self, host: &str) -> bool {
        self.has_host(without_default_port(self.scheme, host))
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    fn has_host(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// Returns whether the host is a subdomain: it ends in `suffix` and has a name before it.
    fn is_below(&self, suffix: &str) -> bool {
        let (host, suffix) = (self.host.as_bytes(), suffix.as_bytes());
        host.len() > suffix.len() && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    }
}

/// Removes the port from `host` if it is the default port of `scheme`.
fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let default = if scheme.eq_ignore_ascii_case("http") {
        ":80"
    } else if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        return host;
    };
    host.strip_suffix(default).unwrap_or(host)
}
