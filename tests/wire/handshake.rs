//! RFC 6455, section 4, with RFC 9110 and RFC 9112: the upgrade, and each reason to refuse it.

use std::io::{self, Cursor, Read, Write};

use fanfare::limits;
use fanfare::wire::handshake::{HttpRefusal, HttpRequest, parse};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::chunking::pieces;

pub const LINES: [&str; 5] = [
    "Host: server.example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
];

pub fn head(request_line: &str, lines: &[&str]) -> String {
    let mut head = format!("{request_line}\r\n");
    for line in lines {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

/// Returns the usual request with `line` in place of the line of the same name, or with `line`
/// added.
pub fn upgrade_with(line: &str) -> String {
    let name = line.split(':').next().unwrap();
    let mut lines: Vec<_> = LINES
        .into_iter()
        .filter(|other| other.split(':').next() != Some(name))
        .collect();
    lines.push(line);
    head("GET /chat HTTP/1.1", &lines)
}

fn upgrade_without(name: &str) -> String {
    let lines: Vec<_> = LINES
        .into_iter()
        .filter(|line| !line.starts_with(name))
        .collect();
    head("GET /chat HTTP/1.1", &lines)
}

pub fn request(head: &str) -> HttpRequest {
    let (head_bytes, request) = parse(head.as_bytes())
        .unwrap()
        .expect("the head is complete");
    assert_eq!(head_bytes, head.len());
    request
}

/// Returns the refusal of a request, which is the same in one piece and byte by byte.
#[track_caller]
fn refusal(head: &[u8]) -> HttpRefusal {
    let whole = answer(head).expect_err("refused");
    let first = (0..=head.len()).find_map(|end| answer(&head[..end]).err());
    assert_eq!(first, Some(whole), "byte by byte");
    whole
}

fn answer(head: &[u8]) -> Result<Option<Vec<u8>>, HttpRefusal> {
    parse(head)?
        .map(|(_, request)| request.accept(None, None))
        .transpose()
}

#[test]
fn rfc6455_4_2_2_the_upgrade_is_accepted() {
    let request = request(&head("GET /chat HTTP/1.1", &LINES));
    assert_eq!(request.path(), "/chat");
    assert!(request.is_upgrade());
    let expected = "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(request.accept(None, None).unwrap(), expected.as_bytes());
}

#[test]
fn rfc6455_4_2_1_upgrade_and_connection_are_lists_without_case() {
    for line in [
        "Connection: keep-alive, Upgrade",
        "Connection: UPGRADE",
        "Connection:upgrade ,close",
        "Connection: close\r\nConnection: upgrade",
        "Upgrade: WebSocket",
        "Upgrade: h2c, websocket",
        "upgrade: websocket",
    ] {
        assert!(
            answer(upgrade_with(line).as_bytes()).unwrap().is_some(),
            "{line}"
        );
    }
}

#[test]
fn rfc6455_4_2_1_a_request_without_upgrade_gets_426() {
    for head in [
        upgrade_without("Upgrade"),
        upgrade_without("Connection"),
        upgrade_with("Upgrade: h2c"),
        upgrade_with("Connection: keep-alive"),
        upgrade_with("Connection: not-upgrade"),
    ] {
        assert!(!request(&head).is_upgrade());
        assert_eq!(refusal(head.as_bytes()), HttpRefusal::UpgradeRequired);
    }
}

#[test]
fn rfc6455_4_4_another_version_gets_426_that_names_13() {
    for head in [
        upgrade_without("Sec-WebSocket-Version"),
        upgrade_with("Sec-WebSocket-Version: 8"),
        upgrade_with("Sec-WebSocket-Version: 13, 8"),
    ] {
        assert_eq!(refusal(head.as_bytes()), HttpRefusal::WebSocketVersion);
    }
}

#[test]
fn rfc6455_4_2_1_the_key_is_16_bytes_in_base64() {
    for head in [
        upgrade_without("Sec-WebSocket-Key"),
        upgrade_with("Sec-WebSocket-Key:"),
        upgrade_with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"),
        upgrade_with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"),
        upgrade_with("Sec-WebSocket-Key: not base64 at all !!!!!!"),
        upgrade_with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE9"),
    ] {
        assert!(
            matches!(refusal(head.as_bytes()), HttpRefusal::BadRequest(_)),
            "{head}"
        );
    }
}

#[test]
fn the_unused_bits_of_the_key_are_not_checked() {
    // RFC 6455, section 4.1, prints this key for the bytes 1 to 16. Most encoders end it in EA==.
    let head = upgrade_with("Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==");
    let response = String::from_utf8(answer(head.as_bytes()).unwrap().unwrap()).unwrap();
    // The text is hashed as it was sent (section 4.2.2).
    let accept = tungstenite::handshake::derive_accept_key(b"AQIDBAUGBwgJCgsMDQ4PEC==");
    assert!(response.contains(&format!("Sec-WebSocket-Accept: {accept}\r\n")));
    for key in [
        "AQIDBAUGBwgJCgsMDQ4PEC=",
        "AQIDBAUGBwgJCgsMDQ4PEC",
        "AQIDBAUGBwgJCgsMDQ4PEBF=",
    ] {
        let head = upgrade_with(&format!("Sec-WebSocket-Key: {key}"));
        assert!(
            matches!(refusal(head.as_bytes()), HttpRefusal::BadRequest(_)),
            "{key}"
        );
    }
}

#[test]
fn rfc6455_4_2_2_a_subprotocol_is_echoed() {
    let request = request(&upgrade_with(
        "Sec-WebSocket-Protocol: a, centrifuge-json\r\nSec-WebSocket-Protocol: b",
    ));
    let offered: Vec<_> = request.subprotocols().collect();
    assert_eq!(offered, ["a", "centrifuge-json", "b"]);
    let response = String::from_utf8(request.accept(Some("b"), None).unwrap()).unwrap();
    assert!(response.ends_with("\r\nSec-WebSocket-Protocol: b\r\n\r\n"));
}

#[test]
fn rfc9112_3_only_get_over_http_1_1_is_served() {
    for method in ["POST", "HEAD", "OPTIONS", "PUT"] {
        let head = head(&format!("{method} / HTTP/1.1"), &LINES);
        assert_eq!(refusal(head.as_bytes()), HttpRefusal::MethodNotAllowed);
    }
    let old = head("GET / HTTP/1.0", &LINES);
    assert_eq!(refusal(old.as_bytes()), HttpRefusal::VersionNotSupported);
    assert!(matches!(
        refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        HttpRefusal::BadRequest(_)
    ));
}

#[test]
fn rfc9112_2_2_lines_end_in_cr_lf() {
    for head in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\r",
    ] {
        assert!(
            matches!(refusal(head.as_bytes()), HttpRefusal::BadRequest(_)),
            "{head:?}"
        );
    }
    assert!(
        parse(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap()
            .is_some()
    );
}

#[test]
fn rfc9112_3_2_a_request_has_one_host() {
    assert!(matches!(
        refusal(upgrade_without("Host").as_bytes()),
        HttpRefusal::BadRequest(_)
    ));
    assert!(matches!(
        refusal(upgrade_with("Host: a\r\nHost: b").as_bytes()),
        HttpRefusal::BadRequest(_)
    ));
}

#[test]
fn rfc9112_5_1_and_5_2_header_lines_are_plain() {
    for line in [
        "X-Folded: one\r\n two",
        "Space-Before-Colon : a",
        " Leading: a",
        "No colon",
        "Bad\x01Name: a",
        "X-Null: a\0b",
        ": no name",
    ] {
        let head = upgrade_with(line);
        assert!(
            matches!(refusal(head.as_bytes()), HttpRefusal::BadRequest(_)),
            "{line:?}"
        );
    }
}

#[test]
fn rfc9112_6_a_body_is_refused() {
    for line in [
        "Content-Length: 5",
        "Content-Length: 00",
        "Content-Length: +0",
        "Content-Length: 0\r\nContent-Length: 0",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
    ] {
        let head = upgrade_with(line);
        assert!(
            matches!(refusal(head.as_bytes()), HttpRefusal::BadRequest(_)),
            "{line:?}"
        );
    }
    assert!(
        answer(upgrade_with("Content-Length: 0").as_bytes())
            .unwrap()
            .is_some()
    );
}

#[test]
fn headers_that_must_be_unique_are_not_repeated() {
    for line in [
        "Origin: http://a\r\nOrigin: http://b",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8",
    ] {
        assert!(
            matches!(
                refusal(upgrade_with(line).as_bytes()),
                HttpRefusal::BadRequest(_)
            ),
            "{line}"
        );
    }
}

#[test]
fn rfc9112_3_2_the_request_target_is_a_path_or_an_absolute_url() {
    for target in [
        "ftp://server.example.com/chat",
        "http://user@server.example.com/chat",
        "http:///chat",
        "http:/chat",
        "server.example.com:80",
        "server.example.com",
        "*",
        "/a b",
    ] {
        let head = head(&format!("GET {target} HTTP/1.1"), &LINES);
        assert!(
            matches!(refusal(head.as_bytes()), HttpRefusal::BadRequest(_)),
            "{target}"
        );
    }
}

#[test]
fn rfc9112_3_2_2_the_host_of_an_absolute_url_replaces_the_host_header() {
    for (target, path, host) in [
        ("http://a.example/chat?topic=b", "/chat", "a.example"),
        ("https://a.example:8443/chat", "/chat", "a.example:8443"),
        ("ws://a.example:8000", "/", "a.example:8000"),
        ("WSS://[::1]/chat", "/chat", "[::1]"),
        ("/chat", "/chat", "server.example.com"),
        // A path, although it resembles a URL.
        ("//a.example/chat", "//a.example/chat", "server.example.com"),
        (
            "/http://a.example/",
            "/http://a.example/",
            "server.example.com",
        ),
    ] {
        let head = head(&format!("GET {target} HTTP/1.1"), &LINES);
        let request = request(&head);
        assert_eq!((request.path(), request.host()), (path, host), "{target}");
        assert!(request.accept(None, None).is_ok(), "{target}");
    }
    let mut lines = LINES.to_vec();
    lines.push("Origin: http://a.example");
    let same = request(&head("GET http://a.example/chat HTTP/1.1", &lines));
    assert!(same.origin_allowed(&[]));
    let other = request(&head("GET http://b.example/chat HTTP/1.1", &lines));
    assert!(!other.origin_allowed(&[]));
    // The Host header is required nevertheless (section 3.2).
    let without = head("GET http://a.example/chat HTTP/1.1", &LINES[1..]);
    assert!(matches!(
        refusal(without.as_bytes()),
        HttpRefusal::BadRequest(_)
    ));
}

#[test]
fn rfc9110_9_3_2_a_head_request_is_parsed_and_is_no_upgrade() {
    let plain = request("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(plain.is_head());
    assert_eq!(plain.path(), "/health");
    let upgrade = request(&head("HEAD /chat HTTP/1.1", &LINES));
    assert_eq!(
        upgrade.accept(None, None),
        Err(HttpRefusal::MethodNotAllowed)
    );
    assert!(!request(&head("GET /chat HTTP/1.1", &LINES)).is_head());
}

#[test]
fn garbage_is_refused_before_the_head_ends() {
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\xff\x00\x00",
        b"GET\0",
        b"{\"id\":1}",
    ] {
        assert!(
            matches!(refusal(garbage), HttpRefusal::BadRequest(_)),
            "{garbage:x?}"
        );
    }
}

#[test]
fn a_head_has_at_most_handshake_bytes() {
    let with_total = |total: usize| {
        let bare = upgrade_with("X-Fill: ").len();
        upgrade_with(&format!("X-Fill: {}", "f".repeat(total - bare)))
    };
    let largest = with_total(limits::HANDSHAKE_BYTES);
    assert_eq!(largest.len(), limits::HANDSHAKE_BYTES);
    assert!(answer(largest.as_bytes()).unwrap().is_some());
    // Frames may follow the head immediately. They do not count.
    let (head_bytes, _) = parse(&[largest.as_bytes(), &[0x81; 9000]].concat())
        .unwrap()
        .unwrap();
    assert_eq!(head_bytes, largest.len());

    let too_large = with_total(limits::HANDSHAKE_BYTES + 1);
    assert_eq!(refusal(too_large.as_bytes()), HttpRefusal::HeadTooLarge);
    assert_eq!(
        refusal(&b"\r\n".repeat(limits::HANDSHAKE_BYTES)),
        HttpRefusal::HeadTooLarge
    );
    assert_eq!(
        refusal(&[b'G'; limits::HANDSHAKE_BYTES]),
        HttpRefusal::HeadTooLarge
    );
}

#[test]
fn a_head_has_at_most_request_headers() {
    let with_headers = |count: usize| {
        let added: Vec<_> = (LINES.len()..count).map(|i| format!("X{i}: b")).collect();
        upgrade_with(&added.join("\r\n"))
    };
    let most = with_headers(limits::REQUEST_HEADERS);
    assert!(answer(most.as_bytes()).unwrap().is_some());
    let too_many = with_headers(limits::REQUEST_HEADERS + 1);
    assert!(too_many.len() < limits::HANDSHAKE_BYTES);
    assert_eq!(refusal(too_many.as_bytes()), HttpRefusal::TooManyHeaders);
    assert_eq!(HttpRefusal::TooManyHeaders.status(), 431);
    let text = HttpRefusal::TooManyHeaders.to_string();
    assert_eq!(text, "too many headers: send at most 256");
}

#[test]
fn a_request_target_has_at_most_request_target_bytes() {
    let with_target =
        |bytes: usize| head(&format!("GET /{} HTTP/1.1", "t".repeat(bytes - 1)), &LINES);
    let longest = with_target(limits::REQUEST_TARGET_BYTES);
    assert_eq!(request(&longest).path().len(), limits::REQUEST_TARGET_BYTES);
    let too_long = with_target(limits::REQUEST_TARGET_BYTES + 1);
    assert_eq!(refusal(too_long.as_bytes()), HttpRefusal::TargetTooLong);
    let endless = format!("GET /{}", "t".repeat(limits::REQUEST_TARGET_BYTES));
    assert_eq!(refusal(endless.as_bytes()), HttpRefusal::TargetTooLong);
}

/// A server for a client of tungstenite: parses the written request and returns the response on
/// read.
#[derive(Default)]
struct Server {
    received: Vec<u8>,
    answer: Option<Cursor<Vec<u8>>>,
}

impl Write for Server {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Server {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let received = &self.received;
        let answer = self.answer.get_or_insert_with(|| {
            let (_, request) = parse(received).unwrap().expect("the head is complete");
            Cursor::new(request.accept(Some("centrifuge-json"), None).unwrap())
        });
        answer.read(out)
    }
}

#[test]
fn tungstenite_connects() {
    use tungstenite::client::IntoClientRequest as _;

    let mut request = "ws://server.example.com/connection/websocket"
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", "centrifuge-json".parse().unwrap());
    let (_, response) = tungstenite::client(request, Server::default()).unwrap();
    assert_eq!(
        response.headers()["Sec-WebSocket-Protocol"],
        "centrifuge-json"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn dividing_a_head_into_pieces_does_not_change_the_result(
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        lengths in vec(1_usize..40, 1..6),
        early_frames in vec(any::<u8>(), 0..30),
    ) {
        let mut bytes = head("GET /raw?topic=a+b HTTP/1.1", &LINES).into_bytes();
        bytes.extend(early_frames);
        for (index, value) in damage {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        let whole = parse(&bytes).map(|parsed| parsed.map(|(head_bytes, _)| head_bytes));
        let mut end = 0;
        let in_pieces = pieces(&bytes, &lengths).into_iter().find_map(|piece| {
            end += piece.len();
            parse(&bytes[..end]).map(|parsed| parsed.map(|(head_bytes, _)| head_bytes)).transpose()
        });
        prop_assert_eq!(in_pieces.transpose(), whole);
    }
}
