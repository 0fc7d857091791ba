//! Parser of request heads, with limits on their size. Runs on every shard thread, once per
//! connection.

use httparse::Status;
use tungstenite::http;

use super::refusal::HttpRefusal;
use super::request::HttpRequest;
use crate::limits;

const INVALID: HttpRefusal = HttpRefusal::BadRequest("the request head is not valid HTTP/1.1");

/// Parses the request head at the start of `head`. It has to be a GET or HEAD request without a
/// body.
///
/// Returns the length of the request head in bytes, and the request. The bytes after the head
/// belong to the WebSocket. Returns `None` if the head is incomplete; the caller then calls again
/// with all bytes that were received. The result does not depend on how the bytes are divided into
/// reads.
pub fn parse(head: &[u8]) -> Result<Option<(usize, HttpRequest)>, HttpRefusal> {
    let (max_bytes, too_long) = size_limit(head);
    let within_limit = &head[..head.len().min(max_bytes)];
    let mut headers = [httparse::EMPTY_HEADER; limits::REQUEST_HEADERS];
    let mut fields = httparse::Request::new(&mut headers);
    match fields.parse(within_limit).map_err(refusal)? {
        Status::Complete(head_bytes) => {
            let request = request(&fields)?;
            check_line_ends(&within_limit[..head_bytes])?;
            Ok(Some((head_bytes, HttpRequest::new(request)?)))
        }
        Status::Partial if head.len() >= max_bytes => Err(too_long),
        Status::Partial => Ok(None),
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

/// Converts a parse error.
fn refusal(error: httparse::Error) -> HttpRefusal {
    match error {
        httparse::Error::TooManyHeaders => HttpRefusal::TooManyHeaders,
        _ => INVALID,
    }
}

/// Returns the parsed fields in owned form. Checks the method before the version, since a request
/// with another method is refused in any version.
fn request(fields: &httparse::Request<'_, '_>) -> Result<http::Request<()>, HttpRefusal> {
    let method = match fields.method {
        Some("GET") => http::Method::GET,
        Some("HEAD") => http::Method::HEAD,
        _ => return Err(HttpRefusal::MethodNotAllowed),
    };
    if fields.version != Some(1) {
        return Err(HttpRefusal::VersionNotSupported);
    }
    let mut request = http::Request::builder()
        .method(method)
        .uri(fields.path.unwrap_or_default());
    for header in fields.headers.iter() {
        request = request.header(header.name, header.value);
    }
    request.body(()).map_err(|_| INVALID)
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
