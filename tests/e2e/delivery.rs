//! Delivery: publications of every socket type reach every subscriber once and in order.

use std::time::Instant;

use serde_json::json;
use tungstenite::Message;

use crate::client::{ProtocolClient, RawSubscriber};
use crate::configured::ConfiguredServer;
use crate::publisher::Publisher;
use crate::server::Server;
use crate::wait::TIMEOUT;

/// Number of publications to each topic.
const PER_TOPIC: u64 = 500;
const TOPICS: [&str; 3] = ["orders", "trades", "quotes"];

/// Reads all publications with `next` and asserts that the numbers of every topic count up from 0.
#[track_caller]
fn assert_all_in_order(mut next: impl FnMut() -> (String, u64)) {
    let mut expected = [0; TOPICS.len()];
    for _ in 0..TOPICS.len() as u64 * PER_TOPIC {
        let (topic, number) = next();
        let position = TOPICS.iter().position(|each| *each == topic).unwrap();
        assert_eq!(number, expected[position], "{topic}");
        expected[position] += 1;
    }
    assert_eq!(expected, [PER_TOPIC; TOPICS.len()]);
}

/// Sends publications with `send` and asserts that clients of both codecs receive each of them once
/// and in order.
fn assert_fan_out(server: &Server, send: impl Fn(&str, &str)) {
    // With 16 connections, each shard accepts some.
    let mut clients: Vec<_> = (0..8)
        .map(|_| ProtocolClient::connect_subscribed(server, &TOPICS))
        .collect();
    let mut raws: Vec<_> = (0..8)
        .map(|_| RawSubscriber::connect(server, &TOPICS))
        .collect();
    for number in 0..PER_TOPIC {
        for topic in TOPICS {
            send(topic, &format!(r#"{{"topic":"{topic}","n":{number}}}"#));
        }
    }
    for client in &mut clients {
        assert_all_in_order(|| {
            let (topic, data) = client.next_publication();
            assert_eq!(data["topic"], *topic);
            (topic, data["n"].as_u64().unwrap())
        });
    }
    for raw in &mut raws {
        assert_all_in_order(|| {
            let data: serde_json::Value = serde_json::from_str(&raw.next_text()).unwrap();
            let topic = data["topic"].as_str().unwrap().to_owned();
            (topic, data["n"].as_u64().unwrap())
        });
    }
    // A repeated publication would arrive before this one.
    send(TOPICS[0], "\"last\"");
    for client in &mut clients {
        assert_eq!(client.next_publication(), (TOPICS[0].into(), json!("last")));
    }
    for raw in &mut raws {
        assert_eq!(raw.next_text(), "\"last\"");
    }
}

#[test]
fn publications_from_push_arrive_in_order() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_push(&server);
    assert_fan_out(&server, |topic, payload| publisher.send(topic, payload));
}

#[test]
fn publications_from_pub_arrive_in_order() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_pub(&server);
    assert_fan_out(&server, |topic, payload| publisher.send(topic, payload));
}

#[test]
fn publications_from_req_arrive_in_order() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_req(&server);
    assert_fan_out(&server, |topic, payload| {
        publisher.send_and_wait(topic, payload);
    });
}

// Publications arrive while the shards go to sleep, and no other event wakes the shards.
#[test]
fn a_single_publication_wakes_the_shards() {
    let server = Server::start(&["ws.ping=10m"]);
    let mut raws: Vec<_> = (0..4)
        .map(|_| RawSubscriber::connect(&server, &["a"]))
        .collect();
    let publisher = Publisher::with_push(&server);
    let started = Instant::now();
    for number in 0..3_000 {
        let payload = number.to_string();
        publisher.send("a", &payload);
        for raw in &mut raws {
            assert_eq!(raw.next_text(), payload);
        }
    }
    assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
}

#[test]
fn publications_from_dealer_arrive_in_order_and_replies_repeat_the_leading_parts() {
    let server = Server::start(&[]);
    let publisher = Publisher::with_dealer(&server);
    assert_fan_out(&server, |topic, payload| {
        publisher.send_parts(&[b"trace", b"7", b"", topic.as_bytes(), payload.as_bytes()]);
    });
    for _ in 0..=TOPICS.len() as u64 * PER_TOPIC {
        assert_eq!(publisher.reply(), [&b"trace"[..], b"7", b"", b"ok"]);
    }
}

#[test]
fn the_number_of_leading_parts_from_a_dealer_is_bounded() {
    let server = Server::start(&[]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let publisher = Publisher::with_dealer(&server);
    // The ROUTER socket adds one part with the identity. 28 is the largest accepted number.
    for (leading, accepted) in [(0, true), (28, true), (29, false), (200, false)] {
        let leading = vec![&b"hop"[..]; leading];
        let parts = [&leading[..], &[b"", b"a", b"1"]].concat();
        publisher.send_parts(&parts);
        let reply = publisher.reply();
        if accepted {
            assert_eq!(raw.next_text(), "1");
            let expected = [&leading[..], &[b"", b"ok"]].concat();
            assert_eq!(reply, expected);
        } else {
            let is_error = reply.iter().any(|part| part == b"error");
            assert!(is_error, "{reply:?}");
        }
    }
}

#[test]
fn namespaces_may_have_text_and_binary_payloads() {
    let text = "[[namespace]]\nname = \"log\"\npayload = \"text\"\n\
                [[namespace]]\nname = \"blob\"\npayload = \"binary\"\n";
    let configured = ConfiguredServer::start(text);
    let server = &configured.server;
    let topics = ["log:a", "blob:a"];
    let mut client = ProtocolClient::connect_subscribed(server, &topics);
    let mut raw = RawSubscriber::connect(server, &topics);
    let publisher = Publisher::with_push(server);
    let line = "two\nlines, \"quoted\" \u{1} é";
    publisher.send("log:a", line);
    publisher.send("blob:a", [0, 159, 146, 150]);
    assert_eq!(client.next_publication(), ("log:a".into(), json!(line)));
    assert_eq!(
        client.next_publication(),
        ("blob:a".into(), json!("AJ+Slg=="))
    );
    assert_eq!(raw.next_message(), Message::text(line));
    assert_eq!(raw.next_message(), Message::binary(vec![0, 159, 146, 150]));
}

#[test]
fn clients_publish_if_the_namespace_allows_it() {
    let configured = ConfiguredServer::start("[[namespace]]\nname = \"chat\"\npublish = true\n");
    let server = &configured.server;
    let mut readers: Vec<_> = (0..8)
        .map(|_| ProtocolClient::connect_subscribed(server, &["chat:a"]))
        .collect();
    let mut writer = ProtocolClient::connect(server);
    for number in 0..100 {
        let publication = json!({ "channel": "chat:a", "data": { "n": number } });
        let reply = writer.command("publish", &publication);
        assert!(reply["publish"].is_object(), "{reply}");
    }
    for reader in &mut readers {
        for number in 0..100 {
            assert_eq!(
                reader.next_publication(),
                ("chat:a".into(), json!({ "n": number }))
            );
        }
    }
    let denied = writer.command("publish", &json!({ "channel": "a", "data": 1 }));
    assert_eq!(denied["error"]["code"], 103);
}

// Ingest pushes an accepted publication to the lanes before it answers, and the answer follows the
// publication on the same lane. So a client that is subscribed gets its publication first.
#[test]
fn a_client_gets_the_reply_to_a_publish_after_ingest_has_accepted_it() {
    let server = Server::start(&["namespace.chat.publish=true"]);
    let mut client = ProtocolClient::connect_subscribed(&server, &["chat:a"]);
    for number in 0..100 {
        let publication = json!({ "channel": "chat:a", "data": number });
        let reply = client.command("publish", &publication);
        assert!(reply["publish"].is_object(), "{reply}");
        let received_before = client.next_buffered();
        assert_eq!(received_before, Some(("chat:a".into(), json!(number))));
        // Ingest publishes its counters before it answers.
        let received = server.metric("fanfare_received_total", &["client"]);
        assert_eq!(received, number + 1);
    }
    server.assert_accounted();
}

#[test]
fn newlines_in_json_payloads_are_replaced_by_spaces() {
    let server = Server::start(&[]);
    let mut client = ProtocolClient::connect_subscribed(&server, &["a"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    Publisher::with_req(&server).send_and_wait("a", "{\n\"n\":\r\n1}");
    assert_eq!(client.next_publication().1, json!({ "n": 1 }));
    let text = raw.next_text();
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}

#[test]
fn the_largest_payload_reaches_a_client_with_the_default_outbox() {
    let server = Server::start(&[]);
    let mut client = ProtocolClient::connect_subscribed(&server, &["a"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let publisher = Publisher::with_req(&server);
    let payload = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    publisher.send_and_wait("a", "1");
    publisher.send_and_wait("a", &payload);
    publisher.send_and_wait("a", "2");
    assert_eq!(client.next_publication().1, json!(1));
    assert_eq!(
        client.next_publication().1.as_str().map(str::len),
        Some(payload.len() - 2)
    );
    assert_eq!(client.next_publication().1, json!(2));
    assert_eq!(raw.next_text(), "1");
    assert_eq!(raw.next_text(), payload);
    assert_eq!(raw.next_text(), "2");
}

#[test]
fn a_burst_larger_than_an_outbox_is_sent_in_parts() {
    let server = Server::start(&[]);
    let mut clients: Vec<_> = (0..4)
        .map(|_| ProtocolClient::connect_subscribed(&server, &["a"]))
        .collect();
    let publisher = Publisher::with_push(&server);
    // The clients do not read yet. The kernel buffers the bytes that exceed the outbox.
    let payload = format!("\"{}\"", "x".repeat(4 * 1024));
    for _ in 0..270 {
        publisher.send("a", &payload);
    }
    for client in &mut clients {
        for _ in 0..270 {
            assert_eq!(
                client.next_publication().1.as_str().map(str::len),
                Some(4 * 1024)
            );
        }
    }
}

#[test]
fn a_publication_larger_than_a_lane_is_delivered() {
    let server = Server::start(&["ws.outbox=64MiB", "ingest.max_payload=64MiB"]);
    let mut raw = RawSubscriber::connect(&server, &["a"]);
    let publisher = Publisher::with_req(&server);
    let payload = format!("\"{}\"", "x".repeat(34 * 1024 * 1024));
    publisher.send_and_wait("a", &payload);
    assert_eq!(raw.next_text().len(), payload.len());
}
