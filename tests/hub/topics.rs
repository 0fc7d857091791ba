//! Who gets what: interest, order, the edges of a subscription, rules that change.

use std::sync::Arc;

use fanfare::config::SlowPolicy;
use fanfare::delivery::{Broadcast, NamespaceRules};
use fanfare::hub::{Egress, SendOutcome, Writability};
use fanfare::limits::{EGRESS_ARENA_BYTES, EGRESS_SENDS};

use crate::upstream::{config, namespace, push};
use crate::wire::Frame;
use crate::world::World;

#[test]
fn interest_is_set_before_the_reply_leaves_and_cleared_after_the_last_unsubscribe() {
    let mut world = World::new(config());
    let (one, two) = (world.client(), world.client());
    for id in [one, two] {
        world.say(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
        assert!(world.wants("a"), "before anything is sent");
        assert_eq!(world.read(id).len(), 1);
    }
    world.say(one, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    assert!(world.wants("a"), "the other one is still there");
    world.say(two, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    assert!(!world.wants("a"));
    assert_eq!(world.counts().topics, 0);
}

#[test]
fn publications_come_in_order_between_the_subscribe_and_the_unsubscribe_reply() {
    let mut world = World::new(config());
    let id = world.client();
    world.publish("a", "0");
    world.say(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    world.publish("a", "1");
    world.publish("b", "9");
    world.publish("a", "2");
    world.say(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    world.publish("a", "3");
    world.say(id, r#"{"id":4,"subscribe":{"channel":"a"}}"#);
    world.publish("a", "4");
    let expected = [
        r#"{"id":2,"subscribe":{}}"#.to_owned(),
        push("a", "1"),
        push("a", "2"),
        r#"{"id":3,"unsubscribe":{}}"#.to_owned(),
        r#"{"id":4,"subscribe":{}}"#.to_owned(),
        push("a", "4"),
    ];
    assert_eq!(world.texts(id), expected);
}

#[test]
fn one_message_may_toggle_a_topic() {
    let mut world = World::new(config());
    let id = world.client();
    world.say(
        id,
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}\n{\"id\":4,\"subscribe\":{\"channel\":\"a\"}}",
    );
    world.publish("a", "1");
    assert_eq!(world.texts(id)[1..], [push("a", "1")]);
    assert_eq!(world.counts().subscriptions, 1);
}

#[test]
fn a_publication_is_matched_once_per_subscriber_and_its_latency_recorded() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..5).map(|_| world.subscriber(&["a", "b"])).collect();
    world.publish("a", "1");
    assert_eq!((world.counts().matched, world.counts().pending), (5, 5));
    world.now_us += 40;
    for id in ids {
        assert_eq!(world.texts(id), [push("a", "1")]);
    }
    let counts = world.counts();
    assert_eq!(
        (counts.written, counts.pending, counts.pending_bytes),
        (5, 0, 0)
    );
    assert_eq!(world.latency.snapshot().buckets, [(40, 5)]);
}

#[test]
fn an_unwanted_publication_matches_nobody() {
    let mut world = World::new(config());
    world.publish("a", "1");
    let counts = world.counts();
    assert_eq!((counts.broadcasts, counts.matched), (1, 0));
}

#[test]
fn topics_with_the_same_hash_are_told_apart() {
    let mut world = World::new(config());
    let id = world.subscriber(&["a"]);
    let rules = NamespaceRules::from(config().namespace("b"));
    let message = Broadcast::new("b", world.hasher.hash("a"), b"1", rules, 0);
    world.hub.publish(&message, world.now_us);
    assert_eq!(world.read(id), []);
}

#[test]
fn frames_of_every_size_arrive_whole_and_in_order() {
    let mut world = World::new(config());
    let id = world.subscriber(&["a"]);
    let body = |length: usize| format!("\"{}\"", "x".repeat(length));
    let bodies = [1, 200, 20_000, 3, 70_000, 16_384, 300_000, 5].map(body);
    for body in &bodies {
        world.publish("a", body);
    }
    let expected = bodies.each_ref().map(|body| push("a", body));
    assert_eq!(world.texts(id), expected);
}

#[test]
fn rounds_of_sends_are_bounded_and_reach_everybody() {
    let mut world = World::new(config());
    let count = EGRESS_SENDS + 10;
    let ids: Vec<_> = (0..count).map(|_| world.upgraded("/raw?topic=a")).collect();
    world.publish("a", "1");
    let (mut egress, mut rounds) = (Egress::default(), Vec::new());
    while world.hub.poll_egress(&mut egress) {
        rounds.push(egress.sends().len());
        for send in egress.sends() {
            let length = egress.bytes(send).len() as u32;
            let outcome = SendOutcome::Written(length);
            let sent = world.hub.sent(send.id, outcome, world.now_us);
            assert_eq!(sent, Writability::Ready);
        }
        egress.clear();
    }
    assert_eq!(rounds, [EGRESS_SENDS, 10]);
    assert_eq!(world.counts().written, ids.len() as u64);
}

#[test]
fn a_round_gathers_no_more_bytes_than_its_arena_holds() {
    let mut world = World::new(config());
    let topics: Vec<_> = (0..40).map(|number| format!("t{number}")).collect();
    let ids: Vec<_> = topics
        .iter()
        .map(|topic| world.subscriber(&[topic]))
        .collect();
    let body = format!("\"{}\"", "x".repeat(15_000));
    for topic in &topics {
        world.publish(topic, &body);
    }
    let mut egress = Egress::default();
    assert!(world.hub.poll_egress(&mut egress));
    let gathered: usize = egress
        .sends()
        .iter()
        .map(|send| egress.bytes(send).len())
        .sum();
    assert!((EGRESS_ARENA_BYTES / 2..=EGRESS_ARENA_BYTES).contains(&gathered));
    for send in egress.sends() {
        let sent = world
            .hub
            .sent(send.id, SendOutcome::Written(0), world.now_us);
        assert_eq!(sent, Writability::Full);
    }
    egress.clear();
    for (id, topic) in ids.into_iter().zip(&topics) {
        world.hub.writable(id);
        assert_eq!(world.texts(id), [push(topic, &body)]);
    }
}

#[test]
fn new_rules_hold_from_now_on() {
    let mut first = config();
    first.ws.max_topics = 1;
    let mut world = World::new(first);
    let id = world.subscriber(&["a"]);
    let mut second = config();
    second.ws.outbox = 200;
    second.namespaces[0].slow = SlowPolicy::DropOldest;
    second
        .namespaces
        .push(namespace("open", SlowPolicy::Disconnect));
    second.namespaces[1].publish = true;
    world.hub.reconfigure(Arc::new(second));

    world.say(id, r#"{"id":3,"subscribe":{"channel":"b"}}"#);
    world.say(id, r#"{"id":4,"publish":{"channel":"open:x","data":1}}"#);
    assert_eq!(
        world.texts(id),
        [r#"{"id":3,"subscribe":{}}"#, r#"{"id":4,"publish":{}}"#]
    );
    world.socket(id).room = 0;
    for number in 0..100 {
        world.publish("a", &number.to_string());
        world.turn();
    }
    let counts = world.counts();
    assert!(
        counts.dropped_oldest > 90 && counts.closed_slow == 0,
        "{counts:?}"
    );
    world.make_room(id, usize::MAX);
    assert_eq!(world.read(id).last(), Some(&Frame::text(&push("a", "99"))));
}
