//! The check whether web pages of an origin may connect (RFC 6454; RFC 6455, section 10.2). Runs on
//! every shard thread.

/// Returns whether `origin` may connect to `host`. The rules are those of
/// [`HttpRequest::origin_allowed`](super::HttpRequest::origin_allowed), except that an entry `*` is
/// handled by the caller.
pub(super) fn is_allowed(origin: &str, host: &str, allowed: &[String]) -> bool {
    let Some(origin) = Origin::parse(origin) else {
        // `null`, for example, is the origin of sandboxed pages and local files.
        return allowed.iter().any(|allowed| allowed == origin);
    };
    if allowed.is_empty() {
        // `Host` has no scheme. Without a port it implies the default port of the scheme.
        return origin.is_same(&Origin {
            scheme: origin.scheme,
            host,
        });
    }
    allowed
        .iter()
        .filter_map(|allowed| Origin::parse(allowed))
        .any(|allowed| origin.is_same(&allowed) || origin.is_subdomain_of(&allowed))
}

/// `scheme://host[:port]`.
struct Origin<'a> {
    scheme: &'a str,
    /// The host name, with the port if it is given.
    host: &'a str,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let is_bare = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        is_bare.then_some(Self { scheme, host })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self
                .host_and_port()
                .eq_ignore_ascii_case(other.host_and_port())
    }

    /// Returns whether `pattern` is `scheme://*.domain` and this host is a subdomain of `domain`.
    fn is_subdomain_of(&self, pattern: &Self) -> bool {
        let Some(suffix) = pattern.host_and_port().strip_prefix('*') else {
            return false;
        };
        let host = self.host_and_port().as_bytes();
        let split = host.len().saturating_sub(suffix.len());
        self.scheme.eq_ignore_ascii_case(pattern.scheme)
            && suffix.starts_with('.')
            && split > 0
            && host[split..].eq_ignore_ascii_case(suffix.as_bytes())
    }

    /// Returns the host without the default port of the scheme.
    fn host_and_port(&self) -> &'a str {
        let default = match self.scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => ":80",
            scheme if scheme.eq_ignore_ascii_case("https") => ":443",
            _ => return self.host,
        };
        self.host.strip_suffix(default).unwrap_or(self.host)
    }
}
