//! Signals: a paced drain, a second signal that ends the process at once, and a reload.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tungstenite::Message;

use super::client::{Client, Raw};
use super::publisher::Publisher;
use super::server::Server;
use super::wait::TIMEOUT;

const UPGRADE: &[u8] = b"GET /raw?topic=a HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_drain_closes_all_connections_evenly_over_its_period() {
    let mut server = Server::start(&["drain.period=2s"]);
    let connect = || {
        let clients = (0..40).map(|_| Client::subscribed(&server, &["a"]));
        clients.collect::<Vec<_>>()
    };
    // Unused slots must not make the pace uneven.
    let early = connect();
    let clients = connect();
    drop(early);
    server.await_metric("fanfare_connections", &[], 40);
    server.signal("TERM");
    server.await_output("draining");
    let began = Instant::now();
    let closings = clients.into_iter().map(|mut client| {
        thread::spawn(move || {
            assert_eq!(client.socket.closed(), Some(3001));
            began.elapsed()
        })
    });
    let closings: Vec<_> = closings.collect();
    let closings = closings.into_iter().map(|each| each.join().unwrap());
    let closings: Vec<_> = closings.collect();
    let first_half = closings
        .iter()
        .filter(|after| **after < Duration::from_secs(1));
    assert!((10..=30).contains(&first_half.count()), "{closings:?}");
    let last = closings.iter().max().expect("there were clients");
    assert!(*last > Duration::from_millis(1_500), "{closings:?}");
    assert_eq!(server.await_exit().code(), Some(0));
}

/// Reads consecutive numbers until the connection is closed. Returns how many there were.
fn read_unbroken(mut raw: Raw) -> u64 {
    let mut expected = None;
    let mut read = 0;
    loop {
        match raw.next() {
            Message::Text(text) => {
                let number = text.parse::<u64>().unwrap();
                assert_eq!(number, expected.unwrap_or(number));
                expected = Some(number + 1);
                read += 1;
            }
            Message::Close(frame) => {
                let code = frame.map(|frame| u16::from(frame.code));
                assert_eq!(code, Some(3001));
                return read;
            }
            other => panic!("not a number: {other:?}"),
        }
    }
}

#[test]
fn a_drain_under_load_breaks_no_sequence() {
    let mut server = Server::start(&["drain.period=1s"]);
    let raws: Vec<_> = (0..20).map(|_| Raw::connect(&server, &["a"])).collect();
    let readers = raws
        .into_iter()
        .map(|raw| thread::spawn(|| read_unbroken(raw)));
    let readers: Vec<_> = readers.collect();
    let publisher = Publisher::push(&server);
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
        assert!(reader.join().expect("no number is missing") > 0);
    }
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_drain_refuses_upgrades_and_has_a_time_limit() {
    let mut server = Server::start(&["drain.period=3s"]);
    // This client neither reads nor answers.
    let silent = Raw::connect(&server, &["a"]);
    let connect = |_| TcpStream::connect(server.ws_address()).unwrap();
    let waiting: Vec<_> = (0..20).map(connect).collect();
    server.await_metric("fanfare_connections", &[], 21);
    server.signal("TERM");
    server.await_output("draining");
    let answers = waiting.into_iter().map(|mut stream| {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut answer = String::new();
        // The drain may have closed the connection before.
        let _ = stream.write_all(UPGRADE);
        let _ = stream.read_to_string(&mut answer);
        answer
    });
    let answers: Vec<_> = answers.collect();
    let refused = |answer: &&String| answer.starts_with("HTTP/1.1 503 ");
    assert!(
        answers.iter().all(|it| it.is_empty() || refused(&it)),
        "{answers:?}"
    );
    assert!(answers.iter().filter(refused).count() > 0, "{answers:?}");
    assert_eq!(server.await_exit().code(), Some(0));
    drop(silent);
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut server = Server::start(&["drain.period=1h"]);
    let raw = Raw::connect(&server, &["a"]);
    server.signal("TERM");
    server.await_output("draining");
    server.assert_running();
    server.signal("INT");
    assert_eq!(server.await_exit().code(), Some(1));
    drop(raw);
}

#[test]
fn an_idle_server_ends_at_once() {
    let mut server = Server::start(&["drain.period=1h"]);
    server.signal("INT");
    assert_eq!(server.await_exit().code(), Some(0));
}

#[test]
fn a_reload_applies_changes_and_lists_those_that_need_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fanfare.toml");
    fs::write(&file, "ws.max_topics = 1\n").unwrap();
    let server = Server::start_with(&["-c", file.to_str().unwrap()], &[]);
    let mut client = Client::subscribed(&server, &["a"]);
    let refused = client.command("subscribe", &json!({ "channel": "b" }));
    assert_eq!(refused["error"]["code"], 106);

    fs::write(&file, "ws.max_topics = 2\ningest.high_water_mark = 7\n").unwrap();
    server.signal("HUP");
    server.await_output("ws.max_topics");
    server.await_output("ingest.high_water_mark");
    client.subscribe("b");

    fs::write(&file, "ws.max_topics = \"many\"\n").unwrap();
    server.signal("HUP");
    server.await_output("nothing has changed");
    Publisher::request(&server).send_and_wait("b", "1");
    assert_eq!(client.next(), ("b".into(), json!(1)));
}
