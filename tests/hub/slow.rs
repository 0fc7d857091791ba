//! Connections that do not keep up, under each policy.

use fanfare::config::{Config, SlowPolicy};
use fanfare::limits::FRAME_OVERHEAD_BYTES;

use crate::upstream::{config, namespace, push};
use crate::wire::{self, Frame};
use crate::world::World;

/// Room for eleven of [`publish_numbers`], each of which weighs some 170 bytes.
const OUTBOX: usize = 2_000;

/// Small outboxes; topics follow `slow`, `old:…` drops the oldest, `latest:…` conflates.
fn small(slow: SlowPolicy) -> Config {
    let mut config = config();
    config.ws.outbox = OUTBOX;
    config.namespaces = vec![
        namespace("", slow),
        namespace("old", SlowPolicy::DropOldest),
        namespace("latest", SlowPolicy::Conflate),
    ];
    config
}

fn publish_numbers(world: &mut World, topic: &str, count: usize) {
    for number in 0..count {
        world.publish(topic, &number.to_string());
        world.turn();
    }
}

/// The bodies of the pushes to `topic` that arrived.
fn bodies(frames: &[Frame], topic: &str) -> Vec<usize> {
    let prefix = format!(r#"{{"push":{{"channel":"{topic}","pub":{{"data":"#);
    let body = |frame: &Frame| {
        let Frame::Text(text) = frame else {
            return None;
        };
        text.strip_prefix(&prefix)?
            .strip_suffix("}}}")?
            .parse()
            .ok()
    };
    frames.iter().filter_map(body).collect()
}

#[test]
fn disconnect_closes_with_3008_after_the_frame_that_was_cut() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let id = world.slow_subscriber(&["a"], 60);
    publish_numbers(&mut world, "a", 20);
    let counts = world.counts();
    assert_eq!(counts.closed_slow, 1);
    assert_eq!(
        (counts.written, counts.pending),
        (1, 1),
        "one whole, one cut"
    );
    assert_eq!(counts.matched, 2 + counts.dropped_slow);
    assert!(!world.wants("a"));
    world.make_room(id, usize::MAX);
    let frames = world.read(id);
    assert_eq!(bodies(&frames, "a"), [0, 1]);
    assert_eq!(frames[2..], [Frame::Close(Some(3008))]);
    assert_eq!(world.counts().pending, 0);
}

#[test]
fn disconnect_of_a_socket_that_takes_nothing_sends_only_the_close() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let id = world.slow_subscriber(&["a"], 0);
    publish_numbers(&mut world, "a", 20);
    world.make_room(id, usize::MAX);
    assert_eq!(world.read(id), [Frame::Close(Some(3008))]);
}

#[test]
fn drop_oldest_keeps_the_newest_in_order_and_tears_nothing() {
    for room in 0..100 {
        let mut world = World::new(small(SlowPolicy::DropOldest));
        let id = world.slow_subscriber(&["a"], room);
        publish_numbers(&mut world, "a", 100);
        let counts = world.counts();
        let weight = counts.pending_bytes + counts.pending * FRAME_OVERHEAD_BYTES as u64;
        assert!(weight <= OUTBOX as u64, "{counts:?}");
        assert_eq!(counts.closed_slow, 0);
        world.make_room(id, usize::MAX);
        let bodies = bodies(&world.read(id), "a");
        assert!(bodies.is_sorted_by(|one, next| one < next), "{bodies:?}");
        let newest: Vec<_> = (100 - 9..100).collect();
        assert!(bodies.ends_with(&newest), "{bodies:?}");
        assert_eq!(bodies.len() as u64 + counts.dropped_oldest, 100);
    }
}

#[test]
fn conflate_keeps_the_latest_of_each_topic_while_blocked() {
    let mut world = World::new(small(SlowPolicy::Conflate));
    let id = world.slow_subscriber(&["a", "b"], 0);
    for number in 0..50 {
        for topic in ["a", "b"] {
            world.publish(topic, &number.to_string());
            world.turn();
        }
    }
    let counts = world.counts();
    assert_eq!((counts.pending, counts.dropped_conflated), (2, 98));
    world.make_room(id, usize::MAX);
    assert_eq!(world.texts(id), [push("a", "49"), push("b", "49")]);
    publish_numbers(&mut world, "a", 3);
    assert_eq!(bodies(&world.read(id), "a"), [0, 1, 2], "it keeps up again");
}

#[test]
fn conflate_leaves_a_connection_alone_that_keeps_up() {
    let mut world = World::new(small(SlowPolicy::Conflate));
    let id = world.subscriber(&["a"]);
    for number in 0..3 {
        world.publish("a", &number.to_string());
    }
    assert_eq!(bodies(&world.read(id), "a"), [0, 1, 2]);
    assert_eq!(world.counts().dropped_conflated, 0);
}

#[test]
fn conflate_does_not_tear_the_frame_that_is_partly_out() {
    for room in 1..50 {
        let mut world = World::new(small(SlowPolicy::Conflate));
        let id = world.slow_subscriber(&["a"], room);
        publish_numbers(&mut world, "a", 10);
        world.make_room(id, usize::MAX);
        let bodies = bodies(&world.read(id), "a");
        assert_eq!(bodies.last(), Some(&9), "room {room}");
        assert!(
            bodies.len() <= 3 && bodies[0] == 0,
            "room {room}: {bodies:?}"
        );
    }
}

#[test]
fn each_topic_follows_its_own_namespace() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let topics = ["a", "old:a", "latest:a"];
    let id = world.slow_subscriber(&topics, 0);
    world.publish("a", "7");
    world.turn();
    publish_numbers(&mut world, "latest:a", 50);
    publish_numbers(&mut world, "old:a", 50);
    let counts = world.counts();
    assert_eq!(counts.closed_slow, 0);
    assert_eq!(counts.dropped_conflated, 49);
    assert!(counts.dropped_oldest > 0);
    world.make_room(id, usize::MAX);
    let frames = world.read(id);
    assert_eq!(
        bodies(&frames, "a"),
        [7],
        "its policy would rather close than drop it"
    );
    assert_eq!(bodies(&frames, "old:a").last(), Some(&49));
}

#[test]
fn a_topic_that_disconnects_does_so_although_the_others_drop() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let id = world.slow_subscriber(&["a", "old:a"], 0);
    publish_numbers(&mut world, "old:a", 50);
    assert_eq!(world.counts().closed_slow, 0);
    publish_numbers(&mut world, "a", 50);
    assert_eq!(world.counts().closed_slow, 1);
    world.make_room(id, usize::MAX);
    assert_eq!(world.read(id), [Frame::Close(Some(3008))]);
}

#[test]
fn replies_are_never_dropped_and_keep_their_place() {
    for slow in [SlowPolicy::DropOldest, SlowPolicy::Conflate] {
        let mut world = World::new(small(slow));
        let id = world.slow_subscriber(&["a"], 0);
        for number in 0..8 {
            publish_numbers(&mut world, "a", 20);
            world.say(id, &format!(r#"{{"id":{},"ping":{{}}}}"#, number + 10));
        }
        assert_eq!(
            world.counts().closed_slow,
            0,
            "{slow:?}: a reply makes room for itself"
        );
        world.make_room(id, usize::MAX);
        let texts = world.texts(id);
        let replies: Vec<_> = texts.iter().filter(|text| text.contains("ping")).collect();
        assert_eq!(replies.len(), 8, "{slow:?}: {texts:?}");
        assert!(replies.is_sorted(), "{replies:?}");
    }
}

#[test]
fn a_full_outbox_that_may_drop_does_not_close_the_connection_for_a_ping() {
    let mut config = small(SlowPolicy::DropOldest);
    config.ws.pong_timeout = std::time::Duration::from_secs(60);
    config.ws.outbox = 20_000; // The pings stay, and there will be some 70 of them.
    let mut world = World::new(config);
    let id = world.slow_subscriber(&["a"], 0);
    // Bodies of growing length try every remainder of the bound.
    for length in 0..60 {
        for _ in 0..150 {
            world.publish("a", &format!("\"{}\"", "x".repeat(length)));
        }
        world.wait(30_000_000);
        world.feed(id, &wire::masked(wire::PONG, b""));
    }
    assert_eq!(world.counts().closed_slow, 0);
    assert!(world.counts().pings > 20);
}

#[test]
fn a_droppable_publication_larger_than_the_bound_replaces_the_others() {
    for slow in [SlowPolicy::DropOldest, SlowPolicy::Conflate] {
        let mut world = World::new(small(slow));
        let id = world.slow_subscriber(&["a"], 20);
        publish_numbers(&mut world, "a", 10);
        let large = format!("\"{}\"", "x".repeat(OUTBOX));
        for _ in 0..3 {
            world.publish("a", &large);
            world.turn();
        }
        let counts = world.counts();
        assert_eq!((counts.closed_slow, counts.pending), (0, 2), "{slow:?}");
        world.make_room(id, usize::MAX);
        assert_eq!(world.texts(id), [push("a", "0"), push("a", &large)]);
    }
}

#[test]
fn a_client_that_makes_the_server_answer_and_never_reads_is_slow() {
    let mut world = World::new(small(SlowPolicy::DropOldest));
    let id = world.slow_subscriber(&["a"], 0);
    let pong_weight = 2 + 125 + FRAME_OVERHEAD_BYTES;
    let fits = OUTBOX / pong_weight;
    for number in 0..fits + 5 {
        let closed = world.counts().closed_slow;
        assert_eq!(closed == 1, number > fits + 1, "after {number}");
        world.feed(id, &wire::masked(wire::PING, &[7; 125]));
        world.turn();
    }
    assert_eq!(world.counts().closed_slow, 1);
    world.make_room(id, usize::MAX);
    let frames = world.read(id);
    assert_eq!(frames.last(), Some(&Frame::Close(Some(3008))));
    assert_eq!(
        frames.len(),
        fits + 3,
        "the answers within the bound, the one that passes it, the one too many, the close"
    );
}

#[test]
fn one_slow_subscriber_does_not_hold_up_the_others() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let slow = world.slow_subscriber(&["a"], 0);
    let quick = world.subscriber(&["a"]);
    publish_numbers(&mut world, "a", 100);
    assert_eq!(
        bodies(&world.read(quick), "a"),
        (0..100).collect::<Vec<_>>()
    );
    assert_eq!(world.counts().closed_slow, 1);
    assert_eq!(world.read(slow), []);
}

#[test]
fn a_frame_larger_than_the_bound_passes_behind_something_small() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let id = world.subscriber(&["a"]);
    let large = format!("\"{}\"", "x".repeat(2 * OUTBOX));
    world.feed(id, &wire::masked(wire::PING, b"small"));
    world.publish("a", &large);
    assert_eq!(world.counts().closed_slow, 0);
    let pong = Frame::Pong(b"small".to_vec());
    assert_eq!(world.read(id), [pong, Frame::text(&push("a", &large))]);

    world.publish("a", &large);
    world.publish("a", "1");
    assert_eq!(
        world.counts().closed_slow,
        1,
        "before the second was a bound's worth"
    );
}

#[test]
fn tiny_frames_count_for_the_memory_around_them() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let id = world.upgraded("/raw?topic=a");
    world.socket(id).room = 0;
    let weight = 3 + FRAME_OVERHEAD_BYTES;
    let fits = OUTBOX / weight;
    publish_numbers(&mut world, "a", 1);
    for _ in 0..fits {
        world.publish("a", "7");
    }
    let counts = world.counts();
    assert_eq!(counts.closed_slow, 0);
    assert_eq!(counts.pending_bytes, 3 * (fits as u64 + 1), "true bytes");
    world.publish("a", "7");
    assert_eq!(world.counts().closed_slow, 1);
}

#[test]
fn what_may_be_dropped_goes_oldest_first_from_between_what_must_stay() {
    let mut world = World::new(small(SlowPolicy::Disconnect));
    let id = world.slow_subscriber(&["a", "old:a"], 0);
    for number in 0..40 {
        if number % 8 == 0 {
            world.publish("a", &number.to_string());
        }
        world.publish("old:a", &number.to_string());
        world.turn();
    }
    assert_eq!(world.counts().closed_slow, 0);
    world.make_room(id, usize::MAX);
    let frames = world.read(id);
    assert_eq!(bodies(&frames, "a"), [0, 8, 16, 24, 32]);
    let kept = bodies(&frames, "old:a");
    assert_eq!(kept, (40 - kept.len()..40).collect::<Vec<_>>());
    assert!(kept.len() >= 5, "{kept:?}");
}
