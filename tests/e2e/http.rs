//! HTTP requests to the WebSocket port: each response, for requests that arrive at once and in
//! pieces.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::client::{ProtocolClient, WebSocketConnection};
use crate::server::{Server, exchange};
use crate::wait::{TIMEOUT, wait_for};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const UPGRADE: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

const CLIENT: &str = "/connection/websocket";
/// All headers of a valid upgrade.
const VALID: [&str; 3] = [UPGRADE, KEY, VERSION];

/// A request, and the response to it.
struct Case {
    request: String,
    status: u16,
    /// A header line of the response.
    header: &'static str,
}

impl Case {
    fn new(request: String, status: u16, header: &'static str) -> Self {
        Self {
            request,
            status,
            header,
        }
    }
}

/// Returns a GET request with these header lines.
fn get(target: &str, headers: &[&str]) -> String {
    format!("GET {target} HTTP/1.1\r\n{}\r\n", headers.concat())
}

fn cases() -> Vec<Case> {
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let json = "Content-Type: application/json";
    let version = "Sec-WebSocket-Version: 13";
    let host = "Host: localhost\r\n";
    let absolute = format!("http://localhost{CLIENT}");
    let old_version = "Sec-WebSocket-Version: 8\r\n";
    let post = format!("POST {CLIENT} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut cases = refusals();
    cases.extend([
        Case::new(get(CLIENT, &VALID), 101, "Upgrade: websocket"),
        Case::new(get("/raw?topic=a", &VALID), 101, accept),
        Case::new(get("/health", &[host]), 200, json),
        Case::new(get(&absolute, &VALID), 101, accept),
        Case::new(post, 405, "Allow: GET"),
        Case::new(get(CLIENT, &[host]), 426, version),
        Case::new(get(CLIENT, &[UPGRADE, KEY, old_version]), 426, version),
    ]);
    cases
}

/// Returns the requests whose refusal has no specific header.
fn refusals() -> Vec<Case> {
    let origin = "Origin: http://evil.example\r\n";
    let long_topic = format!("/raw?topic={}", "x".repeat(5_000));
    let long_header = format!("X-Long: {}\r\n", "x".repeat(9_000));
    let requests = [
        (get("/raw", &VALID), 400),
        (get("/raw?topic=", &VALID), 400),
        (get("/raw?topic=%ff", &VALID), 400),
        (get(CLIENT, &[UPGRADE, VERSION]), 400),
        ("\x16\x03\x01\x02\r\n\r\n".to_owned(), 400),
        (get(CLIENT, &[UPGRADE, KEY, VERSION, origin]), 403),
        (get("/", &VALID), 404),
        (get("/echo", &VALID), 404),
        (get(&long_topic, &VALID), 414),
        (get(CLIENT, &[UPGRADE, &long_header]), 431),
        (format!("GET {CLIENT} HTTP/1.0\r\nHost: a\r\n\r\n"), 505),
    ];
    let mut cases = Vec::new();
    for (request, status) in requests {
        cases.push(Case::new(request, status, "Connection: close"));
    }
    cases
}

#[track_caller]
fn assert_response(response: &str, case: &Case) {
    let status_line = format!("HTTP/1.1 {} ", case.status);
    let request = &case.request[..case.request.len().min(60)];
    assert!(
        response.starts_with(&status_line),
        "{request}: {}\n{response}",
        case.status
    );
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let has_line = |expected: &str| head.lines().any(|line| line == expected);
    assert!(has_line(case.header), "{request}\n{head}");
    if case.status != 101 {
        let length = format!("Content-Length: {}", body.len());
        assert!(has_line(&length), "{response}");
    }
}

/// Reads the head of the response to an upgrade, or a complete response with another status.
fn read_response(mut stream: &TcpStream, status: u16) -> String {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut response = Vec::new();
    if status == 101 {
        let mut byte = [0];
        while !response.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            response.push(byte[0]);
        }
    } else {
        // Unread bytes may cause a reset. The bytes before the reset are still returned.
        let _ = stream.read_to_end(&mut response);
    }
    String::from_utf8(response).unwrap()
}

#[test]
fn requests_in_pieces_of_any_size_get_their_response() {
    let server = Server::start(&[]);
    let piece_sizes = [usize::MAX, 1, 1_000];
    let mut refused = 0;
    for case in cases() {
        let request = case.request.as_bytes();
        for piece_bytes in piece_sizes {
            let mut stream = TcpStream::connect(server.ws_address()).unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in request.chunks(piece_bytes.min(request.len())) {
                if stream.write_all(piece).is_err() {
                    break; // The request was refused before its end.
                }
            }
            assert_response(&read_response(&stream, case.status), &case);
            refused += u64::from(case.status >= 400);
        }
    }
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_refused_total", &[], refused);
    let origin_refusals = piece_sizes.len() as u64;
    server.await_metric("fanfare_refused_total", &["origin"], origin_refusals);
}

#[test]
fn both_ports_answer_head_like_get_without_a_body() {
    let server = Server::start(&[]);
    for address in [server.ws_address(), server.admin_address()] {
        let close = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let got = exchange(address, format!("GET /health {close}").as_bytes());
        let (_, body) = got.split_once("\r\n\r\n").unwrap();
        let head = exchange(address, format!("HEAD /health {close}").as_bytes());
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        let length = format!("content-length: {}\r\n", body.len());
        assert!(head.to_ascii_lowercase().contains(&length), "{head}");
    }
    let missing = exchange(server.ws_address(), b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    assert!(missing.ends_with("\r\n\r\n"), "{missing}");
}

#[test]
fn a_client_that_ends_its_side_of_the_stream_gets_the_response() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.ws_address()).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let response = read_response(&stream, 200);
    assert!(response.ends_with(r#"{"reasons":[],"status":"ok"}"#));
}

#[test]
fn at_the_limit_upgrades_get_503_and_health_is_answered() {
    let server = Server::start(&["ws.max_connections=4"]);
    let mut clients: Vec<_> = (0..4).map(|_| ProtocolClient::connect(&server)).collect();
    for _ in 0..200 {
        assert_eq!(
            WebSocketConnection::try_connect(&server, CLIENT).err(),
            Some(503)
        );
    }
    let head = format!("GET {CLIENT} HTTP/1.1\r\n{UPGRADE}{KEY}{VERSION}\r\n");
    let response = exchange(server.ws_address(), head.as_bytes());
    assert!(response.contains("\r\nRetry-After: "), "{response}");
    assert!(server.health().contains("at ws.max_connections (4)"));
    clients.pop();
    let client = wait_for("an accepted upgrade", || {
        WebSocketConnection::try_connect(&server, CLIENT).ok()
    });
    drop((clients, client));
    server.await_health("ok");
}
