//! Clients that do not read: the effect of each policy on them, and none on other clients.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket as TcpSocket, Type};
use tungstenite::Message;

use crate::client::{ProtocolClient, RawSubscriber, WebSocketConnection};
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::TIMEOUT;

const TOPICS: [&str; 3] = ["a", "b", "c"];
/// More publications than the socket buffers of both sides hold.
const PUBLICATIONS: u64 = 3_000;
const PADDING_BYTES: usize = 8 * 1024;
/// Number of publications that the readers may be behind, so that only clients that do not read are
/// slow.
const WINDOW: u64 = 4;
const SLOW_CLIENTS: usize = 10;
const SMALL_OUTBOX: [&str; 2] = ["ws.outbox=64KiB", "ingest.max_payload=32KiB"];

/// Connects a raw subscriber with a small receive buffer.
fn connect_slow_raw(server: &Server) -> RawSubscriber {
    let socket = TcpSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.ws_address().into()).unwrap();
    let target = "/raw?topic=a&topic=b&topic=c";
    RawSubscriber(WebSocketConnection::upgrade(TcpStream::from(socket), target).unwrap())
}

/// Publishes all publications at the pace of two readers, which receive all of them in order.
fn publish_all(server: &Server) {
    let mut client = ProtocolClient::connect_subscribed(server, &TOPICS);
    let mut raw = RawSubscriber::connect(server, &TOPICS);
    let publisher = Publisher::with_push(server);
    let padding = "x".repeat(PADDING_BYTES);
    for number in 0..PUBLICATIONS + WINDOW {
        if number < PUBLICATIONS {
            let topic = TOPICS[number as usize % TOPICS.len()];
            let payload = format!(r#"{{"topic":"{topic}","n":{number},"x":"{padding}"}}"#);
            publisher.send(topic, payload);
        }
        if let Some(expected) = number.checked_sub(WINDOW) {
            assert_eq!(client.next_publication().1["n"], expected);
            let data: Value = serde_json::from_str(&raw.next_text()).unwrap();
            assert_eq!(data["n"], expected);
        }
    }
}

/// The publications that a slow client received when it began to read, and the end of its
/// connection.
struct SlowClient {
    /// Topic and number of each publication.
    publications: Vec<(String, u64)>,
    /// The close code; `None` if no close frame arrived.
    close_code: Option<u16>,
}

/// Reads until the last publication, the close frame or a reset. Every message must be complete.
fn read_all(raw: &mut RawSubscriber) -> SlowClient {
    let mut publications = Vec::new();
    let mut close_code = None;
    loop {
        match raw.0.try_read_within(TIMEOUT) {
            Ok(Some(Message::Text(text))) => {
                let data: Value = serde_json::from_str(&text).expect("a complete payload");
                let number = data["n"].as_u64().unwrap();
                assert_eq!(data["x"].as_str().map(str::len), Some(PADDING_BYTES));
                publications.push((data["topic"].as_str().unwrap().to_owned(), number));
                if number == PUBLICATIONS - 1 {
                    break;
                }
            }
            Ok(Some(Message::Ping(_))) => {}
            Ok(Some(Message::Close(frame))) => {
                close_code = frame.map(|frame| u16::from(frame.code));
                break;
            }
            // After the close timeout the server resets the connection of a slow client.
            Err(tungstenite::Error::Io(_) | tungstenite::Error::Protocol(_)) => break,
            other => panic!("not a publication: {other:?}"),
        }
    }
    SlowClient {
        publications,
        close_code,
    }
}

/// Publishes to slow clients under a policy. Returns the publications that they received.
fn run_with_policy(policy: &str) -> (Server, Vec<SlowClient>) {
    let policy = format!("ws.slow={policy}");
    let server = Server::start(&[&SMALL_OUTBOX[..], &[&policy]].concat());
    let mut slow: Vec<_> = (0..SLOW_CLIENTS)
        .map(|_| connect_slow_raw(&server))
        .collect();
    let before = server.resident_bytes();
    publish_all(&server);
    let grown = server.resident_bytes().saturating_sub(before);
    // Outboxes, lanes and the buffers of libzmq. The publications have 24 MiB.
    assert!(grown < 48 * 1024 * 1024, "grew by {grown} bytes");
    let slow_clients = slow.iter_mut().map(read_all).collect();
    drop(slow);
    server.await_metric("fanfare_pending", &[], 0);
    server.await_metric("fanfare_connections", &[], 0);
    server.assert_accounted();
    (server, slow_clients)
}

fn assert_ascending(publications: &[(String, u64)]) {
    let numbers: Vec<_> = publications.iter().map(|(_, number)| *number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn disconnect_closes_after_the_first_publications_without_a_gap() {
    let (server, slow_clients) = run_with_policy("disconnect");
    for client in &slow_clients {
        let close_code = client.close_code;
        for (index, (_, number)) in client.publications.iter().enumerate() {
            assert_eq!(*number, index as u64);
        }
        assert!(client.publications.len() < PUBLICATIONS as usize);
        assert!(matches!(close_code, None | Some(3008)), "{close_code:?}");
    }
    let slow = server.metric("fanfare_closed_total", &["slow"]);
    assert_eq!(slow, SLOW_CLIENTS as u64);
    assert!(server.metric("fanfare_dropped_total", &["slow"]) > 0);
}

#[test]
fn drop_oldest_keeps_the_last_publications() {
    let (server, slow_clients) = run_with_policy("drop_oldest");
    for client in &slow_clients {
        assert_eq!(client.close_code, None);
        assert_ascending(&client.publications);
        assert!(client.publications.len() < PUBLICATIONS as usize);
        let last = client.publications.last().map(|(_, number)| *number);
        assert_eq!(last, Some(PUBLICATIONS - 1));
    }
    assert_eq!(server.metric("fanfare_closed_total", &["slow"]), 0);
    assert!(server.metric("fanfare_dropped_total", &["oldest"]) > 0);
}

#[test]
fn conflate_keeps_the_last_publication_of_each_topic() {
    let (server, slow_clients) = run_with_policy("conflate");
    for client in &slow_clients {
        assert_eq!(client.close_code, None);
        for (position, topic) in TOPICS.iter().enumerate() {
            let mut of_topic = client.publications.clone();
            of_topic.retain(|(name, _)| name == topic);
            assert_ascending(&of_topic);
            let last = of_topic.last().map(|(_, number)| *number);
            let expected = PUBLICATIONS - (TOPICS.len() - position) as u64;
            assert_eq!(last, Some(expected), "{topic}");
        }
    }
    assert_eq!(server.metric("fanfare_closed_total", &["slow"]), 0);
    assert!(server.metric("fanfare_dropped_total", &["conflated"]) > 0);
}

#[test]
fn a_client_that_sends_pings_and_never_reads_is_closed_as_slow() {
    let server = Server::start(&[
        "ws.max_command_rate=1000000",
        SMALL_OUTBOX[0],
        SMALL_OUTBOX[1],
    ]);
    let mut client = ProtocolClient::connect(&server);
    let stream = client.connection.stream().try_clone().unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    // Pings with the longest payload and a mask of zeros. The server answers each with a pong.
    let ping = [&[0x89, 0x80 | 0x7d, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(1_000);
    let mut bytes = 0;
    while bytes < 64 * 1024 * 1024 && (&stream).write_all(&pings).is_ok() {
        bytes += pings.len();
    }
    server.await_metric("fanfare_closed_total", &["slow"], 1);
    server.await_metric("fanfare_connections", &[], 0);
    assert!(
        client.connection.try_read_within(TIMEOUT).is_ok(),
        "the pongs before the close are complete"
    );
}
