//! Delivery: the publications of all socket types reach every subscriber, in order and exactly
//! once.

use std::fs;
use std::time::Instant;

use serde_json::json;
use tungstenite::Message;

use super::client::{Client, Raw};
use super::publisher::Publisher;
use super::server::Server;
use super::wait::TIMEOUT;

/// Publications per topic and publisher.
const EACH: u64 = 500;
const TOPICS: [&str; 3] = ["orders", "trades", "quotes"];

/// Reads `TOPICS.len() * EACH` publications and checks that every topic counts up from zero.
#[track_caller]
fn assert_all_in_order(mut next: impl FnMut() -> (String, u64)) {
    let mut expected = [0; TOPICS.len()];
    for _ in 0..TOPICS.len() as u64 * EACH {
        let (topic, number) = next();
        let position = TOPICS.iter().position(|each| *each == topic).unwrap();
        assert_eq!(number, expected[position], "{topic}");
        expected[position] += 1;
    }
    assert_eq!(expected, [EACH; TOPICS.len()]);
}

fn fan_out(server: &Server, send: impl Fn(&str, &str)) {
    // With this number of connections, the kernel assigns some to each shard.
    let mut clients: Vec<_> = (0..8)
        .map(|_| Client::subscribed(server, &TOPICS))
        .collect();
    let mut raws: Vec<_> = (0..8).map(|_| Raw::connect(server, &TOPICS)).collect();
    for number in 0..EACH {
        for topic in TOPICS {
            send(topic, &format!(r#"{{"topic":"{topic}","n":{number}}}"#));
        }
    }
    for client in &mut clients {
        assert_all_in_order(|| {
            let (topic, data) = client.next();
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
    // A duplicate would be received before this publication.
    send(TOPICS[0], "\"last\"");
    for client in &mut clients {
        assert_eq!(client.next(), (TOPICS[0].into(), json!("last")));
    }
    for raw in &mut raws {
        assert_eq!(raw.next_text(), "\"last\"");
    }
}

#[test]
fn push_fans_out_in_order() {
    let server = Server::start(&[]);
    let publisher = Publisher::push(&server);
    fan_out(&server, |topic, payload| publisher.send(topic, payload));
}

#[test]
fn pub_fans_out_in_order() {
    let server = Server::start(&[]);
    let publisher = Publisher::publish(&server);
    fan_out(&server, |topic, payload| publisher.send(topic, payload));
}

#[test]
fn req_fans_out_in_order() {
    let server = Server::start(&[]);
    let publisher = Publisher::request(&server);
    fan_out(&server, |topic, payload| {
        publisher.send_and_wait(topic, payload);
    });
}

/// Publishes when the shards are about to sleep. Only the publication wakes them.
#[test]
fn each_publication_wakes_the_shards() {
    let server = Server::start(&["ws.ping=10m"]);
    let mut raws: Vec<_> = (0..4).map(|_| Raw::connect(&server, &["a"])).collect();
    let publisher = Publisher::push(&server);
    let began = Instant::now();
    for number in 0..3_000 {
        let payload = number.to_string();
        publisher.send("a", &payload);
        for raw in &mut raws {
            assert_eq!(raw.next_text(), payload);
        }
    }
    assert!(began.elapsed() < TIMEOUT, "{:?}", began.elapsed());
}

#[test]
fn dealer_fans_out_in_order_and_gets_its_leading_frames_back() {
    let server = Server::start(&[]);
    let publisher = Publisher::dealer(&server);
    fan_out(&server, |topic, payload| {
        publisher.send_parts(&[b"trace", b"7", b"", topic.as_bytes(), payload.as_bytes()]);
    });
    for _ in 0..=TOPICS.len() as u64 * EACH {
        assert_eq!(publisher.reply(), [&b"trace"[..], b"7", b"", b"ok"]);
    }
}

#[test]
fn a_dealer_may_send_many_leading_frames() {
    let server = Server::start(&[]);
    let mut raw = Raw::connect(&server, &["a"]);
    let publisher = Publisher::dealer(&server);
    // With the identity that the router adds, the number of frames is the limit and one more.
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
            assert!(reply.iter().any(|frame| frame == b"error"), "{reply:?}");
        }
    }
}

#[test]
fn namespaces_carry_text_and_binary() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fanfare.toml");
    let text = "[[namespace]]\nname = \"log\"\npayload = \"text\"\n\
                [[namespace]]\nname = \"blob\"\npayload = \"binary\"\n";
    fs::write(&file, text).unwrap();
    let server = Server::start_with(&["-c", file.to_str().unwrap()], &[]);
    let topics = ["log:a", "blob:a"];
    let mut client = Client::subscribed(&server, &topics);
    let mut raw = Raw::connect(&server, &topics);
    let publisher = Publisher::push(&server);
    let line = "two\nlines, \"quoted\" \u{1} é";
    publisher.send("log:a", line);
    publisher.send("blob:a", [0, 159, 146, 150]);
    assert_eq!(client.next(), ("log:a".into(), json!(line)));
    assert_eq!(client.next(), ("blob:a".into(), json!("AJ+Slg==")));
    assert_eq!(raw.next(), Message::text(line));
    assert_eq!(raw.next(), Message::binary(vec![0, 159, 146, 150]));
}

#[test]
fn clients_publish_if_the_namespace_permits_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fanfare.toml");
    fs::write(&file, "[[namespace]]\nname = \"chat\"\npublish = true\n").unwrap();
    let server = Server::start_with(&["-c", file.to_str().unwrap()], &[]);
    let mut readers: Vec<_> = (0..8)
        .map(|_| Client::subscribed(&server, &["chat:a"]))
        .collect();
    let mut writer = Client::connect(&server);
    for number in 0..100 {
        let publication = json!({ "channel": "chat:a", "data": { "n": number } });
        let reply = writer.command("publish", &publication);
        assert!(reply["publish"].is_object(), "{reply}");
    }
    for reader in &mut readers {
        for number in 0..100 {
            assert_eq!(reader.next(), ("chat:a".into(), json!({ "n": number })));
        }
    }
    let denied = writer.command("publish", &json!({ "channel": "a", "data": 1 }));
    assert_eq!(denied["error"]["code"], 103);
}

/// Checks that a subscribed client receives its own publication before the reply. Ingest pushes an
/// accepted publication to the lanes before it answers, and the answer follows on the same lane.
#[test]
fn a_client_gets_the_reply_to_a_publish_after_ingest_has_accepted_it() {
    let server = Server::start(&["namespace.chat.publish=true"]);
    let mut client = Client::subscribed(&server, &["chat:a"]);
    for number in 0..100 {
        let publication = json!({ "channel": "chat:a", "data": number });
        let reply = client.command("publish", &publication);
        assert!(reply["publish"].is_object(), "{reply}");
        let received_before = client.next_kept();
        assert_eq!(received_before, Some(("chat:a".into(), json!(number))));
        // Ingest publishes its counters before it answers.
        let received = server.metric("fanfare_received_total", &["client"]);
        assert_eq!(received, number + 1);
    }
    server.assert_accounted();
}

#[test]
fn newlines_in_json_become_spaces() {
    let server = Server::start(&[]);
    let mut client = Client::subscribed(&server, &["a"]);
    let mut raw = Raw::connect(&server, &["a"]);
    Publisher::request(&server).send_and_wait("a", "{\n\"n\":\r\n1}");
    assert_eq!(client.next().1, json!({ "n": 1 }));
    let text = raw.next_text();
    assert!(!text.contains(['\n', '\r']), "{text:?}");
}

#[test]
fn the_largest_payload_reaches_a_client_with_the_default_outbox() {
    let server = Server::start(&[]);
    let mut client = Client::subscribed(&server, &["a"]);
    let mut raw = Raw::connect(&server, &["a"]);
    let publisher = Publisher::request(&server);
    let payload = format!("\"{}\"", "x".repeat(1024 * 1024 - 2));
    publisher.send_and_wait("a", "1");
    publisher.send_and_wait("a", &payload);
    publisher.send_and_wait("a", "2");
    assert_eq!(client.next().1, json!(1));
    assert_eq!(
        client.next().1.as_str().map(str::len),
        Some(payload.len() - 2)
    );
    assert_eq!(client.next().1, json!(2));
    assert_eq!(raw.next_text(), "1");
    assert_eq!(raw.next_text(), payload);
    assert_eq!(raw.next_text(), "2");
}

#[test]
fn a_burst_larger_than_an_outbox_is_sent_in_parts() {
    let server = Server::start(&[]);
    let mut clients: Vec<_> = (0..4)
        .map(|_| Client::subscribed(&server, &["a"]))
        .collect();
    let publisher = Publisher::push(&server);
    // No client reads yet. The kernel buffers the data that exceeds the outbox.
    let payload = format!("\"{}\"", "x".repeat(4 * 1024));
    for _ in 0..270 {
        publisher.send("a", &payload);
    }
    for client in &mut clients {
        for _ in 0..270 {
            assert_eq!(client.next().1.as_str().map(str::len), Some(4 * 1024));
        }
    }
}

#[test]
fn a_publication_larger_than_a_lane_is_delivered() {
    let server = Server::start(&["ws.outbox=64MiB", "ingest.max_payload=64MiB"]);
    let mut raw = Raw::connect(&server, &["a"]);
    let publisher = Publisher::request(&server);
    let payload = format!("\"{}\"", "x".repeat(34 * 1024 * 1024));
    publisher.send_and_wait("a", &payload);
    assert_eq!(raw.next_text().len(), payload.len());
}
