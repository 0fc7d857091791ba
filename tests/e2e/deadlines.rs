//! Timeouts: silent clients are closed in time and with the right code; clients that answer pings
//! stay connected.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::Message;

use crate::client::{ProtocolClient, RawSubscriber, WebSocketConnection};
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::TIMEOUT;

const SHORT_TIMEOUTS: [&str; 3] = [
    "ws.handshake_timeout=500ms",
    "ws.ping=1s",
    "ws.pong_timeout=500ms",
];

/// Reads until the end of the stream or a reset.
fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    bytes
}

#[test]
fn an_incomplete_request_head_is_reset_at_its_deadline() {
    let server = Server::start(&SHORT_TIMEOUTS);
    for head in [&b""[..], b"GET /raw?topic=a HTTP/1.1\r\nHost: a\r\n"] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(server.ws_address()).unwrap();
        stream.write_all(head).unwrap();
        assert_eq!(read_to_end(&stream), b"");
        assert!(started.elapsed() >= Duration::from_millis(450));
    }
    server.await_metric("fanfare_connections", &[], 0);
    server.await_metric("fanfare_refused_total", &["timeout"], 2);
}

#[test]
fn single_bytes_do_not_extend_the_deadline_of_a_request_head() {
    let server = Server::start(&SHORT_TIMEOUTS);
    let mut stream = TcpStream::connect(server.ws_address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let started = Instant::now();
    let elapsed = loop {
        let mut byte = [0];
        let written = stream.write_all(b"G");
        match stream.read(&mut byte) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && written.is_ok() => {}
            _ => break started.elapsed(),
        }
        assert!(started.elapsed() < TIMEOUT, "the connection is not closed");
    };
    assert!(elapsed >= Duration::from_millis(450), "{elapsed:?}");
}

#[test]
fn a_client_without_a_connect_command_is_closed_with_3502() {
    let server = Server::start(&SHORT_TIMEOUTS);
    let mut silent = WebSocketConnection::connect(&server, "/connection/websocket");
    assert_eq!(silent.read_close_code(), Some(3502));
    let mut pinging = WebSocketConnection::connect(&server, "/connection/websocket");
    pinging.send(Message::Ping(vec![1].into()));
    assert_eq!(pinging.read_close_code(), Some(3502));
    server.await_metric("fanfare_closed_total", &["stale"], 2);
    server.await_metric("fanfare_connections", &[], 0);
}

#[test]
fn a_client_without_pongs_is_closed_with_3012() {
    let server = Server::start(&SHORT_TIMEOUTS);
    let mut client = ProtocolClient::connect(&server);
    client.answers_pings = false;
    assert_eq!(
        client.next_publication_within(Duration::from_millis(100)),
        None
    );
    assert_eq!(client.connection.read_close_code(), Some(3012));
    server.await_metric("fanfare_closed_total", &["no_pong"], 1);
}

#[test]
fn a_raw_connection_without_pongs_is_closed_with_3012() {
    let server = Server::start(&SHORT_TIMEOUTS);
    let raw = RawSubscriber::connect(&server, &["a"]);
    let bytes = read_to_end(raw.0.stream());
    let ping = b"\x89\x00";
    let close = b"\x88\x09\x0b\xc4no pong";
    assert_eq!(bytes, [&ping[..], close].concat());
}

#[test]
fn connections_that_answer_pings_stay_open() {
    let server = Server::start(&SHORT_TIMEOUTS);
    let mut client = ProtocolClient::connect_subscribed(&server, &["a"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let started = Instant::now();
    while client.pings < 3 {
        assert_eq!(
            client.next_publication_within(Duration::from_millis(50)),
            None
        );
        assert_eq!(raw.next_message_within(Duration::from_millis(50)), None);
        assert!(started.elapsed() < TIMEOUT, "no pings arrived");
    }
    Publisher::with_req(&server).send_and_wait("a", "1");
    assert_eq!(client.next_publication().1, 1);
    assert_eq!(raw.next_text(), "1");
}
