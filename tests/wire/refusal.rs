//! RFC 9110, section 15: the responses to refused requests.

use std::collections::BTreeSet;

use fanfare::wire::handshake::{self, HttpRefusal};

#[test]
fn every_refusal_has_a_status_headers_and_an_explanation() {
    for (refusal, status_line, header) in [
        (HttpRefusal::BadRequest("why"), "400 Bad Request", ""),
        (HttpRefusal::ForbiddenOrigin, "403 Forbidden", ""),
        (HttpRefusal::ReservedTopic, "403 Forbidden", ""),
        (HttpRefusal::NotFound, "404 Not Found", ""),
        (
            HttpRefusal::MethodNotAllowed,
            "405 Method Not Allowed",
            "Allow: GET",
        ),
        (HttpRefusal::RequestTimeout, "408 Request Timeout", ""),
        (HttpRefusal::TargetTooLong, "414 URI Too Long", ""),
        (
            HttpRefusal::UpgradeRequired,
            "426 Upgrade Required",
            "Upgrade: websocket",
        ),
        (
            HttpRefusal::UpgradeRequired,
            "426 Upgrade Required",
            "Connection: Upgrade, close",
        ),
        (
            HttpRefusal::WebSocketVersion,
            "426 Upgrade Required",
            "Sec-WebSocket-Version: 13",
        ),
        (
            HttpRefusal::HeadTooLarge,
            "431 Request Header Fields Too Large",
            "",
        ),
        (
            HttpRefusal::TooManyHeaders,
            "431 Request Header Fields Too Large",
            "",
        ),
        (
            HttpRefusal::Unavailable("full"),
            "503 Service Unavailable",
            "Retry-After: 5",
        ),
        (
            HttpRefusal::VersionNotSupported,
            "505 HTTP Version Not Supported",
            "",
        ),
    ] {
        let response = String::from_utf8(refusal.response()).unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some(&*format!("HTTP/1.1 {status_line}")));
        assert!(status_line.starts_with(&refusal.status().to_string()));
        let lines: Vec<_> = lines.collect();
        assert!(header.is_empty() || lines.contains(&header), "{response}");
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("Connection: ") && line.ends_with("close"))
        );
        assert!(lines.contains(&&*format!("Content-Length: {}", body.len())));
        assert!(lines.contains(&"Content-Type: text/plain; charset=utf-8"));
        assert_eq!(body, format!("{refusal}\n"));
    }
}

#[test]
fn the_refusal_of_a_post_names_the_port_for_publications() {
    let text = HttpRefusal::MethodNotAllowed.to_string();
    assert!(text.contains("admin.listen"), "{text}");
}

#[test]
fn refusals_have_different_names() {
    let refusals = [
        HttpRefusal::BadRequest(""),
        HttpRefusal::ForbiddenOrigin,
        HttpRefusal::ReservedTopic,
        HttpRefusal::NotFound,
        HttpRefusal::MethodNotAllowed,
        HttpRefusal::RequestTimeout,
        HttpRefusal::TargetTooLong,
        HttpRefusal::UpgradeRequired,
        HttpRefusal::WebSocketVersion,
        HttpRefusal::HeadTooLarge,
        HttpRefusal::TooManyHeaders,
        HttpRefusal::Unavailable(""),
        HttpRefusal::VersionNotSupported,
    ];
    let names: BTreeSet<_> = refusals.iter().map(HttpRefusal::name).collect();
    assert_eq!(names.len(), refusals.len());
}

#[test]
fn a_plain_response_carries_its_body() {
    let response = handshake::plain_response(200, "application/json", b"{\"status\":\"ok\"}");
    let text = String::from_utf8(response).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(text.contains("\r\nConnection: close\r\n"));
    assert!(text.contains("\r\nContent-Length: 15\r\n"));
    assert!(text.ends_with("\r\n\r\n{\"status\":\"ok\"}"));
}

#[test]
fn rfc9110_9_3_2_the_answer_to_head_is_the_answer_to_get_without_its_body() {
    let response = handshake::plain_response(200, "text/plain", b"one\r\n\r\ntwo");
    let head = String::from_utf8(handshake::without_body(response.clone())).unwrap();
    let whole = String::from_utf8(response).unwrap();
    assert_eq!(format!("{head}one\r\n\r\ntwo"), whole);
    assert!(head.contains("\r\nContent-Length: 10\r\n"));
}
