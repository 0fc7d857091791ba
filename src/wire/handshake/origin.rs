//! Which web pages may connect (RFC 6454; RFC 6455, section 10.2). Used on every shard core.

/// See [`super::Request::origin_allowed`].
pub(super) fn is_allowed(origin: &str, host: &str, allowed: &[String]) -> bool {
    let Some(origin) = Origin::parse(origin) else {
        // Such as `null`, the origin of sandboxed pages and local files.
        return allowed
            .iter()
            .any(|allowed| allowed == "*" || allowed == origin);
    };
    if allowed.is_empty() {
        // Host does not name the scheme; where it has no port, it means the scheme's own.
        return origin.matches(&Origin {
            scheme: origin.scheme,
            host,
        });
    }
    allowed.iter().any(|allowed| {
        allowed == "*" || Origin::parse(allowed).is_some_and(|allowed| origin.matches(&allowed))
    })
}

/// `scheme://host[:port]`.
struct Origin<'a> {
    scheme: &'a str,
    /// With the port, if there is one.
    host: &'a str,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, host) = text.split_once("://")?;
        let is_bare = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
        is_bare.then_some(Self { scheme, host })
    }

    /// `pattern` may have `*.` in front of its host.
    fn matches(&self, pattern: &Self) -> bool {
        if !self.scheme.eq_ignore_ascii_case(pattern.scheme) {
            return false;
        }
        let (host, pattern) = (self.host_and_port(), pattern.host_and_port());
        match pattern.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => {
                let split = host.len().saturating_sub(suffix.len());
                split > 0 && host.as_bytes()[split..].eq_ignore_ascii_case(suffix.as_bytes())
            }
            _ => host.eq_ignore_ascii_case(pattern),
        }
    }

    /// Without the scheme's default port.
    fn host_and_port(&self) -> &'a str {
        let default = match self.scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => ":80",
            scheme if scheme.eq_ignore_ascii_case("https") => ":443",
            _ => return self.host,
        };
        self.host.strip_suffix(default).unwrap_or(self.host)
    }
}
