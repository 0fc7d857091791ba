//! Time limits: clients that do not send anything are closed in time and with a reason, and clients
//! that answer stay connected.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::Message;

use super::client::{Client, Raw, Socket};
use super::server::Server;
use super::wait::TIMEOUT;

const SHORT: [&str; 3] = [
    "ws.handshake_timeout=500ms",
    "ws.ping=1s",
    "ws.pong_timeout=500ms",
];

/// Reads until the end of the stream or an error.
fn read_out(mut stream: &TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    bytes
}

#[test]
fn an_incomplete_handshake_is_closed() {
    let server = Server::start(&SHORT);
    for head in [&b""[..], b"GET /raw?topic=a HTTP/1.1\r\nHost: a\r\n"] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(server.ws_address()).unwrap();
        stream.write_all(head).unwrap();
        assert_eq!(read_out(&stream), b"");
        assert!(began.elapsed() >= Duration::from_millis(450));
    }
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_refused_total", &["timeout"], 2);
}

#[test]
fn a_slow_handshake_is_closed_although_bytes_arrive() {
    let server = Server::start(&SHORT);
    let mut stream = TcpStream::connect(server.ws_address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let began = Instant::now();
    let over = loop {
        let mut byte = [0];
        let written = stream.write_all(b"G");
        match stream.read(&mut byte) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && written.is_ok() => {}
            _ => break began.elapsed(),
        }
        assert!(began.elapsed() < TIMEOUT, "the connection was not closed");
    };
    assert!(over >= Duration::from_millis(450), "{over:?}");
}

#[test]
fn a_client_without_a_connect_command_is_closed_as_stale() {
    let server = Server::start(&SHORT);
    let mut silent = Socket::connect(&server, "/connection/websocket");
    assert_eq!(silent.closed(), Some(3502));
    let mut chatty = Socket::connect(&server, "/connection/websocket");
    chatty.send(Message::Ping(vec![1].into()));
    assert_eq!(chatty.closed(), Some(3502));
    server.await_metric("fanfare_closed_total", &["stale"], 2);
    server.await_metric("fanfare_connections", &[], 0);
}

#[test]
fn a_client_without_pongs_is_closed() {
    let server = Server::start(&SHORT);
    let mut client = Client::connect(&server);
    client.answers_pings = false;
    assert_eq!(client.next_within(Duration::from_millis(100)), None);
    assert_eq!(client.socket.closed(), Some(3012));
    server.await_metric("fanfare_closed_total", &["no_pong"], 1);
}

#[test]
fn a_raw_peer_without_pongs_is_closed() {
    let server = Server::start(&SHORT);
    let raw = Raw::connect(&server, &["a"]);
    let bytes = read_out(raw.0.stream());
    let close_frame = b"\x88\x09\x0b\xc4no pong";
    assert_eq!(bytes, [&b"\x89\x00"[..], close_frame].concat());
}

#[test]
fn clients_that_answer_pings_stay_connected() {
    let server = Server::start(&SHORT);
    let mut client = Client::subscribed(&server, &["a"]);
    let mut raw = Raw::connect(&server, &["a"]);
    let began = Instant::now();
    while client.pings < 3 {
        assert_eq!(client.next_within(Duration::from_millis(50)), None);
        assert_eq!(raw.next_within(Duration::from_millis(50)), None);
        assert!(began.elapsed() < TIMEOUT, "no pings were received");
    }
    super::publisher::Publisher::request(&server).send_and_wait("a", "1");
    assert_eq!(client.next().1, 1);
    assert_eq!(raw.next_text(), "1");
}
