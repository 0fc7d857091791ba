//! The HTTP side of a connection: one request head in, a 101 or a refusal out (RFC 6455,
//! section 4; RFC 9112). Used on every shard core, once per connection.

pub mod apple;
mod extensions;
mod origin;
mod query;
mod refusal;

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server;
use tungstenite::http::HeaderValue;

use crate::limits;

pub use extensions::{AgreedDeflate, DeflateOffer};
pub use refusal::{HttpRefusal, response};

/// Headers whose repetition would let two readers of one request see different things.
const SINGLE: [&str; 5] = [
    "host",
    "origin",
    "content-length",
    "sec-websocket-key",
    "sec-websocket-version",
];

/// Looks for one whole request head at the front of `head`: a GET without a body.
///
/// `None`: more bytes are needed; call again with all of them. Otherwise the request and the
/// length of its head in bytes; what follows belongs to the WebSocket. However the bytes are
/// cut, the outcome is the same.
pub fn parse(head: &[u8]) -> Result<Option<(usize, HttpRequest)>, HttpRefusal> {
    let (bound, too_long) = bound(head);
    let seen = &head[..head.len().min(bound)];
    match server::Request::try_parse(seen).map_err(|error| refuse(&error))? {
        Some((head_bytes, request)) => {
            let request = HttpRequest(request);
            check_lines(&seen[..head_bytes])?;
            request.check_headers()?;
            Ok(Some((head_bytes, request)))
        }
        None if head.len() >= bound => Err(too_long),
        None => Ok(None),
    }
}

/// How many bytes the head may take, and what it is refused with when it takes more.
fn bound(head: &[u8]) -> (usize, HttpRefusal) {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let line = head
        .iter()
        .position(|byte| !is_line_end(byte))
        .unwrap_or(head.len());
    if let Some(method_bytes) = head[line..].iter().position(|byte| *byte == b' ') {
        let target = line + method_bytes + 1;
        let bound = target + limits::REQUEST_TARGET_BYTES + 1;
        let until = head.len().min(bound);
        let ends = head[target..until]
            .iter()
            .any(|byte| *byte == b' ' || is_line_end(byte));
        if !ends && bound <= limits::HANDSHAKE_BYTES {
            return (bound, HttpRefusal::TargetTooLong);
        }
    }
    (limits::HANDSHAKE_BYTES, HttpRefusal::HeadTooLarge)
}

/// Why tungstenite could not read a request.
fn refuse(error: &Error) -> HttpRefusal {
    match error {
        Error::Capacity(CapacityError::TooManyHeaders) => HttpRefusal::HeadTooLarge,
        Error::Protocol(ProtocolError::WrongHttpMethod) => HttpRefusal::MethodNotAllowed,
        Error::Protocol(ProtocolError::WrongHttpVersion) => HttpRefusal::VersionNotSupported,
        _ => HttpRefusal::BadRequest("the request head is not valid HTTP/1.1"),
    }
}

/// Every line ends in CR LF: a lone LF is where readers of one request start to disagree.
fn check_lines(head: &[u8]) -> Result<(), HttpRefusal> {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    if lines.all(|line| line.ends_with(b"\r\n")) {
        return Ok(());
    }
    Err(HttpRefusal::BadRequest(
        "every line of the request head must end in CR LF",
    ))
}

/// A well-formed GET request.
#[derive(Debug)]
pub struct HttpRequest(server::Request);

impl HttpRequest {
    /// The path of the request target, as sent.
    pub fn path(&self) -> &str {
        self.0.uri().path()
    }

    /// The pairs of the query, form-decoded (WHATWG URL): `+` is a space. Where that standard
    /// would guess at a broken escape or at bytes that are not UTF-8, this refuses.
    pub fn query(&self) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), HttpRefusal>> {
        query::pairs(self.0.uri().query().unwrap_or_default())
    }

    /// The first value of a header, when it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The client asks for a WebSocket, in whatever version.
    pub fn is_upgrade(&self) -> bool {
        self.has_token("upgrade", |token| token.eq_ignore_ascii_case("websocket"))
            && self.has_token("connection", |token| token.eq_ignore_ascii_case("upgrade"))
    }

    /// A page of the request's `Origin` may connect. Clients without one are not browsers and
    /// are allowed.
    ///
    /// `origins` empty: the same host and port as `Host`. `*`: any. Else an exact match without
    /// regard to case and default ports; `https://*.example.com` matches every host below.
    pub fn origin_allowed(&self, origins: &[String]) -> bool {
        let Some(origin) = self.0.headers().get("origin") else {
            return true;
        };
        let host = self.header("host").unwrap_or_default();
        origins.iter().any(|allowed| allowed == "*")
            || origin
                .to_str()
                .is_ok_and(|origin| origin::is_allowed(origin, host, origins))
    }

    /// The client offers this subprotocol (case matters, RFC 6455, section 4.1).
    pub fn offers_subprotocol(&self, name: &str) -> bool {
        self.has_token("sec-websocket-protocol", |token| token == name)
    }

    /// What the client offers of permessage-deflate, in all its `Sec-WebSocket-Extensions`.
    pub fn deflate_offer(&self) -> DeflateOffer {
        let lines = self.0.headers().get_all("sec-websocket-extensions");
        extensions::negotiate(lines.iter().map(HeaderValue::as_bytes))
    }

    /// The client is one of those that permessage-deflate breaks; see [`apple::QUIRKS`].
    pub fn is_apple(&self) -> bool {
        // Not `header`: an app may have any name, in any script.
        let user_agent = self.0.headers().get("user-agent");
        user_agent
            .is_some_and(|name| apple::quirk(&String::from_utf8_lossy(name.as_bytes())).is_some())
    }

    /// The response that switches to the WebSocket (RFC 6455, section 4.2.2). `subprotocol` must
    /// be one that the client offers, and `deflate` what [`Self::deflate_offer`] found acceptable;
    /// `None` does without, and says so by leaving the header out.
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        deflate: Option<AgreedDeflate>,
    ) -> Result<Vec<u8>, HttpRefusal> {
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
            debug_assert!(self.offers_subprotocol(name));
            out.push_str("Sec-WebSocket-Protocol: ");
            out.push_str(name);
            out.push_str("\r\n");
        }
        if let Some(deflate) = deflate {
            debug_assert_eq!(self.deflate_offer(), DeflateOffer::Acceptable(deflate));
            write!(out, "Sec-WebSocket-Extensions: {deflate}\r\n").expect("a String takes it all");
        }
        out.push_str("\r\n");
        Ok(out.into_bytes())
    }

    /// What RFC 9112 demands of every request, and that no body follows: a body would be read
    /// as frames.
    fn check_headers(&self) -> Result<(), HttpRefusal> {
        let headers = self.0.headers();
        if SINGLE
            .iter()
            .any(|name| headers.get_all(*name).iter().nth(1).is_some())
        {
            return Err(HttpRefusal::BadRequest(
                "a header that may stand only once is repeated",
            ));
        }
        if self.header("host").is_none() {
            return Err(HttpRefusal::BadRequest("the Host header is missing"));
        }
        if self.0.uri().authority().is_some() || !self.path().starts_with('/') {
            return Err(HttpRefusal::BadRequest("the request target must be a path"));
        }
        let has_content = headers
            .get("content-length")
            .is_some_and(|length| length != "0");
        if has_content || headers.contains_key("transfer-encoding") {
            return Err(HttpRefusal::BadRequest("a GET request here has no body"));
        }
        Ok(())
    }

    /// One of the comma-separated values of a header's lines is the wanted one.
    fn has_token(&self, name: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
        let lines = self
            .0
            .headers()
            .get_all(name)
            .iter()
            .filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(','))
            .any(|token| is_wanted(token.trim_ascii()))
    }
}

/// 16 bytes in Base64.
fn is_nonce(key: &str) -> bool {
    BASE64_STANDARD
        .decode(key)
        .is_ok_and(|nonce| nonce.len() == 16)
}
