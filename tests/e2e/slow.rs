//! Clients that do not read: the effect of each policy on them, and no effect on others.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use socket2::{Domain, Socket as Socket2, Type};
use tungstenite::Message;

use super::client::{Client, Raw, Socket};
use super::publisher::Publisher;
use super::server::Server;
use super::wait::TIMEOUT;

const TOPICS: [&str; 3] = ["a", "b", "c"];
/// Far more data than the kernel buffers for a connection on both sides.
const PUBLICATIONS: u64 = 3_000;
const PADDING_BYTES: usize = 8 * 1024;
/// Publications that the readers may lag behind, so that only the client that does not read is
/// slow.
const WINDOW: u64 = 4;
const SLOW_CLIENTS: usize = 10;
const SMALL: [&str; 2] = ["ws.outbox=64KiB", "ingest.max_payload=32KiB"];

/// Connects a subscriber with the smallest possible receive buffer.
fn slow_raw(server: &Server) -> Raw {
    let socket = Socket2::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.ws_address().into()).unwrap();
    let target = "/raw?topic=a&topic=b&topic=c";
    Raw(Socket::over(TcpStream::from(socket), target).unwrap())
}

/// Publishes everything at the pace of two readers, and checks that they receive it in order.
fn publish_past(server: &Server) {
    let mut client = Client::subscribed(server, &TOPICS);
    let mut raw = Raw::connect(server, &TOPICS);
    let publisher = Publisher::push(server);
    let padding = "x".repeat(PADDING_BYTES);
    for number in 0..PUBLICATIONS + WINDOW {
        if number < PUBLICATIONS {
            let topic = TOPICS[number as usize % TOPICS.len()];
            let payload = format!(r#"{{"topic":"{topic}","n":{number},"x":"{padding}"}}"#);
            publisher.send(topic, payload);
        }
        if let Some(expected) = number.checked_sub(WINDOW) {
            assert_eq!(client.next().1["n"], expected);
            let data: Value = serde_json::from_str(&raw.next_text()).unwrap();
            assert_eq!(data["n"], expected);
        }
    }
}

/// The data that a slow client reads later: topics and numbers, and the end of the connection.
struct Seen {
    numbers: Vec<(String, u64)>,
    /// The close code, or `None` if the stream ended without a close frame.
    closed: Option<u16>,
}

/// Reads until the last publication, a close frame or a reset. Checks that each message is
/// complete.
fn read_all(raw: &mut Raw) -> Seen {
    let (mut numbers, mut closed) = (Vec::new(), None);
    loop {
        match raw.0.try_read_within(TIMEOUT) {
            Ok(Some(Message::Text(text))) => {
                let data: Value = serde_json::from_str(&text).expect("the payload is complete");
                let number = data["n"].as_u64().unwrap();
                assert_eq!(data["x"].as_str().map(str::len), Some(PADDING_BYTES));
                numbers.push((data["topic"].as_str().unwrap().to_owned(), number));
                if number == PUBLICATIONS - 1 {
                    break;
                }
            }
            Ok(Some(Message::Ping(_))) => {}
            Ok(Some(Message::Close(frame))) => {
                closed = frame.map(|frame| u16::from(frame.code));
                break;
            }
            // The server waits for a slow client for a limited time.
            Err(tungstenite::Error::Io(_) | tungstenite::Error::Protocol(_)) => break,
            other => panic!("not a publication: {other:?}"),
        }
    }
    Seen { numbers, closed }
}

struct Outcome {
    server: Server,
    seen: Vec<Seen>,
}

fn run(policy: &str) -> Outcome {
    let policy = format!("ws.slow={policy}");
    let server = Server::start(&[&SMALL[..], &[&policy]].concat());
    let mut slow: Vec<_> = (0..SLOW_CLIENTS).map(|_| slow_raw(&server)).collect();
    let before = server.resident_bytes();
    publish_past(&server);
    let grown = server.resident_bytes().saturating_sub(before);
    // Memory of outboxes, lanes and libzmq. The publications have half of this size.
    assert!(grown < 48 * 1024 * 1024, "grew by {grown} bytes");
    let seen = slow.iter_mut().map(read_all).collect();
    drop(slow);
    server.await_metric("fanfare_pending", &[], 0);
    server.await_metric("fanfare_connections", &[], 0);
    server.assert_accounted();
    Outcome { server, seen }
}

fn assert_ascending<'a>(numbers: impl Iterator<Item = &'a (String, u64)>) {
    let numbers: Vec<_> = numbers.map(|(_, number)| number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn disconnect_closes_the_client_without_gaps_before_the_close() {
    let Outcome { server, seen } = run("disconnect");
    for Seen { numbers, closed } in &seen {
        let unbroken = (0..numbers.len() as u64).eq(numbers.iter().map(|(_, number)| *number));
        assert!(unbroken && numbers.len() < PUBLICATIONS as usize);
        assert!(matches!(closed, None | Some(3008)), "{closed:?}");
    }
    let slow = server.metric("fanfare_closed_total", &["slow"]);
    assert_eq!(slow, SLOW_CLIENTS as u64);
    assert!(server.metric("fanfare_dropped_total", &["slow"]) > 0);
}

#[test]
fn drop_oldest_keeps_the_last_publications() {
    let Outcome { server, seen } = run("drop_oldest");
    for Seen { numbers, closed } in &seen {
        assert_eq!(*closed, None);
        assert_ascending(numbers.iter());
        assert!(numbers.len() < PUBLICATIONS as usize);
        assert_eq!(numbers.last().map(|last| last.1), Some(PUBLICATIONS - 1));
    }
    assert_eq!(server.metric("fanfare_closed_total", &["slow"]), 0);
    assert!(server.metric("fanfare_dropped_total", &["oldest"]) > 0);
}

#[test]
fn conflate_keeps_the_last_publication_of_each_topic() {
    let Outcome { server, seen } = run("conflate");
    for Seen { numbers, closed } in &seen {
        assert_eq!(*closed, None);
        for (position, topic) in TOPICS.iter().enumerate() {
            let of_topic = || numbers.iter().filter(|each| each.0 == **topic);
            assert_ascending(of_topic());
            let last = of_topic().next_back().map(|last| last.1);
            let expected = PUBLICATIONS - (TOPICS.len() - position) as u64;
            assert_eq!(last, Some(expected), "{topic}");
        }
    }
    assert_eq!(server.metric("fanfare_closed_total", &["slow"]), 0);
    assert!(server.metric("fanfare_dropped_total", &["conflated"]) > 0);
}

#[test]
fn a_client_that_sends_pings_without_reading_is_slow() {
    let server = Server::start(&["ws.max_command_rate=1000000", SMALL[0], SMALL[1]]);
    let mut client = Client::connect(&server);
    let stream = client.socket.stream().try_clone().unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    // Pings with the longest payload, with the mask 0. Each is answered with a pong.
    let ping = [&[0x89, 0x80 | 0x7d, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
    let pings = ping.repeat(1_000);
    let mut bytes = 0;
    while bytes < 64 * 1024 * 1024 && std::io::Write::write_all(&mut &stream, &pings).is_ok() {
        bytes += pings.len();
    }
    server.await_metric("fanfare_closed_total", &["slow"], 1);
    server.await_metric("fanfare_connections", &[], 0);
    assert!(
        client.socket.try_read_within(TIMEOUT).is_ok(),
        "the pongs before the close are complete"
    );
}
