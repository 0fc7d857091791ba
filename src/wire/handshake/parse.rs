//! Parser of request heads, with limits on their size. Runs on every shard thread, once per
//! connection.

use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server;

use super::refusal::HttpRefusal;
use super::request::HttpRequest;
use crate::limits;

/// Parses the request head at the start of `head`. It has to be a GET request without a body.
///
/// Returns the length of the request head in bytes, and the request. The bytes after the head
/// belong to the WebSocket. Returns `None` if the head is incomplete; the caller then calls again
/// with all bytes that were received. The result does not depend on how the bytes are divided into
/// reads.
pub fn parse(head: &[u8]) -> Result<Option<(usize, HttpRequest)>, HttpRefusal> {
    let (max_bytes, too_long) = size_limit(head);
    let within_limit = &head[..head.len().min(max_bytes)];
    match server::Request::try_parse(within_limit).map_err(|error| refusal(&error))? {
        Some((head_bytes, request)) => {
            check_line_ends(&within_limit[..head_bytes])?;
            Ok(Some((head_bytes, HttpRequest::new(request)?)))
        }
        None if head.len() >= max_bytes => Err(too_long),
        None => Ok(None),
    }
}

/// Returns the longest permitted head in bytes, and the refusal if it is longer. While the end of
/// the request target is not found, the limit of the target applies.
fn size_limit(head: &[u8]) -> (usize, HttpRefusal) {
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let line_start = head
        .iter()
        .position(|byte| !is_line_end(byte))
        .unwrap_or(head.len());
    let method_bytes = head[line_start..].iter().position(|byte| *byte == b' ');
    if let Some(method_bytes) = method_bytes {
        let target_start = line_start + method_bytes + 1;
        let max_bytes = target_start + limits::REQUEST_TARGET_BYTES + 1;
        let target_has_ended = head[target_start..head.len().min(max_bytes)]
            .iter()
            .any(|byte| *byte == b' ' || is_line_end(byte));
        if !target_has_ended && max_bytes <= limits::HANDSHAKE_BYTES {
            return (max_bytes, HttpRefusal::TargetTooLong);
        }
    }
    (limits::HANDSHAKE_BYTES, HttpRefusal::HeadTooLarge)
}

/// Converts a parse error of tungstenite.
fn refusal(error: &Error) -> HttpRefusal {
    match error {
        Error::Capacity(CapacityError::TooManyHeaders) => HttpRefusal::HeadTooLarge,
        Error::Protocol(ProtocolError::WrongHttpMethod) => HttpRefusal::MethodNotAllowed,
        Error::Protocol(ProtocolError::WrongHttpVersion) => HttpRefusal::VersionNotSupported,
        _ => HttpRefusal::BadRequest("the request head is not valid HTTP/1.1"),
    }
}

/// Checks that every line ends in CR LF. Servers and proxies differ in how they treat a lone LF,
/// which enables request smuggling.
fn check_line_ends(head: &[u8]) -> Result<(), HttpRefusal> {
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    if lines.all(|line| line.ends_with(b"\r\n")) {
        return Ok(());
    }
    Err(HttpRefusal::BadRequest(
        "every line of the request head must end in CR LF",
    ))
}
