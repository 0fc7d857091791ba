//! The opening handshake of a client (RFC 6455, section 4.1), with the offer of permessage-deflate
//! (RFC 7692). Receiving thread.

use std::net::SocketAddr;

/// The key of the example in RFC 6455, section 1.3. A fixed key has a known answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The offer that browsers send.
const DEFLATE_OFFER: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

/// The start of the server's response.
#[derive(Debug, PartialEq, Eq)]
pub enum UpgradeResponse {
    /// The head of the response is incomplete.
    Partial,
    Accepted {
        /// Bytes of the response head.
        len: usize,
        /// Whether the server agreed to permessage-deflate without context takeover.
        deflate: bool,
    },
    Refused,
}

/// The answer to the offer of permessage-deflate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeflateAnswer {
    Declined,
    /// Accepted, and no message refers to an earlier one.
    WithoutContext,
    /// An extension that the client did not offer, or messages that refer to earlier ones.
    Invalid,
}

/// Returns the request for a WebSocket. `deflate` adds the offer of permessage-deflate.
pub fn request(resource: &str, address: SocketAddr, deflate: bool) -> String {
    let offer = if deflate { DEFLATE_OFFER } else { "" };
    format!(
        "GET {resource} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
         {offer}\r\n"
    )
}

/// Reads the server's response to the request.
pub fn response(bytes: &[u8]) -> UpgradeResponse {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return UpgradeResponse::Partial;
    };
    let head = &bytes[..end];
    let has_accept = head.windows(ACCEPT.len()).any(|window| window == ACCEPT);
    if !head.starts_with(b"HTTP/1.1 101") || !has_accept {
        return UpgradeResponse::Refused;
    }
    let deflate = match deflate_answer(head) {
        DeflateAnswer::Invalid => return UpgradeResponse::Refused,
        DeflateAnswer::Declined => false,
        DeflateAnswer::WithoutContext => true,
    };
    UpgradeResponse::Accepted {
        len: end + 4,
        deflate,
    }
}

/// Reads the extension header of a response head.
fn deflate_answer(head: &[u8]) -> DeflateAnswer {
    let Ok(head) = std::str::from_utf8(head) else {
        return DeflateAnswer::Invalid;
    };
    let headers = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = headers
        .filter(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"))
        .map(|(_, value)| value);
    let Some(value) = values.next() else {
        return DeflateAnswer::Declined;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_deflate = parts.next() == Some("permessage-deflate");
    let without_context = parts.any(|part| part == "server_no_context_takeover");
    if is_deflate && without_context && values.next().is_none() {
        DeflateAnswer::WithoutContext
    } else {
        DeflateAnswer::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_must_be_complete_and_contain_the_accept_key() {
        let good = b"HTTP/1.1 101 Switching Protocols\r\n\
            sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest";
        assert_eq!(response(&good[..40]), UpgradeResponse::Partial);
        let (len, deflate) = (good.len() - 4, false);
        assert_eq!(response(good), UpgradeResponse::Accepted { len, deflate });
        assert_eq!(
            response(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            UpgradeResponse::Refused
        );
        assert_eq!(
            response(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            UpgradeResponse::Refused
        );
    }

    #[test]
    fn deflate_is_accepted_only_without_context_takeover() {
        let answer = |line: &str| deflate_answer(format!("HTTP/1.1 101 S\r\n{line}").as_bytes());
        assert_eq!(answer("upgrade: websocket"), DeflateAnswer::Declined);
        for (value, expected) in [
            (
                "permessage-deflate; server_no_context_takeover",
                DeflateAnswer::WithoutContext,
            ),
            (
                "permessage-deflate;client_no_context_takeover; server_no_context_takeover",
                DeflateAnswer::WithoutContext,
            ),
            ("permessage-deflate", DeflateAnswer::Invalid),
            (
                "permessage-bzip2; server_no_context_takeover",
                DeflateAnswer::Invalid,
            ),
            ("", DeflateAnswer::Invalid),
        ] {
            let line = format!("Sec-WebSocket-Extensions: {value}");
            assert_eq!(answer(&line), expected, "{value}");
        }
        let one = "sec-websocket-extensions: permessage-deflate; server_no_context_takeover";
        assert_eq!(answer(one), DeflateAnswer::WithoutContext);
        assert_eq!(answer(&format!("{one}\r\n{one}")), DeflateAnswer::Invalid);
    }

    #[test]
    fn a_request_contains_the_deflate_offer_only_when_asked() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8000));
        let plain = request("/raw?topic=a", address, false);
        assert!(plain.starts_with("GET /raw?topic=a HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n"));
        assert!(!plain.contains("Extensions") && plain.ends_with("13\r\n\r\n"));
        let offering = request("/raw?topic=a", address, true);
        assert!(offering.ends_with(&format!("13\r\n{DEFLATE_OFFER}\r\n")));
    }
}
