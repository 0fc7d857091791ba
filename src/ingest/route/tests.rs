//! What the router makes of publications: order, joining, bounds, counts.

use proptest::prelude::*;

use super::*;
use crate::config::PayloadKind;
use crate::delivery::{Encoding, NamespaceRules};
use crate::fabric::{Wake, Wanted};
use crate::limits::LANE_BATCHES;
use crate::wire::{Deflater, encode};

const RULES: NamespaceRules = NamespaceRules {
    kind: PayloadKind::Json,
    deflates: true,
    joins: true,
};

/// A router between no sockets and two shards.
struct Desk {
    fabric: Arc<Fabric>,
    wanted: [Wanted; 2],
    router: Router,
    counts: IngestCounts,
}

impl Desk {
    fn new(batch: usize) -> Self {
        let wake = || Wake::new(tempfile::tempfile().expect("a file stands in for an event"));
        let fabric = Arc::new(Fabric::new(vec![wake(), wake()], wake(), 1));
        Self {
            router: Router::new(Arc::clone(&fabric), &config(batch)),
            wanted: Default::default(),
            counts: IngestCounts::default(),
            fabric,
        }
    }

    fn want(&mut self, shard: usize, topic: &str) {
        let hash = self.fabric.hasher.hash(topic);
        self.wanted[shard].set(&self.fabric.shards[shard].interest, hash, true);
    }

    fn add(&mut self, topic: &str, payload: &str, rules: NamespaceRules) {
        let publication = Publication {
            topic,
            payload: payload.as_bytes().into(),
            rules,
            meta: None,
        };
        self.router.add(&publication, 0, &mut self.counts);
    }

    fn flush(&mut self) {
        self.router.flush(&mut self.counts);
    }

    /// The batches that wait for a shard.
    fn batches(&self, shard: usize) -> Vec<Arc<Batch>> {
        let lane = &self.fabric.shards[shard].lane;
        std::iter::from_fn(|| lane.pop().map(|parcel| parcel.batch)).collect()
    }

    /// How many publications each broadcast for the first shard carries.
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

/// The frame of the client protocol, without its header.
fn message(broadcast: &Broadcast) -> Vec<u8> {
    let frame = broadcast.frames(Encoding::plain(Codec::Json), &mut Deflater::default());
    encode::payload(&frame).to_vec()
}

/// The topic and the number in each of the pushes that share a broadcast.
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
    fn each_topic_keeps_its_order_and_no_bound_is_passed(
        steps in prop::collection::vec((0..TOPICS.len(), 0..3_000_usize, 0..40_u8), 1..600),
        batch in prop_oneof![Just(0), 1..14_000_usize],
    ) {
        let mut desk = Desk::new(batch);
        for topic in TOPICS {
            desk.want(0, topic);
        }
        let mut published = [0; TOPICS.len()];
        for (topic, bytes, chance) in steps {
            let bytes = if chance < 30 { bytes / 50 } else { bytes };
            let body = format!(r#"[{},"{}"]"#, published[topic], "x".repeat(bytes));
            let rules = NamespaceRules { joins: !TOPICS[topic].starts_with("latest"), ..RULES };
            desk.add(TOPICS[topic], &body, rules);
            published[topic] += 1;
            if chance == 0 {
                desk.flush();
            }
        }
        desk.flush();
        let mut seen = [0; TOPICS.len()];
        for batch_seen in desk.batches(0) {
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
                    let position = TOPICS.iter().position(|each| *each == topic).expect("ours");
                    prop_assert_eq!(number, seen[position], "{}", topic);
                    seen[position] += 1;
                }
            }
        }
        prop_assert_eq!(seen, published);
        prop_assert_eq!(desk.counts.routed, published.iter().sum::<u64>());
    }
}

#[test]
fn a_topic_joins_its_latest_broadcast_past_others_and_not_past_a_flush() {
    let mut desk = Desk::new(8_192);
    desk.want(0, "a");
    desk.want(0, "b");
    for topic in ["a", "b", "a", "b", "a"] {
        desk.add(topic, "[1]", RULES);
    }
    assert_eq!(desk.shares(), [3, 2]);
    desk.add("a", "[1]", RULES);
    desk.flush();
    desk.add("a", "[1]", RULES);
    assert_eq!(desk.shares(), [1, 1]);
}

#[test]
fn a_publication_too_large_to_join_begins_the_broadcast_that_others_join() {
    let mut desk = Desk::new(400);
    desk.want(0, "a");
    let large = format!("[\"{}\"]", "x".repeat(1_000));
    for payload in ["[1]", "[2]", &large, "[3]", "[4]"] {
        desk.add("a", payload, RULES);
    }
    assert_eq!(desk.shares(), [2, 1, 2]);
}

#[test]
fn the_topic_counts_for_the_frame() {
    let topic = "t".repeat(255);
    let mut desk = Desk::new(8_192);
    desk.want(0, &topic);
    let text = NamespaceRules {
        kind: PayloadKind::Text,
        ..RULES
    };
    for _ in 0..200 {
        desk.add(&topic, "", text);
    }
    desk.flush();
    for batch in desk.batches(0) {
        for broadcast in &batch.broadcasts {
            assert!(broadcast.publications() > 1);
            assert!(message(broadcast).len() <= 8_192);
        }
    }
}

#[test]
fn without_a_batch_size_and_where_it_is_conflated_nothing_joins_not_even_empty_texts() {
    let text = NamespaceRules {
        kind: PayloadKind::Text,
        ..RULES
    };
    let conflated = NamespaceRules {
        joins: false,
        ..text
    };
    for (batch, rules) in [(0, text), (8_192, conflated)] {
        let mut desk = Desk::new(batch);
        desk.want(0, "a");
        for payload in ["", "", "x"] {
            desk.add("a", payload, rules);
        }
        assert_eq!(desk.shares(), [1; 3]);
    }
}

#[test]
fn topics_with_one_hash_share_no_broadcast() {
    let mut desk = Desk::new(8_192);
    let router = &mut desk.router;
    for (topic, payload) in [("a", "[1]"), ("b", "[2]"), ("a", "[3]"), ("b", "[4]")] {
        if !router.join(topic, 7, payload.as_bytes()) {
            let broadcast = Broadcast::new(topic, 7, payload.as_bytes(), RULES, 0);
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
fn counts_are_of_publications_however_they_are_joined() {
    let mut desk = Desk::new(8_192);
    desk.want(0, "a");
    desk.want(1, "a");
    desk.want(1, "b");
    for topic in ["a", "b", "a", "nobody's", "b", "a"] {
        desk.add(topic, "[1]", RULES);
    }
    desk.flush();
    let counts = desk.counts;
    assert_eq!(
        (counts.accepted, counts.unwanted, counts.routed),
        (6, 1, 3 + 5)
    );
    assert_eq!(counts.received_bytes, 6 * 3);
    assert_eq!((desk.batches(0).len(), desk.batches(1).len()), (1, 1));

    for _ in 0..LANE_BATCHES + 5 {
        desk.add("b", "[1]", RULES);
        desk.add("b", "[2]", RULES);
        desk.flush();
    }
    assert_eq!(
        desk.counts.lane_full,
        2 * 5,
        "per publication, for the shard that is behind"
    );
    assert_eq!(desk.counts.routed, counts.routed + 2 * LANE_BATCHES as u64);
    assert_eq!(desk.batches(0).len(), 0);
}

#[test]
fn a_new_batch_size_holds_from_the_next_publication_on() {
    let mut desk = Desk::new(0);
    desk.want(0, "a");
    for (batch, expected) in [(8_192, &[2][..]), (0, &[1, 1]), (8_192, &[2])] {
        desk.router.reconfigure(&config(batch));
        desk.add("a", "[1]", RULES);
        desk.add("a", "[2]", RULES);
        assert_eq!(desk.shares(), expected);
    }
}
