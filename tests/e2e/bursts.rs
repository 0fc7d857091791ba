//! Bursts of publications: publications that arrive together share frames, and every client
//! receives all of them in order.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use crate::frame_client::FrameClient;
use crate::publisher::Publisher;
use crate::server::{BINARY, Server};
use crate::wait::wait_for;
use crate::wire::{OFFER_FULL, OFFER_NARROW};

const TOPICS: [&str; 3] = ["orders", "trades", "latest:quotes"];
const CONFLATE: &str = "namespace.latest.slow=conflate";
/// Number of publications to each topic. All of them fit into the receive buffer of a client, which
/// has 64 KiB at first: the clients are read one after the other, and a client with a full buffer
/// would miss publications of the topic that conflates.
const PER_TOPIC: u64 = 100;

/// Publishes while the server is stopped, so that all publications arrive together.
fn publish_burst(server: &Server, publisher: &Publisher, send: impl Fn(&Publisher)) {
    server.signal("STOP");
    send(publisher);
    server.signal("CONT");
}

/// Returns a JSON payload of about 120 bytes with this topic and number.
fn payload(topic: &str, number: u64) -> String {
    format!(
        r#"{{"topic":"{topic}","n":{number},"padding":"{}"}}"#,
        "x".repeat(80)
    )
}

/// Connects a subscriber of every encoding; those at odd positions are raw.
fn connect_all(server: &Server) -> Vec<FrameClient> {
    let mut clients = Vec::new();
    for headers in ["", OFFER_FULL, OFFER_NARROW] {
        clients.push(FrameClient::connect_subscribed(server, headers, &TOPICS));
        clients.push(FrameClient::connect_raw(server, headers, &TOPICS));
    }
    clients
}

/// Reads all publications and asserts that each topic is in order. Returns the largest number of
/// publications in one message.
#[track_caller]
fn read_all(client: &mut FrameClient) -> usize {
    let mut expected = [0; TOPICS.len()];
    let mut largest_message = 0;
    while expected != [PER_TOPIC; TOPICS.len()] {
        let publications = client.next_publications();
        largest_message = largest_message.max(publications.len());
        for publication in &publications {
            let topic = publication["topic"].as_str().expect("a topic");
            let position = TOPICS.iter().position(|each| *each == topic).unwrap();
            assert_eq!(publication["n"], expected[position], "{topic}");
            let is_conflated = topic.starts_with("latest:");
            assert!(publications.len() == 1 || !is_conflated);
            expected[position] += 1;
        }
    }
    largest_message
}

/// Sends a burst to clients of every encoding. Returns the clients, each with the largest number of
/// publications in one message.
fn run_burst(batch_setting: &str) -> (Server, Vec<(FrameClient, usize)>) {
    let server = Server::start(&[CONFLATE, batch_setting]);
    let mut clients = connect_all(&server);
    let publisher = Publisher::with_push(&server);
    // Wait until the publisher is connected, because the server is stopped during the burst.
    publisher.send("orders", payload("orders", 0));
    for client in &mut clients {
        assert_eq!(client.next_publications().len(), 1);
    }
    publish_burst(&server, &publisher, |publisher| {
        for number in 0..PER_TOPIC {
            for topic in TOPICS {
                publisher.send(topic, payload(topic, number));
            }
        }
    });
    let mut received = Vec::new();
    for mut client in clients {
        let largest_message = read_all(&mut client);
        received.push((client, largest_message));
    }
    assert_metrics_of_burst(&server);
    (server, received)
}

/// Asserts that joined publications are counted one by one in every pipeline stage.
fn assert_metrics_of_burst(server: &Server) {
    let published = 1 + PER_TOPIC * TOPICS.len() as u64;
    let deliveries = 6 * published;
    server.await_metric("fanfare_written_total", &[], deliveries);
    server.assert_accounted();
    let latencies = server.metric("fanfare_delivery_seconds_count", &[]);
    assert_eq!(latencies, deliveries);
    let taken = server.metric("fanfare_taken_total", &[]);
    assert!(taken > PER_TOPIC * TOPICS.len() as u64);
    assert_eq!(server.metric("fanfare_lane_reached_total", &[]), taken);
    for name in ["fanfare_wanted_total", "fanfare_routed_total"] {
        // The ingest thread publishes its counters itself, which may be later.
        server.await_metric(name, &[], taken);
    }
    // Each batch records its lag, and each turn with work records its duration.
    let batches = server.metric("fanfare_lane_batches_total", &[]);
    assert!(server.metric("fanfare_lag_seconds_count", &[]) >= batches);
    assert!(server.metric("fanfare_turn_seconds_count", &[]) > 0);
}

#[test]
fn a_burst_arrives_complete_and_in_order_in_shared_frames() {
    let (server, received) = run_burst("ws.batch=8KiB");
    for (position, (client, largest_message)) in received.iter().enumerate() {
        let is_raw = position % 2 == 1;
        assert_eq!(*largest_message > 1, !is_raw, "{largest_message}");
        // A single publication is smaller than the threshold; joined publications are larger.
        let negotiated_deflate = client.window_bits.is_some();
        assert_eq!(client.deflated > 0, negotiated_deflate && !is_raw);
    }
    let spared = server.metric("fanfare_deflate_spared_bytes_total", &[]);
    assert!(spared > 2 * PER_TOPIC * 100, "{spared}");
}

#[test]
fn without_a_batch_size_every_publication_has_its_own_frame() {
    let (_server, received) = run_burst("ws.batch=0");
    for (client, largest_message) in received {
        assert_eq!(largest_message, 1);
        assert_eq!(client.messages, 1 + PER_TOPIC * TOPICS.len() as u64);
    }
}

/// Starts `fanfare subscribe` and waits until it is subscribed.
fn spawn_subscriber(server: &Server, arguments: &[&str]) -> Child {
    let url = format!("ws://{}/connection/websocket", server.ws_address());
    let mut child = Command::new(BINARY)
        .args(["subscribe", "--url", &url])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stderr = BufReader::new(child.stderr.as_mut().expect("stderr is piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("fanfare: subscribed to"), "{line}");
    child
}

/// Waits until a subscriber ends, and asserts that each of its lines with one of these prefixes has
/// the next number below `count`.
fn assert_printed(mut child: Child, prefixes: &[&str], count: usize) {
    let status = wait_for("the end of the subscriber", || {
        child.try_wait().expect("the process is our child")
    });
    assert!(status.success());
    let mut stdout = child.stdout.take().expect("stdout is piped");
    let mut output = String::new();
    stdout.read_to_string(&mut output).unwrap();
    assert_eq!(output.lines().count(), prefixes.len() * count);
    for prefix in prefixes {
        let mut expected = 0;
        for line in output.lines() {
            if let Some(number) = line.strip_prefix(prefix) {
                assert_eq!(number, expected.to_string(), "{prefix}: {output}");
                expected += 1;
            }
        }
        assert_eq!(expected, count, "{prefix}: {output}");
    }
}

#[test]
fn the_command_line_client_prints_every_publication_of_a_burst() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_push(&server);
    let mut probe = FrameClient::connect_subscribed(&server, "", &["probe"]);
    publisher.send("probe", "0");
    probe.next_publications();
    let both_topics = spawn_subscriber(&server, &["a", "b", "--topics", "--count", "600"]);
    let one_topic = spawn_subscriber(&server, &["a", "--count", "7"]);
    publish_burst(&server, &publisher, |publisher| {
        for number in 0..300 {
            publisher.send("a", number.to_string());
            publisher.send("b", number.to_string());
        }
    });
    assert_printed(both_topics, &["a\t", "b\t"], 300);
    assert_printed(one_topic, &[""], 7);
    let broadcasts = server.metric("fanfare_broadcasts_total", &[]);
    assert!(broadcasts < 600, "{broadcasts} broadcasts are not joined");
}

#[test]
fn a_burst_larger_than_an_outbox_closes_no_client_that_reads() {
    for batch in ["ws.batch=0", "ws.batch=1KiB", "ws.batch=14KiB"] {
        let server = Server::start(&["ws.outbox=4KiB", "ingest.max_payload=4KiB", batch]);
        let mut clients = Vec::new();
        for headers in ["", OFFER_FULL] {
            clients.push(FrameClient::connect_subscribed(&server, headers, &["a"]));
            clients.push(FrameClient::connect_raw(&server, headers, &["a"]));
        }
        let publisher = Publisher::with_push(&server);
        publisher.send("a", r#"{"n":0}"#);
        for client in &mut clients {
            assert_eq!(client.next_publications().len(), 1);
        }
        publish_burst(&server, &publisher, |publisher| {
            for number in 1..500 {
                publisher.send("a", payload("a", number));
            }
        });
        for client in &mut clients {
            let mut expected = 1;
            while expected < 500 {
                for publication in client.next_publications() {
                    assert_eq!(publication["n"], expected, "{batch}");
                    expected += 1;
                }
            }
        }
        assert_eq!(server.metric("fanfare_closed_total", &["slow"]), 0);
    }
}
