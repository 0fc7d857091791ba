//! Slow connections: clients that do not read, under each policy.

use fanfare::config::{Config, SlowPolicy};
use fanfare::limits::FRAME_OVERHEAD_BYTES;

use crate::harness::HubHarness;
use crate::upstream::{config, namespace, push};
use crate::wire::{self, ServerFrame};

/// Bound of an outbox in bytes. Eleven publications of [`publish_numbers`] fit; each counts with
/// about 170 bytes.
const OUTBOX: usize = 2_000;

/// Returns a configuration with small outboxes. Topics `old:…` drop the oldest publications, topics
/// `latest:…` conflate, and all other topics follow `slow`.
fn small_outbox_config(slow: SlowPolicy) -> Config {
    let mut config = config();
    config.ws.outbox = OUTBOX;
    config.namespaces = vec![
        namespace("", slow),
        namespace("old", SlowPolicy::DropOldest),
        namespace("latest", SlowPolicy::Conflate),
    ];
    config
}

/// Publishes the numbers from 0 to `count`, with a turn after each.
fn publish_numbers(harness: &mut HubHarness, topic: &str, count: usize) {
    for number in 0..count {
        harness.publish(topic, &number.to_string());
        harness.run_turn();
    }
}

/// Returns the numbers in the pushes of a topic among these frames.
fn pushed_numbers(frames: &[ServerFrame], topic: &str) -> Vec<usize> {
    let prefix = format!(r#"{{"push":{{"channel":"{topic}","pub":{{"data":"#);
    let mut numbers = Vec::new();
    for frame in frames {
        if let ServerFrame::Text(text) = frame
            && let Some(rest) = text.strip_prefix(&prefix)
            && let Some(body) = rest.strip_suffix("}}}")
            && let Ok(number) = body.parse()
        {
            numbers.push(number);
        }
    }
    numbers
}

#[test]
fn disconnect_closes_with_3008_after_the_frame_that_is_written_in_part() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let id = harness.connect_slow_subscriber(&["a"], 60);
    publish_numbers(&mut harness, "a", 20);
    let counts = harness.counts();
    assert_eq!(counts.closed_slow, 1);
    assert_eq!(
        (counts.written, counts.pending),
        (1, 1),
        "one publication is written, one is written in part"
    );
    assert_eq!(counts.matched, 2 + counts.dropped_slow);
    assert!(!harness.wants("a"));
    harness.add_room(id, usize::MAX);
    let frames = harness.read_frames(id);
    assert_eq!(pushed_numbers(&frames, "a"), [0, 1]);
    assert_eq!(frames[2..], [ServerFrame::Close(Some(3008))]);
    assert_eq!(harness.counts().pending, 0);
}

#[test]
fn disconnect_of_a_full_socket_sends_only_the_close_frame() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let id = harness.connect_slow_subscriber(&["a"], 0);
    publish_numbers(&mut harness, "a", 20);
    harness.add_room(id, usize::MAX);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3008))]);
}

#[test]
fn drop_oldest_keeps_the_newest_publications_in_order_and_whole() {
    for room in 0..100 {
        let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::DropOldest));
        let id = harness.connect_slow_subscriber(&["a"], room);
        publish_numbers(&mut harness, "a", 100);
        let counts = harness.counts();
        let weight = counts.pending_bytes + counts.pending * FRAME_OVERHEAD_BYTES as u64;
        assert!(weight <= OUTBOX as u64, "{counts:?}");
        assert_eq!(counts.closed_slow, 0);
        harness.add_room(id, usize::MAX);
        let numbers = pushed_numbers(&harness.read_frames(id), "a");
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
        let newest: Vec<_> = (100 - 9..100).collect();
        assert!(numbers.ends_with(&newest), "{numbers:?}");
        assert_eq!(numbers.len() as u64 + counts.dropped_oldest, 100);
    }
}

#[test]
fn conflate_keeps_the_latest_publication_of_each_topic_while_the_socket_is_full() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Conflate));
    let id = harness.connect_slow_subscriber(&["a", "b"], 0);
    for number in 0..50 {
        for topic in ["a", "b"] {
            harness.publish(topic, &number.to_string());
            harness.run_turn();
        }
    }
    let counts = harness.counts();
    assert_eq!((counts.pending, counts.dropped_conflated), (2, 98));
    harness.add_room(id, usize::MAX);
    assert_eq!(harness.read_texts(id), [push("a", "49"), push("b", "49")]);
    publish_numbers(&mut harness, "a", 3);
    assert_eq!(
        pushed_numbers(&harness.read_frames(id), "a"),
        [0, 1, 2],
        "the socket is not full any more"
    );
}

#[test]
fn conflate_drops_nothing_while_the_socket_is_not_full() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Conflate));
    let id = harness.connect_subscriber(&["a"]);
    for number in 0..3 {
        harness.publish("a", &number.to_string());
    }
    assert_eq!(pushed_numbers(&harness.read_frames(id), "a"), [0, 1, 2]);
    assert_eq!(harness.counts().dropped_conflated, 0);
}

#[test]
fn conflate_completes_the_frame_that_is_written_in_part() {
    for room in 1..50 {
        let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Conflate));
        let id = harness.connect_slow_subscriber(&["a"], room);
        publish_numbers(&mut harness, "a", 10);
        harness.add_room(id, usize::MAX);
        let numbers = pushed_numbers(&harness.read_frames(id), "a");
        assert_eq!(numbers.last(), Some(&9), "room {room}");
        assert!(
            numbers.len() <= 3 && numbers[0] == 0,
            "room {room}: {numbers:?}"
        );
    }
}

#[test]
fn each_topic_follows_the_policy_of_its_namespace() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let topics = ["a", "old:a", "latest:a"];
    let id = harness.connect_slow_subscriber(&topics, 0);
    harness.publish("a", "7");
    harness.run_turn();
    publish_numbers(&mut harness, "latest:a", 50);
    publish_numbers(&mut harness, "old:a", 50);
    let counts = harness.counts();
    assert_eq!(counts.closed_slow, 0);
    assert_eq!(counts.dropped_conflated, 49);
    assert!(counts.dropped_oldest > 0);
    harness.add_room(id, usize::MAX);
    let frames = harness.read_frames(id);
    assert_eq!(
        pushed_numbers(&frames, "a"),
        [7],
        "the policy of topic a does not drop"
    );
    assert_eq!(pushed_numbers(&frames, "old:a").last(), Some(&49));
}

#[test]
fn disconnect_applies_to_its_topics_although_other_topics_drop() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let id = harness.connect_slow_subscriber(&["a", "old:a"], 0);
    publish_numbers(&mut harness, "old:a", 50);
    assert_eq!(harness.counts().closed_slow, 0);
    publish_numbers(&mut harness, "a", 50);
    assert_eq!(harness.counts().closed_slow, 1);
    harness.add_room(id, usize::MAX);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3008))]);
}

#[test]
fn replies_are_not_dropped_and_stay_in_order() {
    for slow in [SlowPolicy::DropOldest, SlowPolicy::Conflate] {
        let mut harness = HubHarness::new(small_outbox_config(slow));
        let id = harness.connect_slow_subscriber(&["a"], 0);
        for number in 0..8 {
            publish_numbers(&mut harness, "a", 20);
            harness.send_text(id, &format!(r#"{{"id":{},"ping":{{}}}}"#, number + 10));
        }
        assert_eq!(
            harness.counts().closed_slow,
            0,
            "{slow:?}: a reply displaces publications"
        );
        harness.add_room(id, usize::MAX);
        let texts = harness.read_texts(id);
        let replies: Vec<_> = texts.iter().filter(|text| text.contains("ping")).collect();
        assert_eq!(replies.len(), 8, "{slow:?}: {texts:?}");
        assert!(replies.is_sorted(), "{replies:?}");
    }
}

#[test]
fn a_ping_displaces_publications_of_a_full_outbox() {
    let mut config = small_outbox_config(SlowPolicy::DropOldest);
    config.ws.pong_timeout = std::time::Duration::from_secs(60);
    config.ws.outbox = 20_000; // About 70 pings stay in the outbox.
    let mut harness = HubHarness::new(config);
    let id = harness.connect_slow_subscriber(&["a"], 0);
    // Bodies of growing length leave every possible remainder of the bound.
    for length in 0..60 {
        for _ in 0..150 {
            harness.publish("a", &format!("\"{}\"", "x".repeat(length)));
        }
        harness.advance_clock(30_000_000);
        harness.send_bytes(id, &wire::client_frame(wire::PONG, b""));
    }
    assert_eq!(harness.counts().closed_slow, 0);
    assert!(harness.counts().pings > 20);
}

#[test]
fn a_publication_larger_than_the_bound_replaces_those_that_may_be_dropped() {
    for slow in [SlowPolicy::DropOldest, SlowPolicy::Conflate] {
        let mut harness = HubHarness::new(small_outbox_config(slow));
        let id = harness.connect_slow_subscriber(&["a"], 20);
        publish_numbers(&mut harness, "a", 10);
        let large = format!("\"{}\"", "x".repeat(OUTBOX));
        for _ in 0..3 {
            harness.publish("a", &large);
            harness.run_turn();
        }
        let counts = harness.counts();
        assert_eq!((counts.closed_slow, counts.pending), (0, 2), "{slow:?}");
        harness.add_room(id, usize::MAX);
        assert_eq!(harness.read_texts(id), [push("a", "0"), push("a", &large)]);
    }
}

#[test]
fn a_client_that_sends_pings_and_never_reads_is_closed_as_slow() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::DropOldest));
    let id = harness.connect_slow_subscriber(&["a"], 0);
    let pong_weight = 2 + 125 + FRAME_OVERHEAD_BYTES;
    let fits = OUTBOX / pong_weight;
    for number in 0..fits + 5 {
        let closed = harness.counts().closed_slow;
        assert_eq!(closed == 1, number > fits + 1, "after {number}");
        harness.send_bytes(id, &wire::client_frame(wire::PING, &[7; 125]));
        harness.run_turn();
    }
    assert_eq!(harness.counts().closed_slow, 1);
    harness.add_room(id, usize::MAX);
    let frames = harness.read_frames(id);
    assert_eq!(frames.last(), Some(&ServerFrame::Close(Some(3008))));
    assert_eq!(
        frames.len(),
        fits + 3,
        "the pongs within the bound, the pong that exceeds it, the pong after that, the close frame"
    );
}

#[test]
fn a_slow_subscriber_does_not_delay_other_subscribers() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let slow = harness.connect_slow_subscriber(&["a"], 0);
    let fast = harness.connect_subscriber(&["a"]);
    publish_numbers(&mut harness, "a", 100);
    assert_eq!(
        pushed_numbers(&harness.read_frames(fast), "a"),
        (0..100).collect::<Vec<_>>()
    );
    assert_eq!(harness.counts().closed_slow, 1);
    assert_eq!(harness.read_frames(slow), []);
}

#[test]
fn one_frame_may_exceed_the_bound_of_an_outbox() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let id = harness.connect_subscriber(&["a"]);
    let large = format!("\"{}\"", "x".repeat(2 * OUTBOX));
    harness.send_bytes(id, &wire::client_frame(wire::PING, b"small"));
    harness.publish("a", &large);
    assert_eq!(harness.counts().closed_slow, 0);
    let pong = ServerFrame::Pong(b"small".to_vec());
    assert_eq!(
        harness.read_frames(id),
        [pong, ServerFrame::text(&push("a", &large))]
    );

    harness.publish("a", &large);
    harness.publish("a", "1");
    assert_eq!(
        harness.counts().closed_slow,
        1,
        "the bound was exceeded before the second publication"
    );
}

#[test]
fn each_frame_counts_with_its_overhead_in_memory() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let id = harness.open_websocket("/raw?topic=a");
    harness.socket(id).room_bytes = 0;
    let weight = 3 + FRAME_OVERHEAD_BYTES;
    let fits = OUTBOX / weight;
    publish_numbers(&mut harness, "a", 1);
    for _ in 0..fits {
        harness.publish("a", "7");
    }
    let counts = harness.counts();
    assert_eq!(counts.closed_slow, 0);
    assert_eq!(
        counts.pending_bytes,
        3 * (fits as u64 + 1),
        "bytes without the overhead"
    );
    harness.publish("a", "7");
    assert_eq!(harness.counts().closed_slow, 1);
}

#[test]
fn publications_that_may_be_dropped_are_dropped_oldest_first() {
    let mut harness = HubHarness::new(small_outbox_config(SlowPolicy::Disconnect));
    let id = harness.connect_slow_subscriber(&["a", "old:a"], 0);
    for number in 0..40 {
        if number % 8 == 0 {
            harness.publish("a", &number.to_string());
        }
        harness.publish("old:a", &number.to_string());
        harness.run_turn();
    }
    assert_eq!(harness.counts().closed_slow, 0);
    harness.add_room(id, usize::MAX);
    let frames = harness.read_frames(id);
    assert_eq!(pushed_numbers(&frames, "a"), [0, 8, 16, 24, 32]);
    let kept = pushed_numbers(&frames, "old:a");
    assert_eq!(kept, (40 - kept.len()..40).collect::<Vec<_>>());
    assert!(kept.len() >= 5, "{kept:?}");
}
