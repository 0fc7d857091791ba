//! Publications that share a broadcast: their frames, and their counters when a connection receives
//! only a part of them.

use fanfare::config::{Config, PayloadKind, SlowPolicy};
use fanfare::delivery::NamespaceRules;
use fanfare::hub::ConnectionId;

use crate::harness::{HubHarness, dropped};
use crate::upstream::{JSON_RULES, config, joined_broadcast, namespace, push};
use crate::wire::{OFFER_FULL, OFFER_NARROW, ServerFrame};

const RAW: &str = "/raw?topic=a";
/// Number of publications in each broadcast of [`publish_broadcasts`].
const JOINED: u64 = 3;

/// Returns a configuration with small outboxes and compression of all messages.
fn small_outbox_config(slow: SlowPolicy) -> Config {
    let mut config = config();
    config.ws.outbox = 2_000;
    config.ingest.max_payload = 2_000;
    config.ws.deflate.threshold = 0;
    config.namespaces = vec![namespace("", slow)];
    config
}

/// Returns a payload of about 80 bytes with this number.
fn body(number: u64) -> String {
    format!(r#"{{"n":{number},"padding":"{}"}}"#, "x".repeat(60))
}

/// Publishes broadcasts of three publications each, whose numbers count up from 0.
fn publish_broadcasts(harness: &mut HubHarness, broadcasts: u64) {
    for broadcast in 0..broadcasts {
        let bodies = [0, 1, 2].map(|each| body(JOINED * broadcast + each));
        harness.publish_joined("a", &bodies.each_ref().map(String::as_str));
        harness.run_turn();
    }
}

/// Returns the numbers that a connection has received, and the code of the close frame after them.
fn numbers(harness: &mut HubHarness, id: ConnectionId) -> (Vec<u64>, Option<u16>) {
    let mut numbers = Vec::new();
    let mut code = None;
    for frame in harness.read_frames(id) {
        match frame {
            ServerFrame::Text(text) => numbers.extend(text.split('\n').map(number)),
            ServerFrame::Close(close) => code = close,
            other => panic!("{other:?}"),
        }
    }
    (numbers, code)
}

/// Returns the number in a push or a raw payload.
fn number(line: &str) -> u64 {
    let value: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
    let data = value.pointer("/push/pub/data").unwrap_or(&value);
    data["n"].as_u64().expect("a number was published")
}

/// Connects a subscriber of each encoding; those at odd positions are raw.
fn connect_all(harness: &mut HubHarness) -> Vec<ConnectionId> {
    let mut ids = Vec::new();
    for headers in ["", OFFER_FULL, OFFER_NARROW] {
        ids.push(harness.connect_subscriber_with(headers, &["a"]));
        ids.push(harness.open_websocket_with(RAW, headers));
    }
    ids
}

#[test]
fn clients_receive_one_frame_of_lines_and_raw_connections_one_frame_per_publication() {
    for count in [3, 50, 256] {
        let mut harness = HubHarness::new(config());
        let ids = connect_all(&mut harness);
        let bodies: Vec<String> = (0..count).map(|each| body(each * each)).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        harness.publish_joined("a", &bodies);
        let pushes: Vec<_> = bodies.iter().map(|body| push("a", body)).collect();
        for (position, id) in ids.into_iter().enumerate() {
            let texts = harness.read_texts(id);
            if position % 2 == 0 {
                assert_eq!(texts, [pushes.join("\n")]);
            } else {
                assert_eq!(texts, bodies);
            }
        }
        let counts = harness.counts();
        assert_eq!((counts.matched, counts.written), (6 * count, 6 * count));
        assert_eq!(counts.broadcasts, 1);
        let buckets = harness.latency.snapshot().buckets;
        let recorded: u64 = buckets.iter().map(|(_, count)| count).sum();
        assert_eq!(recorded, 6 * count);
        // A raw message is smaller than the threshold; the joined pushes are larger.
        assert_eq!(counts.deflate_small, count * u64::from(body(0).len() < 256));
        assert!((1..=2).contains(&counts.deflate_compressed), "{counts:?}");
        assert_eq!(counts.deflate_deliveries, 2 * count);
    }
}

#[test]
fn payloads_of_every_kind_may_share_a_broadcast() {
    let bodies = ["", "two\nlines", "", "\"quoted\" \u{1}", "x", ""];
    for (kind, data) in [
        (
            PayloadKind::Text,
            r#"["", "two\nlines", "", "\"quoted\" \u0001", "x", ""]"#,
        ),
        (
            PayloadKind::Binary,
            r#"["", "dHdvCmxpbmVz", "", "InF1b3RlZCIgAQ==", "eA==", ""]"#,
        ),
    ] {
        let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
        let ids = connect_all(&mut harness);
        let rules = NamespaceRules {
            payload_kind: kind,
            ..JSON_RULES
        };
        let broadcast = joined_broadcast(&harness.hasher, "a", &bodies, rules, 0);
        harness.hub.publish(&broadcast, 0);
        let expected: Vec<String> = serde_json::from_str(data).unwrap();
        for (position, id) in ids.into_iter().enumerate() {
            let frames = harness.read_frames(id);
            if position % 2 == 1 {
                let expected = bodies.map(|body| match kind {
                    PayloadKind::Binary => ServerFrame::Binary(body.as_bytes().into()),
                    _ => ServerFrame::text(body),
                });
                assert_eq!(frames, expected);
                continue;
            }
            let [ServerFrame::Text(text)] = &frames[..] else {
                panic!("{frames:?}");
            };
            let mut data = Vec::new();
            for line in text.split('\n') {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                data.push(line["push"]["pub"]["data"].as_str().unwrap().to_owned());
            }
            assert_eq!(data, expected);
        }
    }
}

/// Runs `check` with a subscriber of each encoding, for every number of bytes after which its
/// socket may be full within the first broadcast.
fn for_each_cut(slow: SlowPolicy, check: impl Fn(&mut HubHarness, ConnectionId)) {
    for target in ["/connection/websocket", RAW] {
        for headers in ["", OFFER_FULL, OFFER_NARROW] {
            // Up to a part of the second broadcast.
            let end = if headers.is_empty() { 400 } else { 240 };
            for room in 0..end {
                let mut harness = HubHarness::new(small_outbox_config(slow));
                let id = if target == RAW {
                    harness.open_websocket_with(RAW, headers)
                } else {
                    harness.connect_subscriber_with(headers, &["a"])
                };
                harness.socket(id).room_bytes = room;
                check(&mut harness, id);
                assert_eq!(harness.counts().pending, 0);
            }
        }
    }
}

/// Asserts that each broadcast arrived completely or not at all, and that numbers ascend.
#[track_caller]
fn assert_whole_and_ascending(numbers: &[u64]) {
    for broadcast in numbers.chunks(JOINED as usize) {
        let first = broadcast[0];
        assert!(first.is_multiple_of(JOINED), "{numbers:?}");
        assert_eq!(broadcast, [first, first + 1, first + 2]);
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn disconnect_counts_every_publication_wherever_the_socket_is_full() {
    for_each_cut(SlowPolicy::Disconnect, |harness, id| {
        publish_broadcasts(harness, 20);
        let counts = harness.counts();
        assert_eq!(counts.closed_slow, 1);
        assert!(counts.dropped_slow > 0 && counts.dropped_slow.is_multiple_of(JOINED));
        harness.add_room(id, usize::MAX);
        let (numbers, code) = numbers(harness, id);
        assert_whole_and_ascending(&numbers);
        assert_eq!(code, Some(3008));
        let counts = harness.counts();
        assert_eq!(
            counts.written,
            numbers.len() as u64,
            "the frame that was written in part is completed"
        );
        assert_eq!(counts.matched, counts.written + counts.dropped_slow);
        assert!((0..counts.written).eq(numbers));
    });
}

#[test]
fn drop_oldest_drops_whole_broadcasts_and_counts_their_publications() {
    for_each_cut(SlowPolicy::DropOldest, |harness, id| {
        publish_broadcasts(harness, 20);
        assert!(harness.counts().dropped_oldest > 0);
        harness.add_room(id, usize::MAX);
        let (numbers, code) = numbers(harness, id);
        assert_whole_and_ascending(&numbers);
        assert_eq!((code, numbers.last()), (None, Some(&59)));
        let counts = harness.counts();
        assert_eq!(counts.matched, 60);
        assert_eq!(counts.written, numbers.len() as u64);
        assert_eq!(counts.dropped_oldest, 60 - counts.written);
    });
}

#[test]
fn a_joined_broadcast_is_conflated_as_a_whole() {
    for_each_cut(SlowPolicy::Conflate, |harness, id| {
        publish_broadcasts(harness, 20);
        let kept = harness.counts().pending / JOINED;
        assert!(
            kept <= 2,
            "the broadcast that is written in part, and the latest"
        );
        harness.add_room(id, usize::MAX);
        let (numbers, _) = numbers(harness, id);
        assert_whole_and_ascending(&numbers);
        assert_eq!(numbers.last(), Some(&59));
        let counts = harness.counts();
        assert_eq!(counts.dropped_conflated, 60 - numbers.len() as u64);
        assert_eq!(counts.written, numbers.len() as u64);
    });
}

#[test]
fn the_counters_add_up_when_the_policy_changes_while_broadcasts_are_pending() {
    let policies = [
        SlowPolicy::Disconnect,
        SlowPolicy::DropOldest,
        SlowPolicy::Conflate,
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..100 {
        let policy = *random.choice(&policies).expect("there are policies");
        let mut harness = HubHarness::new(small_outbox_config(policy));
        let ids = connect_all(&mut harness);
        for id in &ids {
            harness.socket(*id).room_bytes = random.usize(..2_000);
        }
        for _ in 0..random.usize(1..12) {
            publish_broadcasts(&mut harness, random.u64(1..4));
            let policy = *random.choice(&policies).expect("there are policies");
            harness.hub.reconfigure(small_outbox_config(policy).into());
            let id = *random.choice(&ids).expect("there are connections");
            harness.add_room(id, random.usize(..1_000));
        }
        for id in ids {
            harness.add_room(id, usize::MAX);
            assert_whole(&numbers(&mut harness, id).0);
        }
        let counts = harness.counts();
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0));
        assert_eq!(counts.matched, counts.written + dropped(&counts));
    }
}

/// Asserts that each broadcast arrived completely. The numbers of broadcasts may start again.
fn assert_whole(numbers: &[u64]) {
    for broadcast in numbers.chunks(JOINED as usize) {
        let first = broadcast[0];
        assert_eq!(broadcast, [first, first + 1, first + 2]);
    }
}

#[test]
fn a_lost_connection_counts_whole_broadcasts_as_dropped() {
    for_each_cut(SlowPolicy::Disconnect, |harness, id| {
        publish_broadcasts(harness, 2);
        let before = harness.counts();
        assert_eq!(before.matched, 2 * JOINED);
        harness.hub.lost(id);
        harness.run_turn();
        let counts = harness.counts();
        assert_eq!(counts.dropped_closed, before.pending);
        assert!(counts.dropped_closed.is_multiple_of(JOINED));
        assert_eq!(counts.pending_bytes, 0);
    });
}

#[test]
fn an_unsubscribe_between_two_broadcasts_takes_effect_after_the_first() {
    for headers in ["", OFFER_FULL, OFFER_NARROW] {
        let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
        let id = harness.connect_subscriber_with(headers, &["a"]);
        harness.socket(id).room_bytes = 5;
        harness.publish_joined("a", &["1", "2"]);
        harness.run_turn();
        harness.send_text(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
        harness.publish_joined("a", &["3", "4"]);
        harness.add_room(id, usize::MAX);
        let both = format!("{}\n{}", push("a", "1"), push("a", "2"));
        assert_eq!(
            harness.read_texts(id),
            [&both, r#"{"id":3,"unsubscribe":{}}"#]
        );
        assert_eq!(harness.counts().matched, 2);
    }
}
