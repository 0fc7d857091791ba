//! Conflation: while the socket of a client is full, at most one publication of each topic is
//! pending for the client.

use fanfare::config::{Config, SlowPolicy};

use crate::harness::HubHarness;
use crate::upstream::{config, namespace, push};
use crate::wire::{OFFER_FULL, OFFER_NARROW};

/// Returns a configuration in which topics `latest:…` conflate and publications of other topics may
/// not be dropped.
fn conflating_config() -> Config {
    let mut config = config();
    config.namespaces = vec![
        namespace("", SlowPolicy::Disconnect),
        namespace("latest", SlowPolicy::Conflate),
    ];
    config
}

#[test]
fn a_full_socket_removes_all_but_the_latest_publication_of_each_topic() {
    for room in 0..200 {
        let mut harness = HubHarness::new(conflating_config());
        let id = harness.connect_slow_subscriber(&["latest:a", "latest:b", "a"], room);
        for number in 0..10 {
            for topic in ["latest:a", "a", "latest:b"] {
                harness.publish(topic, &number.to_string());
            }
        }
        assert_eq!(
            harness.counts().pending,
            30,
            "the socket is not known to be full"
        );
        harness.run_turn();
        let counts = harness.counts();
        assert!(counts.dropped_conflated > 0, "room {room}: {counts:?}");
        harness.add_room(id, usize::MAX);
        let texts = harness.read_texts(id);
        for topic in ["latest:a", "latest:b"] {
            let of_topic: Vec<_> = texts.iter().filter(|text| text.contains(topic)).collect();
            assert_eq!(**of_topic.last().unwrap(), push(topic, "9"), "room {room}");
            // The largest room holds about 3 publications, the last one in part.
            assert!(of_topic.len() <= 3, "room {room}: {texts:?}");
        }
        let others = texts.iter().filter(|text| text.contains(r#""a""#));
        assert_eq!(
            others.count(),
            10,
            "room {room}: publications of topic a may not be dropped"
        );
    }
}

#[test]
fn a_full_socket_keeps_one_publication_of_each_topic_pending_in_each_encoding() {
    let mut harness = HubHarness::new(conflating_config());
    let mut config = conflating_config();
    config.ws.deflate.threshold = 0;
    harness.hub.reconfigure(config.into());
    let topics = ["latest:a", "latest:b", "latest:c"];
    let slow = harness.connect_slow_subscriber(&topics, 0);
    // Connections with a full socket, and whether they receive raw payloads.
    let mut blocked = vec![(slow, false)];
    for headers in ["", OFFER_FULL, OFFER_NARROW] {
        let raw = "/raw?topic=latest:a&topic=latest:b&topic=latest:c";
        blocked.push((harness.open_websocket_with(raw, headers), true));
        blocked.push((harness.connect_subscriber_with(headers, &topics), false));
    }
    for (id, _) in &blocked {
        harness.socket(*id).room_bytes = 0;
    }
    let fast = harness.connect_subscriber(&topics);
    let mut random = fastrand::Rng::with_seed(7);
    let mut newest = [None; 3];
    for number in 0..300 {
        let topic = random.usize(..3);
        harness.publish(topics[topic], &number.to_string());
        newest[topic] = Some(number);
        if random.bool() {
            harness.run_turn();
            let topics = newest.iter().flatten().count() as u64;
            assert_eq!(harness.counts().pending, 7 * topics, "after {number}");
        }
    }
    assert_eq!(
        harness.read_texts(fast).len(),
        300,
        "the fast client got every publication"
    );
    let mut last_publications = Vec::new();
    for (topic, number) in topics.into_iter().zip(newest) {
        last_publications.push((number.expect("each topic has publications"), topic));
    }
    last_publications.sort_unstable();
    for (id, is_raw) in blocked {
        harness.add_room(id, usize::MAX);
        let mut expected = Vec::new();
        for (number, topic) in &last_publications {
            let body = number.to_string();
            expected.push(if is_raw { body } else { push(topic, &body) });
        }
        assert_eq!(harness.read_texts(id), expected);
    }
}

#[test]
fn a_frame_at_the_reused_index_of_the_previous_frame_is_not_conflated() {
    let mut harness = HubHarness::new(conflating_config());
    let id = harness.connect_subscriber(&["latest:a", "latest:b", "a"]);
    for other in ["a", "latest:b"] {
        harness.publish("latest:a", "1");
        assert_eq!(
            harness.read_texts(id),
            [push("latest:a", "1")],
            "its frame is freed"
        );
        harness.socket(id).room_bytes = 0;
        harness.publish(other, "2");
        harness.run_turn();
        harness.publish("latest:a", "3");
        harness.add_room(id, usize::MAX);
        assert_eq!(
            harness.read_texts(id),
            [push(other, "2"), push("latest:a", "3")]
        );
    }
    assert_eq!(harness.counts().dropped_conflated, 0);
}

#[test]
fn a_client_whose_socket_is_not_full_gets_every_publication() {
    let mut harness = HubHarness::new(conflating_config());
    let id = harness.connect_subscriber(&["latest:a"]);
    for number in 0..20 {
        harness.publish("latest:a", &number.to_string());
    }
    assert_eq!(harness.read_texts(id).len(), 20);
}
