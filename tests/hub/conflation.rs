//! Conflation: while a client is behind, at most one publication of a topic waits for it.

use fanfare::config::Config;
use fanfare::config::SlowPolicy::{Conflate, Disconnect};

use crate::upstream::{config, namespace, push};
use crate::wire::{FULL, NARROW};
use crate::world::World;

/// A hub on which `latest:…` conflates and nothing else may be dropped.
fn world() -> World {
    World::new(rules())
}

fn rules() -> Config {
    let mut config = config();
    config.namespaces = vec![namespace("", Disconnect), namespace("latest", Conflate)];
    config
}

#[test]
fn becoming_blocked_removes_all_but_the_latest_of_each_topic() {
    for room in 0..200 {
        let mut world = world();
        let id = world.slow_subscriber(&["latest:a", "latest:b", "a"], room);
        for number in 0..10 {
            for topic in ["latest:a", "a", "latest:b"] {
                world.publish(topic, &number.to_string());
            }
        }
        assert_eq!(world.counts().pending, 30, "it could still keep up");
        world.turn();
        let counts = world.counts();
        assert!(counts.dropped_conflated > 0, "room {room}: {counts:?}");
        world.make_room(id, usize::MAX);
        let texts = world.texts(id);
        for topic in ["latest:a", "latest:b"] {
            let of_topic: Vec<_> = texts.iter().filter(|text| text.contains(topic)).collect();
            assert_eq!(**of_topic.last().unwrap(), push(topic, "9"), "room {room}");
            // Some 3 fit into the largest room, of which one was cut.
            assert!(of_topic.len() <= 3, "room {room}: {texts:?}");
        }
        let others = texts.iter().filter(|text| text.contains(r#""a""#));
        assert_eq!(others.count(), 10, "room {room}: they may not be dropped");
    }
}

#[test]
fn while_blocked_one_publication_of_each_topic_waits_in_each_encoding() {
    let mut world = world();
    let mut config = rules();
    config.ws.deflate.threshold = 0;
    world.hub.reconfigure(config.into());
    let topics = ["latest:a", "latest:b", "latest:c"];
    let slow = world.slow_subscriber(&topics, 0);
    let mut blocked = vec![(slow, false)];
    for headers in ["", FULL, NARROW] {
        let raw = "/raw?topic=latest:a&topic=latest:b&topic=latest:c";
        blocked.push((world.upgraded_with(raw, headers), true));
        blocked.push((world.subscriber_with(headers, &topics), false));
    }
    for (id, _) in &blocked {
        world.socket(*id).room = 0;
    }
    let quick = world.subscriber(&topics);
    let mut random = fastrand::Rng::with_seed(7);
    let mut newest = [None; 3];
    for number in 0..300 {
        let topic = random.usize(..3);
        world.publish(topics[topic], &number.to_string());
        newest[topic] = Some(number);
        if random.bool() {
            world.turn();
            let seen = newest.iter().flatten().count() as u64;
            assert_eq!(world.counts().pending, 7 * seen, "after {number}");
        }
    }
    assert_eq!(world.texts(quick).len(), 300, "it kept up and got all");
    let mut expected: Vec<_> = newest.into_iter().flatten().zip(topics).collect();
    expected.sort_unstable();
    for (id, is_raw) in blocked {
        world.make_room(id, usize::MAX);
        let expected = expected.iter().map(|(number, topic)| {
            let body = number.to_string();
            if is_raw { body } else { push(topic, &body) }
        });
        assert_eq!(world.texts(id), expected.collect::<Vec<_>>());
    }
}

#[test]
fn a_frame_that_took_the_place_of_the_previous_one_in_memory_is_not_conflated() {
    let mut world = world();
    let id = world.subscriber(&["latest:a", "latest:b", "a"]);
    for other in ["a", "latest:b"] {
        world.publish("latest:a", "1");
        assert_eq!(
            world.texts(id),
            [push("latest:a", "1")],
            "its memory is free"
        );
        world.socket(id).room = 0;
        world.publish(other, "2");
        world.turn();
        world.publish("latest:a", "3");
        world.make_room(id, usize::MAX);
        assert_eq!(world.texts(id), [push(other, "2"), push("latest:a", "3")]);
    }
    assert_eq!(world.counts().dropped_conflated, 0);
}

#[test]
fn a_client_that_keeps_up_between_sends_gets_everything() {
    let mut world = world();
    let id = world.subscriber(&["latest:a"]);
    for number in 0..20 {
        world.publish("latest:a", &number.to_string());
    }
    assert_eq!(world.texts(id).len(), 20);
}
