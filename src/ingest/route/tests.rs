//! Tests of routing: order, shared broadcasts, bounds, counters, full lanes.

use std::iter;

use proptest::prelude::*;

use super::*;
use crate::config::PayloadKind;
use crate::delivery::{Encoding, NamespaceRules};
use crate::fabric::{InterestCounts, LaneItem, Wake};
use crate::limits::{LANE_BATCHES, LANE_BYTES};
use crate::wire::{Deflater, encode};

const RULES: NamespaceRules = NamespaceRules {
    payload_kind: PayloadKind::Json,
    may_deflate: true,
    may_join: true,
};

/// A router with two shards and without sockets.
struct World {
    fabric: Arc<Fabric>,
    interest: [InterestCounts; 2],
    router: LaneRouter,
    counts: IngestCounts,
}

impl World {
    fn new(batch: usize) -> Self {
        let wake = || Wake::new(tempfile::tempfile().expect("a file replaces an event descriptor"));
        let fabric = Arc::new(Fabric::new(vec![wake(), wake()], wake(), 1));
        Self {
            router: LaneRouter::new(Arc::clone(&fabric), &config(batch)),
            interest: Default::default(),
            counts: IngestCounts::default(),
            fabric,
        }
    }

    fn want(&mut self, shard: usize, topic: &str) {
        let hash = self.fabric.hasher.hash(topic);
        self.interest[shard].add(&self.fabric.shards[shard].interest, hash);
    }

    fn add(&mut self, topic: &str, payload: &str, rules: NamespaceRules) {
        let publication = Publication {
            topic,
            payload: payload.as_bytes().into(),
            rules,
            meta: None,
            info: None,
        };
        let added = self
            .router
            .add(&publication, 0, FullLanePolicy::Drop, &mut self.counts);
        assert_eq!(added, Ok(()), "the policy drops and never refuses");
    }

    /// Adds a publication of a sender that can be held back.
    fn try_add(
        &mut self,
        topic: &str,
        payload: &str,
        rules: NamespaceRules,
    ) -> Result<(), LaneFull> {
        let publication = Publication {
            topic,
            payload: payload.as_bytes().into(),
            rules,
            meta: None,
            info: None,
        };
        self.router
            .add(&publication, 0, FullLanePolicy::Refuse, &mut self.counts)
    }

    fn flush(&mut self) {
        self.router.flush(&mut self.counts);
    }

    /// Takes the batches from the lane of a shard.
    fn batches(&self, shard: usize) -> Vec<Arc<Batch>> {
        let lane = &self.fabric.shards[shard].lane;
        let batches = iter::from_fn(|| lane.pop()).map(|item| match item {
            LaneItem::Batch(pushed) => pushed.batch,
            LaneItem::Answers(_) => panic!("the router pushes batches only"),
        });
        batches.collect()
    }

    /// Returns the number of publications of each broadcast for the first shard.
    fn shares(&mut self) -> Vec<u32> {
        self.flush();
        let batches = self.batches(0);
        let broadcasts = batches.iter().flat_map(|batch| &batch.broadcasts);
        broadcasts.map(Broadcast::publications).collect()
    }
}

fn config(batch: usize) -> Config {
    let mut config = Config::default();
    config.ws.batch = batch;
    config
}

/// Returns the frame of the client protocol, without its header.
fn message(broadcast: &Broadcast) -> Vec<u8> {
    let frame = broadcast.frames(Encoding::plain(Codec::Json), &mut Deflater::default());
    encode::payload(&frame).to_vec()
}

/// Returns the topic and the number of each push in a broadcast.
fn pushes(broadcast: &Broadcast) -> Vec<(String, u64)> {
    let message = message(broadcast);
    let lines = message.split(|byte| *byte == b'\n').map(|line| {
        let value: serde_json::Value = serde_json::from_slice(line).expect("a line is JSON");
        let topic = value["push"]["channel"].as_str().expect("a topic").into();
        let number = value["push"]["pub"]["data"][0].as_u64();
        (topic, number.expect("a number"))
    });
    lines.collect()
}

const TOPICS: [&str; 4] = ["a", "b", "latest:a", "a rather longer topic"];

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(64)
    })]

    #[test]
    fn each_topic_keeps_its_order_and_no_bound_is_exceeded(
        steps in prop::collection::vec((0..TOPICS.len(), 0..3_000_usize, 0..40_u8), 1..600),
        batch in prop_oneof![Just(0), 1..14_000_usize],
    ) {
        let mut world = World::new(batch);
        for topic in TOPICS {
            world.want(0, topic);
        }
        let mut published = [0; TOPICS.len()];
        for (topic, bytes, chance) in steps {
            let bytes = if chance < 30 { bytes / 50 } else { bytes };
            let body = format!(r#"[{},"{}"]"#, published[topic], "x".repeat(bytes));
            let rules = NamespaceRules { may_join: !TOPICS[topic].starts_with("latest"), ..RULES };
            world.add(TOPICS[topic], &body, rules);
            published[topic] += 1;
            if chance == 0 {
                world.flush();
            }
        }
        world.flush();
        let mut seen = [0; TOPICS.len()];
        for batch_seen in world.batches(0) {
            let shares = batch_seen.broadcasts.iter().map(|each| each.publications() as usize);
            prop_assert!(shares.sum::<usize>() <= BATCH_PUBLICATIONS);
            let held = batch_seen.held_bytes;
            prop_assert!(held <= BATCH_BYTES || batch_seen.broadcasts.len() == 1, "{}", held);
            for broadcast in &batch_seen.broadcasts {
                let pushes = pushes(broadcast);
                prop_assert_eq!(pushes.len(), broadcast.publications() as usize);
                let is_shared = pushes.len() > 1;
                prop_assert!(!is_shared || message(broadcast).len() <= batch);
                prop_assert!(!is_shared || broadcast.topic() != "latest:a");
                for (topic, number) in pushes {
                    prop_assert_eq!(&*topic, broadcast.topic());
                    let position = TOPICS.iter().position(|each| *each == topic);
                    let position = position.expect("the topic is in TOPICS");
                    prop_assert_eq!(number, seen[position], "{}", topic);
                    seen[position] += 1;
                }
            }
        }
        prop_assert_eq!(seen, published);
        prop_assert_eq!(world.counts.routed, published.iter().sum::<u64>());
    }
}

#[test]
fn a_publication_joins_the_latest_broadcast_of_its_topic_in_the_same_batch() {
    let mut world = World::new(8_192);
    world.want(0, "a");
    world.want(0, "b");
    for topic in ["a", "b", "a", "b", "a"] {
        world.add(topic, "[1]", RULES);
    }
    assert_eq!(world.shares(), [3, 2]);
    world.add("a", "[1]", RULES);
    world.flush();
    world.add("a", "[1]", RULES);
    assert_eq!(world.shares(), [1, 1]);
}

#[test]
fn a_publication_too_large_to_join_starts_a_new_broadcast() {
    let mut world = World::new(400);
    world.want(0, "a");
    let large = format!("[\"{}\"]", "x".repeat(1_000));
    for payload in ["[1]", "[2]", &large, "[3]", "[4]"] {
        world.add("a", payload, RULES);
    }
    assert_eq!(world.shares(), [2, 1, 2]);
}

#[test]
fn the_topic_counts_toward_the_size_of_a_shared_frame() {
    let topic = "t".repeat(255);
    let mut world = World::new(8_192);
    world.want(0, &topic);
    let text = NamespaceRules {
        payload_kind: PayloadKind::Text,
        ..RULES
    };
    for _ in 0..200 {
        world.add(&topic, "", text);
    }
    world.flush();
    for batch in world.batches(0) {
        for broadcast in &batch.broadcasts {
            assert!(broadcast.publications() > 1);
            assert!(message(broadcast).len() <= 8_192);
        }
    }
}

#[test]
fn nothing_joins_without_a_batch_size_or_in_a_conflated_namespace() {
    let text = NamespaceRules {
        payload_kind: PayloadKind::Text,
        ..RULES
    };
    let conflated = NamespaceRules {
        may_join: false,
        ..text
    };
    for (batch, rules) in [(0, text), (8_192, conflated)] {
        let mut world = World::new(batch);
        world.want(0, "a");
        for payload in ["", "", "x"] {
            world.add("a", payload, rules);
        }
        assert_eq!(world.shares(), [1; 3]);
    }
}

#[test]
fn topics_with_the_same_hash_do_not_share_a_broadcast() {
    let mut world = World::new(8_192);
    let router = &mut world.router;
    for (topic, payload) in [("a", "[1]"), ("b", "[2]"), ("a", "[3]"), ("b", "[4]")] {
        let publication = Publication {
            topic,
            payload: payload.as_bytes().into(),
            rules: RULES,
            meta: None,
            info: None,
        };
        if router.join_latest(&publication, 7) == Join::NeedsBroadcast {
            let broadcast = Broadcast::new(topic, 7, payload.as_bytes(), None, RULES, 0);
            router.broadcasts.push(broadcast);
        }
    }
    let seen: Vec<_> = router.broadcasts.iter().map(pushes).collect();
    let both = |topic: &str, one, other| vec![(topic.into(), one), (topic.into(), other)];
    assert_eq!(
        router
            .broadcasts
            .iter()
            .map(Broadcast::publications)
            .collect::<Vec<_>>(),
        [2, 2]
    );
    assert_eq!(seen, [both("a", 1, 3), both("b", 2, 4)]);
}

#[test]
fn counters_count_publications_also_when_they_share_a_broadcast() {
    let mut world = World::new(8_192);
    world.want(0, "a");
    world.want(1, "a");
    world.want(1, "b");
    for topic in ["a", "b", "a", "unwanted", "b", "a"] {
        world.add(topic, "[1]", RULES);
    }
    world.flush();
    let counts = world.counts;
    assert_eq!(
        (counts.accepted, counts.unwanted, counts.routed),
        (6, 1, 3 + 5)
    );
    assert_eq!(counts.received_bytes, 6 * 3);
    assert_eq!((world.batches(0).len(), world.batches(1).len()), (1, 1));

    for _ in 0..LANE_BATCHES + 5 {
        world.add("b", "[1]", RULES);
        world.add("b", "[2]", RULES);
        world.flush();
    }
    assert_eq!(
        world.counts.lane_full,
        2 * 5,
        "counted per publication, for the shard whose lane is full"
    );
    assert_eq!(world.counts.routed, counts.routed + 2 * LANE_BATCHES as u64);
    assert_eq!(world.batches(0).len(), 0);
}

#[test]
fn a_new_batch_size_applies_from_the_next_publication_on() {
    let mut world = World::new(0);
    world.want(0, "a");
    for (batch, expected) in [(8_192, &[2][..]), (0, &[1, 1]), (8_192, &[2])] {
        world.router.reconfigure(&config(batch));
        world.add("a", "[1]", RULES);
        world.add("a", "[2]", RULES);
        assert_eq!(world.shares(), expected);
    }
}

/// Fills the lane of a shard with batches for a topic that only this shard wants.
fn fill_lane(world: &mut World, shard: usize, topic: &str) {
    world.want(shard, topic);
    for _ in 0..LANE_BATCHES {
        world.add(topic, "[0]", RULES);
        world.flush();
    }
    assert_eq!(world.counts.lane_full, 0);
}

#[test]
fn a_refused_publication_reaches_no_shard_and_changes_no_counter() {
    let mut world = World::new(8_192);
    fill_lane(&mut world, 1, "only 1");
    world.want(0, "both");
    world.want(1, "both");
    world.want(0, "only 0");
    let before = world.counts;
    assert_eq!(world.try_add("both", "[1]", RULES), Err(LaneFull));
    world.flush();
    assert_eq!(world.counts, before);
    assert_eq!(
        world.batches(0).len(),
        0,
        "the shard with room gets nothing"
    );

    assert_eq!(world.try_add("only 0", "[1]", RULES), Ok(()));
    assert_eq!(world.try_add("unwanted", "[1]", RULES), Ok(()));
    world.flush();
    assert_eq!(
        world.batches(0).len(),
        1,
        "a full lane of another shard does not matter"
    );

    world.fabric.shards[1].lane.pop().expect("the lane is full");
    assert_eq!(world.try_add("both", "[1]", RULES), Ok(()));
    world.flush();
    assert_eq!(
        (world.batches(0).len(), world.batches(1).len()),
        (1, LANE_BATCHES)
    );
    assert_eq!(world.counts.lane_full, 0);
}

#[test]
fn a_publication_that_cannot_be_refused_is_dropped_and_counted() {
    let mut world = World::new(8_192);
    fill_lane(&mut world, 1, "only 1");
    world.want(0, "both");
    world.want(1, "both");
    world.add("both", "[1]", RULES);
    world.flush();
    assert_eq!(world.counts.lane_full, 1);
    assert_eq!(
        world.batches(0).len(),
        1,
        "the shard with room gets the batch"
    );
    assert_eq!(
        world.counts.wanted,
        world.counts.routed + world.counts.lane_full
    );
}

/// Returns the worst case for the size of a batch: the JSON codec escapes every byte.
fn escaped_payload(bytes: usize) -> String {
    "\u{1}".repeat(bytes)
}

const TEXT: NamespaceRules = NamespaceRules {
    payload_kind: PayloadKind::Text,
    ..RULES
};

#[test]
fn the_encoded_batch_stays_within_the_reserved_bytes() {
    for (publications, bytes) in [(1, 0), (1, 300_000), (100, 300), (256, 0), (10, 3_000)] {
        let mut world = World::new(8_192);
        let topic = "\"".repeat(200);
        world.want(0, &topic);
        world.fabric.codecs.add(Codec::Json);
        world.fabric.codecs.add(Codec::Raw);
        let mut estimate = 0;
        for _ in 0..publications {
            let payload = escaped_payload(bytes);
            world.add(&topic, &payload, TEXT);
            estimate = estimate.max(world.router.held_bytes);
        }
        world.flush();
        let reserved = ENCODING_GROWTH * estimate.max(BATCH_BYTES);
        for batch in world.batches(0) {
            let held_bytes = batch.held_bytes;
            assert!(held_bytes <= reserved, "{held_bytes} of {reserved}");
        }
    }
}

#[test]
fn an_accepted_publication_is_never_dropped_whatever_joins_its_batch() {
    let mut world = World::new(8_192);
    for topic in ["a", "b"] {
        world.want(0, topic);
    }
    world.fabric.codecs.add(Codec::Json);
    world.fabric.codecs.add(Codec::Raw);
    let mut outcomes = Vec::new();
    for _ in 0..LANE_BYTES / 60_000 {
        outcomes.push(world.try_add("a", &escaped_payload(1_000), TEXT).is_ok());
        for _ in 0..10 {
            world.add("b", &escaped_payload(1_000), TEXT);
        }
        let accepted = outcomes.iter().filter(|is_accepted| **is_accepted).count();
        let dropped = world.counts.lane_full;
        world.flush();
        if outcomes.last() == Some(&true) {
            assert_eq!(
                world.counts.lane_full, dropped,
                "publication {accepted} is on the lane"
            );
        }
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false));
    let accepted = outcomes.iter().filter(|is_accepted| **is_accepted).count();
    let batches = world.batches(0);
    let broadcasts = batches.iter().flat_map(|batch| &batch.broadcasts);
    let delivered = broadcasts.filter(|broadcast| broadcast.topic() == "a");
    let delivered: u32 = delivered.map(Broadcast::publications).sum();
    assert_eq!(delivered as usize, accepted);
}

#[test]
fn large_publications_are_not_refused_while_the_lane_has_room_for_them() {
    let mut world = World::new(8_192);
    world.want(0, "a");
    let payload = format!("\"{}\"", "x".repeat(5 << 20));
    for _ in 0..3 {
        assert_eq!(world.try_add("a", &payload, RULES), Ok(()));
        world.flush();
    }
    let counts = world.counts;
    assert_eq!(
        (counts.accepted, counts.routed, counts.lane_full),
        (3, 3, 0)
    );
    // Each holds the payload and up to two encodings; the lane has room for 64 MiB.
    let refused = (0..20).any(|_| {
        let result = world.try_add("a", &payload, RULES);
        world.flush();
        result.is_err()
    });
    assert!(refused, "the bound of the lane still holds");
    assert_eq!(
        world.counts.lane_full, 0,
        "an accepted publication is not dropped"
    );
}
