//! All refusals of the WebSocket port over real sockets, with requests in one piece and byte by
//! byte.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::client::{Client, Socket};
use super::server::{Server, exchange};
use super::wait::{TIMEOUT, until};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const UPGRADE: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

const CLIENT: &str = "/connection/websocket";
const WHOLE: [&str; 3] = [UPGRADE, KEY, VERSION];

/// A request head, the status of the response, and a header of the response.
type Case = (String, u16, &'static str);

fn get(target: &str, headers: &[&str]) -> String {
    format!("GET {target} HTTP/1.1\r\n{}\r\n", headers.concat())
}

fn cases() -> Vec<Case> {
    let mut cases = refusals();
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let json = "Content-Type: application/json";
    cases.extend([
        (get(CLIENT, &WHOLE), 101, "Upgrade: websocket"),
        (get("/raw?topic=a", &WHOLE), 101, accept),
        (get("/health", &["Host: localhost\r\n"]), 200, json),
        (
            format!("POST {CLIENT} HTTP/1.1\r\nHost: a\r\n\r\n"),
            405,
            "Allow: GET",
        ),
    ]);
    let version = "Sec-WebSocket-Version: 13";
    let old = "Sec-WebSocket-Version: 8\r\n";
    cases.extend([
        (get(CLIENT, &["Host: localhost\r\n"]), 426, version),
        (get(CLIENT, &[UPGRADE, KEY, old]), 426, version),
    ]);
    cases
}

/// Returns the refusals that have no special header.
fn refusals() -> Vec<Case> {
    let protobuf = "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";
    let origin = "Origin: http://evil.example\r\n";
    let long_topic = format!("/raw?topic={}", "x".repeat(5_000));
    let long_header = format!("X-Long: {}\r\n", "x".repeat(9_000));
    let refusals = [
        (get("/raw", &WHOLE), 400),
        (get("/raw?topic=", &WHOLE), 400),
        (get("/raw?topic=%ff", &WHOLE), 400),
        (get(CLIENT, &[UPGRADE, VERSION]), 400),
        (get(CLIENT, &[UPGRADE, KEY, VERSION, protobuf]), 400),
        ("\x16\x03\x01\x02\r\n\r\n".to_owned(), 400),
        (get(CLIENT, &[UPGRADE, KEY, VERSION, origin]), 403),
        (get("/", &WHOLE), 404),
        (get("/echo", &WHOLE), 404),
        (get(&long_topic, &WHOLE), 414),
        (get(CLIENT, &[UPGRADE, &long_header]), 431),
        (format!("GET {CLIENT} HTTP/1.0\r\nHost: a\r\n\r\n"), 505),
    ];
    let close = |(request, status)| (request, status, "Connection: close");
    refusals.into_iter().map(close).collect()
}

#[track_caller]
fn assert_response(response: &str, request: &str, status: u16, header: &str) {
    let expected = format!("HTTP/1.1 {status} ");
    let request = &request[..request.len().min(60)];
    assert!(
        response.starts_with(&expected),
        "{request}: {status}\n{response}"
    );
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    assert!(head.lines().any(|line| line == header), "{request}\n{head}");
    if status != 101 {
        let length = format!("Content-Length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "{response}");
    }
}

/// Reads the head of a 101 response, or all of another response.
fn response(mut stream: &TcpStream, status: u16) -> String {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut response = Vec::new();
    if status == 101 {
        let mut byte = [0];
        while !response.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            response.push(byte[0]);
        }
    } else {
        // After a reset, which unread bytes cause, the bytes that were received before it are
        // returned.
        let _ = stream.read_to_end(&mut response);
    }
    String::from_utf8(response).unwrap()
}

#[test]
fn responses_do_not_depend_on_how_requests_are_divided() {
    let server = Server::start(&[]);
    for (request, status, header) in cases() {
        for piece_bytes in [usize::MAX, 1, 1_000] {
            let mut stream = TcpStream::connect(server.ws_address()).unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in request.as_bytes().chunks(piece_bytes.min(request.len())) {
                if stream.write_all(piece).is_err() {
                    break; // The server refused the request before its end.
                }
            }
            assert_response(&response(&stream, status), &request, status, header);
        }
    }
    server.await_metric("fanfare_connections", &[], 0);
    let (rounds, refused) = (
        3,
        cases().iter().filter(|case| case.1 >= 400).count() as u64,
    );
    server.await_metric("fanfare_refused_total", &[], rounds * refused);
    server.await_metric("fanfare_refused_total", &["origin"], rounds);
}

#[test]
fn a_client_that_shuts_down_writing_receives_the_response() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.ws_address()).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(response(&stream, 200).ends_with(r#"{"reasons":[],"status":"ok"}"#));
}

#[test]
fn at_the_limit_upgrades_get_503_and_health_answers() {
    let server = Server::start(&["ws.max_connections=4"]);
    let path = "/connection/websocket";
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(&server)).collect();
    for _ in 0..200 {
        assert_eq!(Socket::try_connect(&server, path).err(), Some(503));
    }
    let head = format!("GET {path} HTTP/1.1\r\n{UPGRADE}{KEY}{VERSION}\r\n");
    let response = exchange(server.ws_address(), head.as_bytes());
    assert!(response.contains("\r\nRetry-After: "), "{response}");
    assert!(server.health().contains("at ws.max_connections (4)"));
    clients.pop();
    let client = until("a free connection slot", || {
        Socket::try_connect(&server, path).ok()
    });
    drop((clients, client));
    server.await_health("ok");
}
