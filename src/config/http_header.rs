//! Headers of the requests to hooks. Parsed when the configuration is read; used on shards and on
//! the service thread.

use std::fmt;

use hyper::header::{HeaderName, HeaderValue};

/// Headers that belong to one connection or to one message, so that they cannot be set or copied
/// from another request.
const OF_THE_MESSAGE: [&str; 14] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parses the name of a header. The error completes the sentence "the header ...".
pub(super) fn parse_name(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| "has a name with characters that a name of a header cannot have")?;
    let belongs = OF_THE_MESSAGE.contains(&name.as_str());
    if belongs || name.as_str().starts_with("sec-websocket-") {
        return Err("belongs to the connection or to the body of one request; remove it");
    }
    Ok(name)
}

/// A header that every request to a hook has, written `Name: value`.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticHeader {
    name: HeaderName,
    value: HeaderValue,
}

impl StaticHeader {
    /// Parses a header. The error completes the sentence "the entry ..." and does not contain the
    /// value, which may be a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, value) = text
            .split_once(':')
            .ok_or("has no `:` between name and value")?;
        let name = parse_name(name.trim())?;
        let value = HeaderValue::from_str(value.trim())
            .map_err(|_| "has a value with characters that an HTTP header cannot carry")?;
        Ok(Self { name, value })
    }

    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    pub fn value(&self) -> &HeaderValue {
        &self.value
    }
}

/// Displays the name. The value is hidden, because the configuration may be logged.
impl fmt::Display for StaticHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ***", self.name)
    }
}

impl fmt::Debug for StaticHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
