//! The reasons to refuse an HTTP request, and the encoder of HTTP responses (RFC 9110, section 15).
//! Used on every shard thread.

use crate::limits;

/// The reason why a request is refused. `Display` is the body of the response. It helps the author
/// of the client to correct the request.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpRefusal {
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    #[error(
        "origin not allowed: the server operator must add the value of the Origin header to ws.origins"
    )]
    ForbiddenOrigin,
    #[error("unauthorized: {0}")]
    Unauthorized(&'static str),
    #[error("permission denied: {0}")]
    Forbidden(&'static str),
    #[error("permission denied: the request names a reserved topic")]
    ReservedTopic,
    /// The answer to `GET /` too. It is no success, because a load balancer that checks `/` must
    /// not take a server that drains for a healthy one.
    #[error(
        "not found: this is the port of fanfare for WebSocket clients; it has \
         /connection/websocket for SDKs, /raw?topic=NAME for other clients, and /health"
    )]
    NotFound,
    #[error(
        "method not allowed: use GET; publications over HTTP go to the admin port (admin.listen)"
    )]
    MethodNotAllowed,
    #[error("timeout: send the complete request head sooner")]
    RequestTimeout,
    #[error(
        "request target too long: send at most {} bytes",
        limits::REQUEST_TARGET_BYTES
    )]
    TargetTooLong,
    #[error("upgrade required: send Upgrade: websocket and Connection: Upgrade")]
    UpgradeRequired,
    #[error("unsupported WebSocket version: send Sec-WebSocket-Version: 13")]
    WebSocketVersion,
    #[error(
        "request head too large: send at most {} bytes",
        limits::HANDSHAKE_BYTES
    )]
    HeadTooLarge,
    #[error("too many headers: send at most {}", limits::REQUEST_HEADERS)]
    TooManyHeaders,
    #[error("unavailable: {0}")]
    Unavailable(&'static str),
    #[error("unsupported HTTP version: use HTTP/1.1, also between proxy and server")]
    VersionNotSupported,
}

impl HttpRefusal {
    /// Returns the HTTP status code.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Unauthorized(_) => 401,
            Self::ForbiddenOrigin | Self::Forbidden(_) | Self::ReservedTopic => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::TargetTooLong => 414,
            Self::UpgradeRequired | Self::WebSocketVersion => 426,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::Unavailable(_) => 503,
            Self::VersionNotSupported => 505,
        }
    }

    /// Returns the value of the `reason` label of metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad_request",
            Self::ForbiddenOrigin => "forbidden_origin",
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::ReservedTopic => "reserved_topic",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::TargetTooLong => "target_too_long",
            Self::UpgradeRequired => "upgrade_required",
            Self::WebSocketVersion => "websocket_version",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::Unavailable(_) => "unavailable",
            Self::VersionNotSupported => "http_version",
        }
    }

    /// Returns the complete HTTP/1.1 response that refuses the request. The connection is closed
    /// after it.
    pub fn response(&self) -> Vec<u8> {
        let (connection, headers) = match self {
            // RFC 9110, section 15.5.2.
            Self::Unauthorized(_) => ("close", "WWW-Authenticate: Bearer\r\n".to_owned()),
            Self::MethodNotAllowed => ("close", "Allow: GET\r\n".to_owned()),
            // A 426 response names the protocol in Upgrade, which is a hop-by-hop header and so has
            // to be listed in Connection.
            Self::UpgradeRequired | Self::WebSocketVersion => (
                "Upgrade, close",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n".to_owned(),
            ),
            Self::Unavailable(_) => (
                "close",
                format!("Retry-After: {}\r\n", limits::RETRY_AFTER.as_secs()),
            ),
            _ => ("close", String::new()),
        };
        let body = format!("{self}\n");
        encode(
            self.status(),
            connection,
            &headers,
            "text/plain; charset=utf-8",
            body.as_bytes(),
        )
    }
}

/// Returns a complete HTTP/1.1 response with `body`. The connection is closed after it.
pub fn plain_response(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    encode(status, "close", "", content_type, body)
}

/// Returns the head of a response, which answers a HEAD request: the headers are those of the
/// response to GET (RFC 9110, section 9.3.2).
pub fn without_body(mut response: Vec<u8>) -> Vec<u8> {
    let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    response.truncate(end.map_or(response.len(), |end| end + 4));
    response
}

/// Encodes a response with the header `Connection: {connection}`. Each line of `headers` ends in CR
/// LF.
fn encode(
    status: u16,
    connection: &str,
    headers: &str,
    content_type: &str,
    body: &[u8],
) -> Vec<u8> {
    let phrase = tungstenite::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} {phrase}\r\n\
         Connection: {connection}\r\n\
         {headers}\
         Cache-Control: no-store\r\n\
         Content-Type: {content_type}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
