//! URLs of HTTP services that fanfare calls. Parsed when the configuration is read; used on the
//! service thread.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hyper::Uri;

/// An absolute URL with the scheme `http` or `https`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl(Arc<Uri>);

impl HttpUrl {
    /// Parses a URL. The error completes the sentence "the URL ..." and does not contain the URL,
    /// which may contain a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains('#') {
            return Err("contains `#`; a request cannot carry what follows it");
        }
        let uri: Uri = text.parse().map_err(|_| {
            "is malformed; write it as https://host:port/path, without spaces and with other \
             characters than ASCII in their %XX form"
        })?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err("does not begin with http:// or https://");
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            // RFC 9110, section 4.2.4.
            return Err(
                "contains a user name; send it as the header `authorization` with \
                        hooks.static_headers",
            );
        }
        let host = uri.host().unwrap_or_default();
        let after_host = authority.strip_prefix(host).unwrap_or_default();
        let has_port = uri.port_u16().is_some_and(|port| port > 0);
        if host.is_empty() || !(after_host.is_empty() || has_port) {
            return Err("has no host, or a port that is not 1 to 65535");
        }
        Ok(Self(Arc::new(uri)))
    }

    pub fn uri(&self) -> &Uri {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Returns the host. An IPv6 address is in brackets.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// Returns whether the host is this host itself, by a loopback address or as `localhost`.
    pub fn is_loopback(&self) -> bool {
        let host = self.host();
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match address.unwrap_or(host).parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Returns the port, which is the one of the scheme if the URL has none.
    pub fn port(&self) -> u16 {
        let of_scheme = if self.is_https() { 443 } else { 80 };
        self.0.port_u16().unwrap_or(of_scheme)
    }
}

/// Displays the URL without its query, because it may be logged and queries contain keys.
impl fmt::Display for HttpUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        write!(out, "{scheme}://{authority}{}", self.0.path())?;
        match self.0.query() {
            Some(_) => out.write_str("?***"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_urls_of_http_are_accepted() {
        for (good, host, port) in [
            ("http://a/", "a", 80),
            ("https://hooks.example/connect?key=1", "hooks.example", 443),
            ("https://[::1]:8443/a/b", "[::1]", 8443),
            ("HTTP://127.0.0.1:3000", "127.0.0.1", 3000),
        ] {
            let url = HttpUrl::parse(good).expect(good);
            assert_eq!((url.host(), url.port()), (host, port), "{good}");
        }
        for (bad, fault) in [
            ("", "malformed"),
            ("hooks.example", "does not begin"),
            ("/connect", "does not begin"),
            ("ftp://a/", "does not begin"),
            ("http:///connect", "malformed"),
            ("http://:80/", "no host"),
            ("http://a:/", "not 1 to 65535"),
            ("http://a:0/", "not 1 to 65535"),
            ("http://a:65536/", "not 1 to 65535"),
            ("http://a b/", "malformed"),
            ("http://a/#b", "contains `#`"),
            ("http://user:pass@a/", "hooks.static_headers"),
        ] {
            let found = HttpUrl::parse(bad).expect_err(bad);
            assert!(found.contains(fault), "{bad}: {found}");
        }
    }

    #[test]
    fn queries_are_not_shown() {
        let url = HttpUrl::parse("https://a:1/b?key=hunter2").expect("the URL is valid");
        assert_eq!(
            format!("{url} {url:?}"),
            "https://a:1/b?*** https://a:1/b?***"
        );
        assert!(HttpUrl::parse(&url.to_string()).is_ok());
    }
}
