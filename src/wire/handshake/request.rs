//! A parsed request: its path, query and headers, and the response that accepts it as a WebSocket.
//! Used on every shard thread, once per connection.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use tungstenite::handshake::derive_accept_key;
use tungstenite::http::{Method, Request};

use crate::config::OriginRule;

use super::extensions::{self, AgreedDeflate, DeflateOffer};
use super::refusal::HttpRefusal;
use super::{apple, origin, query};

/// Headers that a request may have only once. If such a header were repeated, a proxy in front of
/// the server could use a different value than the server.
const SINGLE_HEADERS: [&str; 5] = [
    "host",
    "origin",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
];

/// The schemes that a request target in absolute form may have (RFC 6455, section 4.1, permits
/// those of HTTP; some clients send their own URL).
const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];

/// Decodes a `Sec-WebSocket-Key`. The bits of the last character that do not belong to a byte may
/// have any value: the server only hashes the text, and RFC 6455 itself prints such a key (section
/// 4.1, `AQIDBAUGBwgJCgsMDQ4PEC==`).
const KEY_DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    PAD.with_decode_allow_trailing_bits(true),
);

/// A well-formed GET or HEAD request.
#[derive(Debug)]
pub struct HttpRequest(Request<()>);

impl HttpRequest {
    /// Checks the requirements of RFC 9112, and that no body follows. A body would be read as
    /// frames.
    pub(super) fn new(request: Request<()>) -> Result<Self, HttpRefusal> {
        let headers = request.headers();
        for name in SINGLE_HEADERS {
            if headers.get_all(name).iter().nth(1).is_some() {
                return Err(HttpRefusal::BadRequest(
                    "a header that may occur only once is repeated",
                ));
            }
        }
        if visible_ascii(&request, "host").is_none() {
            return Err(HttpRefusal::BadRequest(
                "the Host header is missing or is not visible ASCII",
            ));
        }
        if !has_valid_target(&request) {
            return Err(HttpRefusal::BadRequest(
                "the request target must be a path that begins with /, or an absolute URL",
            ));
        }
        let has_content = headers
            .get("content-length")
            .is_some_and(|length| length != "0");
        if has_content || headers.contains_key("transfer-encoding") {
            return Err(HttpRefusal::BadRequest("a request must not have a body"));
        }
        Ok(Self(request))
    }

    /// Returns whether the response must have no body.
    pub fn is_head(&self) -> bool {
        self.0.method() == Method::HEAD
    }

    /// Returns the host and port that the client addresses: those of a request target in absolute
    /// form, or else the Host header (RFC 9112, section 3.2.2).
    pub fn host(&self) -> &str {
        match self.0.uri().authority() {
            Some(authority) => authority.as_str(),
            None => self.header("host").unwrap_or_default(),
        }
    }

    /// Returns the path of the request target, not decoded.
    pub fn path(&self) -> &str {
        self.0.uri().path()
    }

    /// Returns the names and values of the query, form-decoded (WHATWG URL). A `+` is a space. An
    /// invalid escape, or text that is not UTF-8 when it is decoded, is an error; the standard
    /// accepts both.
    pub fn query(&self) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), HttpRefusal>> {
        query::pairs(self.0.uri().query().unwrap_or_default())
    }

    /// Returns the first value of a header, or `None` if the value is not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        visible_ascii(&self.0, name)
    }

    /// Returns all values of a header that are visible ASCII, in order.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.0.headers().get_all(name).iter();
        values.filter_map(|value| value.to_str().ok())
    }

    /// Returns whether the client requests a WebSocket, of any version.
    pub fn is_upgrade(&self) -> bool {
        let names = |header, wanted| {
            self.tokens(header)
                .any(|token| token.eq_ignore_ascii_case(wanted))
        };
        names("upgrade", "websocket") && names("connection", "upgrade")
    }

    /// Returns whether pages of the request's `Origin` may connect. Requests without an `Origin` do
    /// not come from browsers and are allowed.
    ///
    /// If `origins` is empty, the origin must have the same host and port as [`Self::host`]. The
    /// entry `*` allows all origins. Other entries are compared without regard to case and to
    /// default ports; `https://*.example.com` allows all subdomains of the host.
    pub fn origin_allowed(&self, origins: &[OriginRule]) -> bool {
        let Some(origin) = self.0.headers().get("origin") else {
            return true;
        };
        origins.iter().any(OriginRule::allows_any)
            || origin
                .to_str()
                .is_ok_and(|origin| origin::is_allowed(origin, self.host(), origins))
    }

    /// Returns the subprotocols that the client offers, the preferred one first. Case is
    /// significant (RFC 6455, section 4.1).
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        self.tokens("sec-websocket-protocol")
    }

    /// Returns the offer of permessage-deflate in all `Sec-WebSocket-Extensions` headers.
    pub fn deflate_offer(&self) -> DeflateOffer {
        extensions::negotiate(&self.0.headers().get_all("sec-websocket-extensions"))
    }

    /// Returns whether the client is one of [`apple::QUIRKS`], which fail with permessage-deflate.
    pub fn is_apple(&self) -> bool {
        // `header` returns only ASCII, but the name of an app may have other characters.
        let user_agent = self.0.headers().get("user-agent");
        user_agent
            .is_some_and(|name| apple::quirk(&String::from_utf8_lossy(name.as_bytes())).is_some())
    }

    /// Returns the response that switches to the WebSocket protocol (RFC 6455, section 4.2.2).
    ///
    /// `subprotocol` must be one that the client offers. `deflate` must be the result of
    /// [`Self::deflate_offer`], or `None` to decline it.
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        deflate: Option<AgreedDeflate>,
    ) -> Result<Vec<u8>, HttpRefusal> {
        if self.is_head() {
            return Err(HttpRefusal::MethodNotAllowed);
        }
        if !self.is_upgrade() {
            return Err(HttpRefusal::UpgradeRequired);
        }
        if self.header("sec-websocket-version") != Some("13") {
            return Err(HttpRefusal::WebSocketVersion);
        }
        let key = self
            .header("sec-websocket-key")
            .filter(|key| is_nonce(key))
            .ok_or(HttpRefusal::BadRequest(
                "Sec-WebSocket-Key must be 16 random bytes in Base64",
            ))?;
        let mut out = format!(
            "HTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n",
            derive_accept_key(key.as_bytes())
        );
        if let Some(name) = subprotocol {
            debug_assert!(self.subprotocols().any(|offered| offered == name));
            out.push_str("Sec-WebSocket-Protocol: ");
            out.push_str(name);
            out.push_str("\r\n");
        }
        if let Some(deflate) = deflate {
            debug_assert_eq!(self.deflate_offer(), DeflateOffer::Acceptable(deflate));
            write!(out, "Sec-WebSocket-Extensions: {deflate}\r\n")
                .expect("writing to a String does not fail");
        }
        out.push_str("\r\n");
        Ok(out.into_bytes())
    }

    /// Returns the comma-separated values of a header.
    fn tokens(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self
            .0
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(str::trim_ascii)
    }
}

/// Returns the first value of a header, or `None` if the value is not visible ASCII.
fn visible_ascii<'a>(request: &'a Request<()>, header: &str) -> Option<&'a str> {
    request.headers().get(header)?.to_str().ok()
}

/// Returns whether the request target is a path (origin form), or a URL (absolute form). A user
/// name in a URL is an error (RFC 9110, section 4.2.4).
fn has_valid_target(request: &Request<()>) -> bool {
    let uri = request.uri();
    match uri.authority() {
        None => uri.path().starts_with('/'),
        Some(authority) => {
            uri.scheme_str()
                .is_some_and(|scheme| SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(scheme)))
                && !authority.host().is_empty()
                && !authority.as_str().contains('@')
        }
    }
}

/// Returns whether a `Sec-WebSocket-Key` is 16 bytes in Base64.
fn is_nonce(key: &str) -> bool {
    KEY_DECODER.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}
