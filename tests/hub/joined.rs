//! Publications that share a broadcast: what they look like, and how they are accounted for when
//! a connection takes only a part of them.

use fanfare::config::{Config, PayloadKind, SlowPolicy};
use fanfare::delivery::NamespaceRules;
use fanfare::hub::ConnectionId;

use crate::upstream::{RULES, config, joined, namespace, push};
use crate::wire::{FULL, Frame, NARROW};
use crate::world::{World, dropped};

const RAW: &str = "/raw?topic=a";
/// Publications that share each broadcast of [`publish_some`].
const EACH: u64 = 3;

/// A hub with small outboxes, on which even small messages are compressed.
fn small(slow: SlowPolicy) -> Config {
    let mut config = config();
    (config.ws.outbox, config.ingest.max_payload) = (2_000, 2_000);
    config.ws.deflate.threshold = 0;
    config.namespaces = vec![namespace("", slow)];
    config
}

fn body(number: u64) -> String {
    format!(r#"{{"n":{number},"padding":"{}"}}"#, "x".repeat(60))
}

/// Broadcasts of three publications each, counting up.
fn publish_some(world: &mut World, broadcasts: u64) {
    for broadcast in 0..broadcasts {
        let bodies = [0, 1, 2].map(|each| body(EACH * broadcast + each));
        world.publish_joined("a", &bodies.each_ref().map(String::as_str));
        world.turn();
    }
}

/// The numbers that a connection got, and the code of the close frame behind them.
fn numbers(world: &mut World, id: ConnectionId) -> (Vec<u64>, Option<u16>) {
    let (mut numbers, mut code) = (Vec::new(), None);
    for frame in world.read(id) {
        match frame {
            Frame::Text(text) => numbers.extend(text.split('\n').map(number)),
            Frame::Close(close) => code = close,
            other => panic!("{other:?}"),
        }
    }
    (numbers, code)
}

/// The number in a push or a bare payload.
fn number(line: &str) -> u64 {
    let value: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
    let data = value.pointer("/push/pub/data").unwrap_or(&value);
    data["n"].as_u64().expect("a number was published")
}

/// Subscribers of every codec and encoding.
fn each_kind(world: &mut World) -> Vec<ConnectionId> {
    let mut ids = Vec::new();
    for headers in ["", FULL, NARROW] {
        ids.push(world.subscriber_with(headers, &["a"]));
        ids.push(world.upgraded_with(RAW, headers));
    }
    ids
}

#[test]
fn one_frame_joined_with_newlines_or_one_frame_each_for_raw() {
    for count in [3, 50, 256] {
        let mut world = World::new(config());
        let ids = each_kind(&mut world);
        let bodies: Vec<_> = (0..count).map(|each| body(each * each)).collect();
        let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
        world.publish_joined("a", &bodies);
        let pushes: Vec<_> = bodies.iter().map(|body| push("a", body)).collect();
        for (position, id) in ids.into_iter().enumerate() {
            let texts = world.texts(id);
            if position % 2 == 0 {
                assert_eq!(texts, [pushes.join("\n")]);
            } else {
                assert_eq!(texts, bodies);
            }
        }
        let counts = world.counts();
        assert_eq!((counts.matched, counts.written), (6 * count, 6 * count));
        assert_eq!(counts.broadcasts, 1);
        let recorded = world.latency.snapshot().buckets;
        let recorded: u64 = recorded.iter().map(|(_, count)| count).sum();
        assert_eq!(recorded, 6 * count);
        // Below the threshold each raw message goes plain, while together they are worth it.
        assert_eq!(counts.deflate_small, count * u64::from(body(0).len() < 256));
        assert!((1..=2).contains(&counts.deflate_compressed), "{counts:?}");
        assert_eq!(counts.deflate_deliveries, 2 * count);
    }
}

#[test]
fn payloads_of_every_kind_share_a_broadcast_even_empty_ones() {
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
        let mut world = World::new(small(SlowPolicy::Disconnect));
        let ids = each_kind(&mut world);
        let rules = NamespaceRules {
            payload_kind: kind,
            ..RULES
        };
        let broadcast = joined(&world.hasher, "a", &bodies, rules, 0);
        world.hub.publish(&broadcast, 0);
        let expected: Vec<String> = serde_json::from_str(data).unwrap();
        for (position, id) in ids.into_iter().enumerate() {
            let frames = world.read(id);
            if position % 2 == 1 {
                let frame = |body: &&str| match kind {
                    PayloadKind::Binary => Frame::Binary(body.as_bytes().into()),
                    _ => Frame::text(body),
                };
                assert_eq!(frames, bodies.iter().map(frame).collect::<Vec<_>>());
                continue;
            }
            let [Frame::Text(text)] = &frames[..] else {
                panic!("{frames:?}");
            };
            let data = text.split('\n').map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line["push"]["pub"]["data"].as_str().unwrap().to_owned()
            });
            assert_eq!(data.collect::<Vec<_>>(), expected);
        }
    }
}

/// Runs `check` for each codec and encoding, and for a socket that is full after each number of
/// bytes of the first broadcast.
fn cut_everywhere(slow: SlowPolicy, check: impl Fn(&mut World, ConnectionId)) {
    for target in ["/connection/websocket", RAW] {
        for headers in ["", FULL, NARROW] {
            // Some of the second broadcast too.
            let most = if headers.is_empty() { 400 } else { 240 };
            for room in 0..most {
                let mut world = World::new(small(slow));
                let id = if target == RAW {
                    world.upgraded_with(RAW, headers)
                } else {
                    world.subscriber_with(headers, &["a"])
                };
                world.socket(id).room = room;
                check(&mut world, id);
                assert_eq!(world.counts().pending, 0);
            }
        }
    }
}

/// Broadcasts come whole or not at all.
#[track_caller]
fn assert_in_threes(numbers: &[u64]) {
    for three in numbers.chunks(EACH as usize) {
        let first = three[0];
        assert!(first.is_multiple_of(EACH), "{numbers:?}");
        assert_eq!(three, [first, first + 1, first + 2]);
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn disconnect_counts_every_publication_wherever_the_frame_is_cut() {
    cut_everywhere(SlowPolicy::Disconnect, |world, id| {
        publish_some(world, 20);
        let counts = world.counts();
        assert_eq!(counts.closed_slow, 1);
        assert!(counts.dropped_slow > 0 && counts.dropped_slow.is_multiple_of(EACH));
        world.make_room(id, usize::MAX);
        let (numbers, code) = numbers(world, id);
        assert_in_threes(&numbers);
        assert_eq!(code, Some(3008));
        let counts = world.counts();
        assert_eq!(
            counts.written,
            numbers.len() as u64,
            "what was cut still came whole"
        );
        assert_eq!(counts.matched, counts.written + counts.dropped_slow);
        assert!((0..counts.written).eq(numbers));
    });
}

#[test]
fn drop_oldest_drops_whole_broadcasts_and_counts_their_publications() {
    cut_everywhere(SlowPolicy::DropOldest, |world, id| {
        publish_some(world, 20);
        assert!(world.counts().dropped_oldest > 0);
        world.make_room(id, usize::MAX);
        let (numbers, code) = numbers(world, id);
        assert_in_threes(&numbers);
        assert_eq!((code, numbers.last()), (None, Some(&59)));
        let counts = world.counts();
        assert_eq!(counts.matched, 60);
        assert_eq!(counts.written, numbers.len() as u64);
        assert_eq!(counts.dropped_oldest, 60 - counts.written);
    });
}

#[test]
fn what_was_joined_before_a_topic_began_to_conflate_is_conflated_whole() {
    cut_everywhere(SlowPolicy::Conflate, |world, id| {
        publish_some(world, 20);
        let kept = world.counts().pending / EACH;
        assert!(kept <= 2, "the one that is cut, and the latest");
        world.make_room(id, usize::MAX);
        let (numbers, _) = numbers(world, id);
        assert_in_threes(&numbers);
        assert_eq!(numbers.last(), Some(&59));
        let counts = world.counts();
        assert_eq!(counts.dropped_conflated, 60 - numbers.len() as u64);
        assert_eq!(counts.written, numbers.len() as u64);
    });
}

#[test]
fn a_policy_that_changes_while_broadcasts_wait_leaves_no_gap_in_the_accounts() {
    let policies = [
        SlowPolicy::Disconnect,
        SlowPolicy::DropOldest,
        SlowPolicy::Conflate,
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..100 {
        let mut world = World::new(small(*random.choice(&policies).expect("three")));
        let ids = each_kind(&mut world);
        for id in &ids {
            world.socket(*id).room = random.usize(..2_000);
        }
        for _ in 0..random.usize(1..12) {
            publish_some(&mut world, random.u64(1..4));
            world
                .hub
                .reconfigure(small(*random.choice(&policies).expect("three")).into());
            let id = *random.choice(&ids).expect("six");
            world.make_room(id, random.usize(..1_000));
        }
        for id in ids {
            world.make_room(id, usize::MAX);
            assert_in_threes_unsorted(&numbers(&mut world, id).0);
        }
        let counts = world.counts();
        assert_eq!((counts.pending, counts.pending_bytes), (0, 0));
        assert_eq!(counts.matched, counts.written + dropped(&counts));
    }
}

/// Broadcasts come whole; the numbers may start again.
fn assert_in_threes_unsorted(numbers: &[u64]) {
    for three in numbers.chunks(EACH as usize) {
        assert_eq!(three, [three[0], three[0] + 1, three[0] + 2]);
    }
}

#[test]
fn who_is_gone_midway_loses_whole_broadcasts_in_the_accounts() {
    cut_everywhere(SlowPolicy::Disconnect, |world, id| {
        publish_some(world, 2);
        let before = world.counts();
        assert_eq!(before.matched, 2 * EACH);
        world.hub.lost(id);
        world.turn();
        let counts = world.counts();
        assert_eq!(counts.dropped_closed, before.pending);
        assert!(counts.dropped_closed.is_multiple_of(EACH));
        assert_eq!(counts.pending_bytes, 0);
    });
}

#[test]
fn an_unsubscribe_between_two_broadcasts_ends_after_the_first() {
    for headers in ["", FULL, NARROW] {
        let mut world = World::new(small(SlowPolicy::Disconnect));
        let id = world.subscriber_with(headers, &["a"]);
        world.socket(id).room = 5;
        world.publish_joined("a", &["1", "2"]);
        world.turn();
        world.say(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
        world.publish_joined("a", &["3", "4"]);
        world.make_room(id, usize::MAX);
        let both = format!("{}\n{}", push("a", "1"), push("a", "2"));
        assert_eq!(world.texts(id), [&both, r#"{"id":3,"unsubscribe":{}}"#]);
        assert_eq!(world.counts().matched, 2);
    }
}
