//! Publications that arrive together share frames, and every client receives all of them in order.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use super::peer::Peer;
use super::publisher::Publisher;
use super::server::{BINARY, Server};
use super::wait::until;
use super::wire::{FULL, NARROW};

const TOPICS: [&str; 3] = ["orders", "trades", "latest:quotes"];
const CONFLATE: &str = "namespace.latest.slow=conflate";
const EACH: u64 = 400;

/// Publishes while the server is stopped, so that all publications arrive together.
fn burst(server: &Server, publisher: &Publisher, send: impl Fn(&Publisher)) {
    server.signal("STOP");
    send(publisher);
    server.signal("CONT");
}

fn payload(topic: &str, number: u64) -> String {
    format!(
        r#"{{"topic":"{topic}","n":{number},"padding":"{}"}}"#,
        "x".repeat(80)
    )
}

/// Connects a subscriber of every codec and encoding.
fn subscribers(server: &Server) -> Vec<Peer> {
    let mut peers = Vec::new();
    for headers in ["", FULL, NARROW] {
        peers.push(Peer::subscribed(server, headers, &TOPICS));
        peers.push(Peer::raw(server, headers, &TOPICS));
    }
    peers
}

/// Reads all publications and checks their order. Returns the largest number of publications in one
/// message.
#[track_caller]
fn read_all(peer: &mut Peer) -> usize {
    let (mut expected, mut most) = ([0; TOPICS.len()], 0);
    while expected != [EACH; TOPICS.len()] {
        let publications = peer.next_publications();
        most = most.max(publications.len());
        for publication in &publications {
            let topic = publication["topic"]
                .as_str()
                .expect("the publication contains its topic");
            let position = TOPICS.iter().position(|each| *each == topic).unwrap();
            assert_eq!(publication["n"], expected[position], "{topic}");
            assert!(publications.len() == 1 || !topic.starts_with("latest:"));
            expected[position] += 1;
        }
    }
    most
}

fn run(batch: &str) -> (Server, Vec<(Peer, usize)>) {
    let server = Server::start(&[CONFLATE, batch]);
    let mut peers = subscribers(&server);
    let publisher = Publisher::push(&server);
    // The connection is established before the server is stopped.
    publisher.send("orders", payload("orders", 0));
    for peer in &mut peers {
        assert_eq!(peer.next_publications().len(), 1);
    }
    burst(&server, &publisher, |publisher| {
        for number in 0..EACH {
            for topic in TOPICS {
                publisher.send(topic, payload(topic, number));
            }
        }
    });
    let seen = peers.into_iter().map(|mut peer| {
        let most = read_all(&mut peer);
        (peer, most)
    });
    let seen = seen.collect();
    let all = 6 * (1 + EACH * TOPICS.len() as u64);
    server.await_metric("fanfare_written_total", &[], all);
    server.assert_accounted();
    assert_eq!(server.metric("fanfare_delivery_seconds_count", &[]), all);
    // Publications that share a frame are counted separately in all stages.
    let taken = server.metric("fanfare_taken_total", &[]);
    assert!(taken > EACH * TOPICS.len() as u64);
    assert_eq!(server.metric("fanfare_lane_reached_total", &[]), taken);
    for name in ["fanfare_wanted_total", "fanfare_routed_total"] {
        // Ingest publishes its own counters, which may be a moment later.
        server.await_metric(name, &[], taken);
    }
    // A lag is recorded for each batch, and a length for each turn with work.
    let batches = server.metric("fanfare_lane_batches_total", &[]);
    assert!(server.metric("fanfare_lag_seconds_count", &[]) >= batches);
    assert!(server.metric("fanfare_turn_seconds_count", &[]) > 0);
    (server, seen)
}

#[test]
fn a_burst_arrives_completely_and_in_order_in_shared_frames() {
    let (server, seen) = run("ws.batch=8KiB");
    for (position, (peer, most)) in seen.iter().enumerate() {
        let is_raw = position % 2 == 1;
        assert_eq!(*most > 1, !is_raw, "{most} in one message");
        // A single message is below the threshold. Shared frames are far above it.
        assert_eq!(peer.deflated > 0, peer.window_bits.is_some() && !is_raw);
    }
    let spared = server.metric("fanfare_deflate_spared_bytes_total", &[]);
    assert!(spared > 2 * EACH * 100, "{spared}");
}

#[test]
fn without_a_batch_size_every_publication_has_its_own_frame() {
    let (_server, seen) = run("ws.batch=0");
    for (peer, most) in seen {
        assert_eq!(most, 1);
        assert_eq!(peer.messages, 1 + EACH * TOPICS.len() as u64);
    }
}

/// Starts `fanfare subscribe` and waits for its subscriptions.
fn subscribe(server: &Server, arguments: &[&str]) -> Child {
    let url = format!("ws://{}/connection/websocket", server.ws_address());
    let mut child = Command::new(BINARY)
        .args(["subscribe", "--url", &url])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut errors = BufReader::new(child.stderr.as_mut().expect("the output is a pipe"));
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("fanfare: subscribed to"), "{line}");
    child
}

#[test]
fn the_command_line_client_prints_every_publication_of_a_burst() {
    let server = Server::start(&[]);
    let publisher = Publisher::push(&server);
    let mut probe = Peer::subscribed(&server, "", &["probe"]);
    publisher.send("probe", "0");
    probe.next_publications();
    let mut all = subscribe(&server, &["a", "b", "--topics", "--count", "600"]);
    let mut some = subscribe(&server, &["a", "--count", "7"]);
    burst(&server, &publisher, |publisher| {
        for number in 0..300 {
            publisher.send("a", number.to_string());
            publisher.send("b", number.to_string());
        }
    });
    for (child, topics, count) in [(&mut all, &["a\t", "b\t"][..], 300), (&mut some, &[""], 7)] {
        let status = until("the end of the program", || {
            child.try_wait().expect("the process is a child")
        });
        assert!(status.success());
        let mut out = String::new();
        child
            .stdout
            .take()
            .expect("the output is a pipe")
            .read_to_string(&mut out)
            .unwrap();
        assert_eq!(out.lines().count(), topics.len() * count);
        for topic in topics {
            let numbers = out.lines().filter_map(|line| line.strip_prefix(topic));
            let expected = (0..count).map(|number| number.to_string());
            assert!(numbers.eq(expected), "{topic}: {out}");
        }
    }
    let broadcasts = server.metric("fanfare_broadcasts_total", &[]);
    assert!(
        broadcasts < 600,
        "{broadcasts} broadcasts, fewer than publications"
    );
}

#[test]
fn a_burst_larger_than_the_outbox_does_not_close_clients_that_read() {
    for batch in ["ws.batch=0", "ws.batch=1KiB", "ws.batch=14KiB"] {
        let server = Server::start(&["ws.outbox=4KiB", "ingest.max_payload=4KiB", batch]);
        let mut peers = Vec::new();
        for headers in ["", FULL] {
            peers.push(Peer::subscribed(&server, headers, &["a"]));
            peers.push(Peer::raw(&server, headers, &["a"]));
        }
        let publisher = Publisher::push(&server);
        publisher.send("a", r#"{"n":0}"#);
        for peer in &mut peers {
            assert_eq!(peer.next_publications().len(), 1);
        }
        burst(&server, &publisher, |publisher| {
            for number in 1..500 {
                publisher.send("a", payload("a", number));
            }
        });
        for peer in &mut peers {
            let mut expected = 1;
            while expected < 500 {
                for publication in peer.next_publications() {
                    assert_eq!(publication["n"], expected, "{batch}");
                    expected += 1;
                }
            }
        }
        assert_eq!(server.metric("fanfare_closed_total", &["slow"]), 0);
    }
}
