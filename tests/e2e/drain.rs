//! Signals: a drain over a period, a second signal that ends the process at once, and a reload.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use fanfare::limits::CLOSE_TIMEOUT;
use serde_json::json;
use tungstenite::Message;

use crate::client::{ProtocolClient, RawSubscriber};
use crate::configured::ConfiguredServer;
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::TIMEOUT;

const UPGRADE: &[u8] = b"GET /raw?topic=a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_drain_closes_all_connections_evenly_over_its_period() {
    let mut server = Server::start(&["drain.period=2s"]);
    let connect_40 = || -> Vec<_> {
        (0..40)
            .map(|_| ProtocolClient::connect_subscribed(&server, &["a"]))
            .collect()
    };
    // Free slots must not make the pace uneven.
    let disconnected = connect_40();
    let clients = connect_40();
    drop(disconnected);
    server.await_metric("fanfare_connections", &[], 40);
    server.signal("TERM");
    server.await_output("draining");
    let started = Instant::now();
    let mut readers = Vec::new();
    for mut client in clients {
        readers.push(thread::spawn(move || {
            assert_eq!(client.connection.read_close_code(), Some(3001));
            started.elapsed()
        }));
    }
    let mut closed_after = Vec::new();
    for reader in readers {
        closed_after.push(reader.join().unwrap());
    }
    closed_after.sort_unstable();
    let in_first_half = closed_after.partition_point(|after| *after < Duration::from_secs(1));
    assert!((10..=30).contains(&in_first_half), "{closed_after:?}");
    let last = closed_after.last().expect("there were clients");
    assert!(*last > Duration::from_millis(1_500), "{closed_after:?}");
    assert_eq!(server.await_exit().code(), Some(0));
}

/// Reads consecutive numbers until the close frame. Returns the count of numbers.
fn read_consecutive_numbers(mut raw: RawSubscriber) -> u64 {
    let mut expected = None;
    let mut count = 0;
    loop {
        match raw.next_message() {
            Message::Text(text) => {
                let number = text.parse::<u64>().unwrap();
                assert_eq!(number, expected.unwrap_or(number));
                expected = Some(number + 1);
                count += 1;
            }
            Message::Close(frame) => {
                let code = frame.map(|frame| u16::from(frame.code));
                assert_eq!(code, Some(3001));
                return count;
            }
            other => panic!("not a text or close message: {other:?}"),
        }
    }
}

#[test]
fn a_drain_under_load_loses_no_publication_before_the_close() {
    let mut server = Server::start(&["drain.period=1s"]);
    let raws: Vec<_> = (0..20)
        .map(|_| RawSubscriber::connect(&server, &["a"]))
        .collect();
    let readers = raws
        .into_iter()
        .map(|raw| thread::spawn(|| read_consecutive_numbers(raw)));
    let readers: Vec<_> = readers.collect();
    let publisher = Publisher::with_push(&server);
    let mut number = 0;
    while readers.iter().any(|reader| !reader.is_finished()) {
        publisher.send("a", number.to_string());
        number += 1;
        if number == 100 {
            server.signal("TERM");
        }
        thread::sleep(Duration::from_millis(1));
    }
    for reader in readers {
        assert!(reader.join().expect("no number was missing") > 0);
    }
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_client_that_answers_the_close_frame_does_not_delay_the_end() {
    let mut server = Server::start(&["drain.period=100ms"]);
    let mut stream = TcpStream::connect(server.ws_address()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.write_all(UPGRADE).unwrap();
    let mut received = Vec::new();
    let mut byte = [0];
    while !received.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
    }
    server.signal("TERM");
    let mut header = [0; 2];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[0], 0x88, "a close frame");
    let mut payload = vec![0; usize::from(header[1])];
    stream.read_exact(&mut payload).unwrap();
    assert_eq!(payload[..2], 3001_u16.to_be_bytes());
    // The server's stream ends after the answer and not before.
    let wait = Duration::from_millis(300);
    stream.set_read_timeout(Some(wait)).unwrap();
    let before = stream.read(&mut byte).map_err(|error| error.kind());
    assert_eq!(before, Err(ErrorKind::WouldBlock));
    let answered = Instant::now();
    let masked_3001 = [0x88, 0x82, 0, 0, 0, 0, 0x0b, 0xb9];
    stream.write_all(&masked_3001).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    assert_eq!(stream.read(&mut byte).unwrap(), 0, "the end of the stream");
    assert_eq!(server.await_exit().code(), Some(0));
    assert!(
        answered.elapsed() < CLOSE_TIMEOUT,
        "the process ends at once"
    );
}

#[test]
fn a_drain_refuses_upgrades_and_does_not_wait_for_silent_clients() {
    let mut server = Server::start(&["drain.period=3s"]);
    // A client that does not read and does not answer.
    let silent = RawSubscriber::connect(&server, &["a"]);
    let mut without_request = Vec::new();
    for _ in 0..20 {
        without_request.push(TcpStream::connect(server.ws_address()).unwrap());
    }
    server.await_metric("fanfare_connections", &[], 21);
    server.signal("TERM");
    server.await_output("draining");
    let mut refused = 0;
    for mut stream in without_request {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut response = String::new();
        // The drain may have closed this connection already.
        let _ = stream.write_all(UPGRADE);
        let _ = stream.read_to_string(&mut response);
        let is_refused = response.starts_with("HTTP/1.1 503 ");
        assert!(response.is_empty() || is_refused, "{response:?}");
        refused += usize::from(is_refused);
    }
    assert!(refused > 0, "no connection got a 503");
    assert_eq!(server.await_exit().code(), Some(0));
    drop(silent);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut server = Server::start(&["drain.period=1h"]);
    let raw = RawSubscriber::connect(&server, &["a"]);
    server.signal("TERM");
    server.await_output("draining");
    server.assert_running();
    server.signal("INT");
    assert_eq!(server.await_exit().code(), Some(1));
    drop(raw);
}

#[test]
fn a_server_without_connections_ends_at_once() {
    let mut server = Server::start(&["drain.period=1h"]);
    server.signal("INT");
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_reload_applies_what_can_change_and_reports_the_rest() {
    let configured = ConfiguredServer::start("ws.max_topics = 1\n");
    let server = &configured.server;
    let mut client = ProtocolClient::connect_subscribed(server, &["a"]);
    let refused = client.command("subscribe", &json!({ "channel": "b" }));
    assert_eq!(refused["error"]["code"], 106);

    configured.reload("ws.max_topics = 2\ningest.high_water_mark = 7\n");
    server.await_output("ws.max_topics");
    server.await_output("ingest.high_water_mark");
    client.subscribe("b");

    configured.reload("ws.max_topics = \"many\"\n");
    server.await_output("nothing has changed");
    Publisher::with_req(server).send_and_wait("b", "1");
    assert_eq!(client.next_publication(), ("b".into(), json!(1)));
}
