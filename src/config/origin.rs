//! Origins of web pages (RFC 6454) and the rules for them in `ws.origins`. Parsed when the
//! configuration is read, used by shard threads in the handshake (RFC 6455, section 10.2).

use std::fmt;
use std::net::Ipv6Addr;

/// Characters that end the authority of a URL (RFC 3986, section 3.2), or the user name in it.
const DELIMITERS: [char; 4] = ['/', '?', '#', '@'];

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
    /// `https://example.com`. `port` is `None` for the default port of the scheme.
    Exact {
        scheme: String,
        host: String,
        port: Option<u16>,
    },
    /// `https://*.example.com`: every host whose name ends in `suffix`, `.example.com`.
    Subdomains {
        scheme: String,
        suffix: String,
        port: Option<u16>,
    },
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

    /// Returns whether the pages of `origin`, the value of an Origin header, may connect. Upper and
    /// lower case and the default port of a scheme make no difference.
    pub fn allows(&self, origin: &str) -> bool {
        match &self.pattern {
            Pattern::Any => true,
            Pattern::Null => origin == "null",
            Pattern::Exact { scheme, host, port } => WebOrigin::parse(origin).is_some_and(|it| {
                it.has_scheme(scheme) && it.authority.has_host(host) && it.authority.port == *port
            }),
            Pattern::Subdomains {
                scheme,
                suffix,
                port,
            } => WebOrigin::parse(origin).is_some_and(|it| {
                it.has_scheme(scheme)
                    && it.authority.is_subdomain_of(suffix)
                    && it.authority.port == *port
            }),
        }
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn parse_pattern(text: &str) -> Result<Pattern, &'static str> {
    let (scheme, authority) = text
        .split_once("://")
        .filter(|(scheme, _)| !scheme.is_empty())
        .ok_or("has no scheme; write it as https://example.com")?;
    if scheme.contains(char::is_whitespace) {
        return Err("contains a space in its scheme");
    }
    if ["ws", "wss"]
        .iter()
        .any(|it| scheme.eq_ignore_ascii_case(it))
    {
        return Err("has a scheme that no page has; write http for ws, and https for wss");
    }
    let (is_wildcard, authority) = match authority.strip_prefix("*.") {
        Some(parent) => (true, parent),
        None => (false, authority),
    };
    if authority.contains('*') {
        return Err("contains `*` inside the host; write https://*.example.com");
    }
    let Authority { host, port } = Authority::parse(scheme, authority)?;
    let scheme = scheme.to_owned();
    if !is_wildcard {
        let host = host.into();
        return Ok(Pattern::Exact { scheme, host, port });
    }
    if host.starts_with('[') {
        return Err("has `*.` before an IP address, which has no subdomains");
    }
    Ok(Pattern::Subdomains {
        scheme,
        suffix: format!(".{host}"),
        port,
    })
}

/// The origin of a web page: `scheme://host[:port]`.
#[derive(Clone, Copy, Debug)]
pub struct WebOrigin<'a> {
    scheme: &'a str,
    authority: Authority<'a>,
}

impl<'a> WebOrigin<'a> {
    /// Parses the value of an Origin header. Returns `None` for an opaque origin (`null`) and for
    /// text that is not an origin.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let authority = Authority::parse(scheme, authority).ok()?;
        Some(Self { scheme, authority })
    }

    /// Returns whether the origin has the host and port of `host`, the value of a Host header. The
    /// header does not name the scheme; without a port it means the default port of any scheme.
    pub fn has_same_host(&self, host: &str) -> bool {
        Authority::parse(self.scheme, host).is_ok_and(|requested| {
            self.authority.has_host(requested.host) && self.authority.port == requested.port
        })
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }
}

/// A host and the port that follows it in a URL.
#[derive(Clone, Copy, Debug)]
struct Authority<'a> {
    /// Not empty. An IPv6 address has brackets.
    host: &'a str,
    /// `None` for the default port of the scheme.
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses `host[:port]`. The error completes the sentence "the origin ...".
    fn parse(scheme: &str, text: &'a str) -> Result<Self, &'static str> {
        if text.contains(DELIMITERS) {
            return Err(
                "contains a path, query, fragment or user name; write only scheme, host and port",
            );
        }
        let (host, port) = split_port(text);
        if host.is_empty() {
            return Err("has no host; write it as https://example.com");
        }
        check_host(host)?;
        let port = match port {
            Some(digits) => {
                let port = parse_port(digits).ok_or("has a port that is not 1 to 65535")?;
                Some(port).filter(|port| default_port(scheme) != Some(*port))
            }
            None => None,
        };
        Ok(Self { host, port })
    }

    fn has_host(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// Returns whether the host ends in `suffix`, which begins with a dot, and has a name before
    /// it.
    fn is_subdomain_of(&self, suffix: &str) -> bool {
        let (host, suffix) = (self.host.as_bytes(), suffix.as_bytes());
        host.len() > suffix.len() && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    }
}

/// Divides `host:port` at the colon before the port. The colons in the brackets of an IPv6 address
/// do not count.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// Checks the characters of a host. Browsers send only names in ASCII and addresses.
fn check_host(host: &str) -> Result<(), &'static str> {
    if let Some(bracketed) = host.strip_prefix('[') {
        let address = bracketed.strip_suffix(']').unwrap_or_default();
        return match address.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err("has brackets that do not contain an IPv6 address"),
        };
    }
    if host.contains(|character: char| !character.is_ascii_graphic()) {
        return Err(
            "contains a space or a character outside ASCII in its host; write an international \
             name in its ASCII form, xn--...",
        );
    }
    if host.contains([':', '[', ']']) {
        return Err("has a colon or a bracket in its host; write an IPv6 address as [::1]");
    }
    if host.starts_with('.') || host.contains("..") {
        return Err("has a host with an empty part before a dot");
    }
    Ok(())
}

/// Parses a port from 1 to 65535. Browsers send no sign and no leading zero.
fn parse_port(digits: &str) -> Option<u16> {
    if !digits.starts_with(|digit| matches!(digit, '1'..='9')) {
        return None;
    }
    digits.parse().ok()
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else {
        None
    }
}
