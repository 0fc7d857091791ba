//! Every refusal of the WebSocket port, over real sockets, whole and byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::client::{Client, Socket};
use super::server::{Server, exchange};
use super::wait::{PATIENCE, until};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const UPGRADE: &str = "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// Request heads with the status line and a header that answer them.
fn cases() -> Vec<(String, u16, &'static str)> {
    let get = |target: &str, headers: &[&str]| {
        format!("GET {target} HTTP/1.1\r\n{}\r\n", headers.concat())
    };
    let whole = [UPGRADE, KEY, VERSION];
    let client = "/connection/websocket";
    let protobuf = "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";
    let long = "x".repeat(5_000);
    let header = format!("X-Long: {}\r\n", "x".repeat(9_000));
    vec![
        (get(client, &whole), 101, "Upgrade: websocket"),
        (
            get("/raw?topic=a", &whole),
            101,
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ),
        (get("/raw", &whole), 400, "Connection: close"),
        (get("/raw?topic=", &whole), 400, "Connection: close"),
        (get("/raw?topic=%ff", &whole), 400, "Connection: close"),
        (get(client, &[UPGRADE, VERSION]), 400, "Connection: close"),
        (
            get(client, &[UPGRADE, KEY, VERSION, protobuf]),
            400,
            "Connection: close",
        ),
        (
            "\x16\x03\x01\x02\r\n\r\n".to_owned(),
            400,
            "Connection: close",
        ),
        (
            get(
                client,
                &[&whole[..], &["Origin: http://evil.example\r\n"]].concat(),
            ),
            403,
            "Connection: close",
        ),
        (get("/", &whole), 404, "Connection: close"),
        (get("/echo", &whole), 404, "Connection: close"),
        (
            format!("POST {client} HTTP/1.1\r\nHost: a\r\n\r\n"),
            405,
            "Allow: GET",
        ),
        (
            get(&format!("/raw?topic={long}"), &whole),
            414,
            "Connection: close",
        ),
        (
            get(client, &["Host: localhost\r\n"]),
            426,
            "Sec-WebSocket-Version: 13",
        ),
        (
            get(client, &[UPGRADE, KEY, "Sec-WebSocket-Version: 8\r\n"]),
            426,
            "Sec-WebSocket-Version: 13",
        ),
        (get(client, &[UPGRADE, &header]), 431, "Connection: close"),
        (
            format!("GET {client} HTTP/1.0\r\nHost: a\r\n\r\n"),
            505,
            "Connection: close",
        ),
        (
            get("/health", &["Host: localhost\r\n"]),
            200,
            "Content-Type: application/json",
        ),
    ]
}

#[track_caller]
fn assert_answer(answer: &str, request: &str, status: u16, header: &str) {
    let expected = format!("HTTP/1.1 {status} ");
    let request = &request[..request.len().min(60)];
    assert!(
        answer.starts_with(&expected),
        "{request}: {status}\n{answer}"
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.lines().any(|line| line == header), "{request}\n{head}");
    if status != 101 {
        let length = format!("Content-Length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "{answer}");
    }
}

/// Reads the response head of an upgrade and leaves; of anything else, all of it.
fn answer(mut stream: &TcpStream, status: u16) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    if status == 101 {
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            answer.push(byte[0]);
        }
    } else {
        // A reset, because of bytes that were not read, leaves what had come before it.
        let _ = stream.read_to_end(&mut answer);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn requests_are_answered_however_they_are_cut() {
    let server = Server::start(&[]);
    for (request, status, header) in cases() {
        for piece_bytes in [usize::MAX, 1, 1_000] {
            let mut stream = TcpStream::connect(server.ws_address()).unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in request.as_bytes().chunks(piece_bytes.min(request.len())) {
                if stream.write_all(piece).is_err() {
                    break; // It was refused before its end.
                }
            }
            assert_answer(&answer(&stream, status), &request, status, header);
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
fn a_peer_that_stops_writing_still_gets_its_answer() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.ws_address()).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(answer(&stream, 200).ends_with(r#"{"reasons":[],"status":"ok"}"#));
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
    let answer = exchange(server.ws_address(), head.as_bytes());
    assert!(answer.contains("\r\nRetry-After: "), "{answer}");
    assert!(server.health().contains("at ws.max_connections (4)"));
    clients.pop();
    let client = until("room for one more", || {
        Socket::try_connect(&server, path).ok()
    });
    drop((clients, client));
    server.await_health("ok");
}
