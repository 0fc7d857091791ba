//! Deliveries: interest, order, the start and the end of a subscription, and configuration changes.

use std::sync::Arc;

use fanfare::config::SlowPolicy;
use fanfare::delivery::{Broadcast, NamespaceRules};
use fanfare::hub::{Egress, SendOutcome, TopicPage, Writability};
use fanfare::limits::{EGRESS_ARENA_BYTES, EGRESS_SENDS, TOPIC_PAGE_ITEMS};

use crate::harness::HubHarness;
use crate::upstream::{config, namespace, push};
use crate::wire::{ServerFrame, upgrade_request};

#[test]
fn interest_begins_before_the_reply_is_sent_and_ends_with_the_last_unsubscribe() {
    let mut harness = HubHarness::new(config());
    let (one, two) = (harness.connect_client(), harness.connect_client());
    for id in [one, two] {
        harness.send_text(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
        assert!(
            harness.wants("a"),
            "interest begins before the reply is sent"
        );
        assert_eq!(harness.read_frames(id).len(), 1);
    }
    harness.send_text(one, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    assert!(harness.wants("a"), "the other client is still subscribed");
    harness.send_text(two, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    assert!(!harness.wants("a"));
    assert_eq!(harness.counts().topics, 0);
}

#[test]
fn publications_arrive_in_order_between_the_replies_to_subscribe_and_unsubscribe() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.publish("a", "0");
    harness.send_text(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    harness.publish("a", "1");
    harness.publish("b", "9");
    harness.publish("a", "2");
    harness.send_text(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    harness.publish("a", "3");
    harness.send_text(id, r#"{"id":4,"subscribe":{"channel":"a"}}"#);
    harness.publish("a", "4");
    let expected = [
        r#"{"id":2,"subscribe":{}}"#.to_owned(),
        push("a", "1"),
        push("a", "2"),
        r#"{"id":3,"unsubscribe":{}}"#.to_owned(),
        r#"{"id":4,"subscribe":{}}"#.to_owned(),
        push("a", "4"),
    ];
    assert_eq!(harness.read_texts(id), expected);
}

#[test]
fn one_message_may_subscribe_unsubscribe_and_subscribe_again() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_text(
        id,
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}\n{\"id\":4,\"subscribe\":{\"channel\":\"a\"}}",
    );
    harness.publish("a", "1");
    assert_eq!(harness.read_texts(id)[1..], [push("a", "1")]);
    assert_eq!(harness.counts().subscriptions, 1);
}

#[test]
fn each_subscriber_counts_as_one_match_with_one_latency() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..5)
        .map(|_| harness.connect_subscriber(&["a", "b"]))
        .collect();
    harness.publish("a", "1");
    assert_eq!((harness.counts().matched, harness.counts().pending), (5, 5));
    harness.now_us += 40;
    for id in ids {
        assert_eq!(harness.read_texts(id), [push("a", "1")]);
    }
    let counts = harness.counts();
    assert_eq!(
        (counts.written, counts.pending, counts.pending_bytes),
        (5, 0, 0)
    );
    assert_eq!(harness.latency.snapshot().buckets, [(40, 5)]);
}

#[test]
fn a_publication_without_subscribers_has_no_match() {
    let mut harness = HubHarness::new(config());
    harness.publish("a", "1");
    let counts = harness.counts();
    assert_eq!((counts.broadcasts, counts.matched), (1, 0));
}

#[test]
fn topics_with_the_same_hash_are_distinguished() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber(&["a"]);
    let rules = NamespaceRules::from(config().namespace("b"));
    let broadcast = Broadcast::new("b", harness.hasher.hash("a"), b"1", None, rules, 0);
    harness.hub.publish(&broadcast, harness.now_us);
    assert_eq!(harness.read_frames(id), []);
}

#[test]
fn frames_of_all_sizes_arrive_complete_and_in_order() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber(&["a"]);
    let body = |length: usize| format!("\"{}\"", "x".repeat(length));
    let bodies = [1, 200, 20_000, 3, 70_000, 16_384, 300_000, 5].map(body);
    for body in &bodies {
        harness.publish("a", body);
    }
    let expected = bodies.each_ref().map(|body| push("a", body));
    assert_eq!(harness.read_texts(id), expected);
}

#[test]
fn rounds_of_sends_are_bounded_and_reach_every_subscriber() {
    let mut harness = HubHarness::new(config());
    let count = EGRESS_SENDS + 10;
    let ids: Vec<_> = (0..count)
        .map(|_| harness.open_websocket("/raw?topic=a"))
        .collect();
    harness.publish("a", "1");
    let mut egress = Egress::default();
    let mut rounds = Vec::new();
    while harness.hub.poll_egress(&mut egress) {
        rounds.push(egress.sends().len());
        for send in egress.sends() {
            let length = egress.bytes(send).len() as u32;
            let outcome = SendOutcome::Written(length);
            let sent = harness.hub.sent(send.id, outcome, harness.now_us);
            assert_eq!(sent, Writability::Ready);
        }
        egress.clear();
    }
    assert_eq!(rounds, [EGRESS_SENDS, 10]);
    assert_eq!(harness.counts().written, ids.len() as u64);
}

#[test]
fn a_round_gathers_at_most_the_bytes_of_its_arena() {
    let mut harness = HubHarness::new(config());
    let topics: Vec<_> = (0..40).map(|number| format!("t{number}")).collect();
    let ids: Vec<_> = topics
        .iter()
        .map(|topic| harness.connect_subscriber(&[topic]))
        .collect();
    let body = format!("\"{}\"", "x".repeat(15_000));
    for topic in &topics {
        harness.publish(topic, &body);
    }
    let mut egress = Egress::default();
    assert!(harness.hub.poll_egress(&mut egress));
    let mut gathered_bytes = 0;
    for send in egress.sends() {
        gathered_bytes += egress.bytes(send).len();
    }
    assert!((EGRESS_ARENA_BYTES / 2..=EGRESS_ARENA_BYTES).contains(&gathered_bytes));
    for send in egress.sends() {
        let sent = harness
            .hub
            .sent(send.id, SendOutcome::Written(0), harness.now_us);
        assert_eq!(sent, Writability::Full);
    }
    egress.clear();
    for (id, topic) in ids.into_iter().zip(&topics) {
        harness.hub.writable(id);
        assert_eq!(harness.read_texts(id), [push(topic, &body)]);
    }
}

#[test]
fn a_new_configuration_applies_to_existing_connections() {
    let mut first = config();
    first.ws.max_topics = 1;
    let mut harness = HubHarness::new(first);
    let id = harness.connect_subscriber(&["a"]);
    let mut second = config();
    second.ws.outbox = 200;
    second.namespaces[0].slow = SlowPolicy::DropOldest;
    second
        .namespaces
        .push(namespace("open", SlowPolicy::Disconnect));
    second.namespaces[1].publish = true;
    harness.hub.reconfigure(Arc::new(second));

    harness.send_text(id, r#"{"id":3,"subscribe":{"channel":"b"}}"#);
    harness.send_text(id, r#"{"id":4,"publish":{"channel":"open:x","data":1}}"#);
    assert_eq!(
        harness.read_texts(id),
        [r#"{"id":3,"subscribe":{}}"#, r#"{"id":4,"publish":{}}"#]
    );
    harness.socket(id).room_bytes = 0;
    for number in 0..100 {
        harness.publish("a", &number.to_string());
        harness.run_turn();
    }
    let counts = harness.counts();
    assert!(
        counts.dropped_oldest > 90 && counts.closed_slow == 0,
        "{counts:?}"
    );
    harness.add_room(id, usize::MAX);
    assert_eq!(
        harness.read_frames(id).last(),
        Some(&ServerFrame::text(&push("a", "99")))
    );
}

/// Returns all pages of the topics.
fn pages(harness: &HubHarness) -> Vec<Vec<(String, u64)>> {
    let mut pages = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page = harness.hub.topic_page(from);
        next = page.next;
        pages.push(page.topics);
    }
    pages
}

#[test]
fn pages_of_topics_have_each_topic_once_with_the_number_of_its_subscribers() {
    let mut config = config();
    config.ws.max_topics = 2 * TOPIC_PAGE_ITEMS;
    config.ws.max_command_rate = 4 * TOPIC_PAGE_ITEMS as u32;
    let mut harness = HubHarness::new(config);
    assert_eq!(pages(&harness), [Vec::new()]);
    let many: Vec<_> = (0..=TOPIC_PAGE_ITEMS)
        .map(|number| format!("many:{number}"))
        .collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let one = harness.connect_subscriber(&["one", "both"]);
    harness.connect_subscriber(&["both"]);
    harness.open_websocket("/raw?topic=both");
    harness.connect_subscriber(&many);
    let canary = harness.accept_internal();
    harness.send_bytes(canary, &upgrade_request("/raw?topic=fanfare.canary"));
    harness.run_turn();
    assert_eq!(harness.read_response(canary).0, 101);
    harness.send_text(one, r#"{"id":9,"unsubscribe":{"channel":"one"}}"#);
    let found = pages(&harness);
    assert_eq!(found.len(), 2);
    assert!(found[0].len() <= TOPIC_PAGE_ITEMS);
    let mut found = found.concat();
    found.sort();
    let mut expected: Vec<_> = many.iter().map(|name| ((*name).to_owned(), 1)).collect();
    expected.push(("both".to_owned(), 3));
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(harness.hub.topic_page(usize::MAX), TopicPage::default());
}
