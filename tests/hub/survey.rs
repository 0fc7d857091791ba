//! The search for connections with the most pending.

use fanfare::hub::{SlowConnection, Survey, SurveyProgress};
use fanfare::limits::SURVEY_SLOTS;

use crate::upstream::{config, push};
use crate::world::{SECOND_US, World};

/// A survey to its end, and how many steps it took.
fn survey(world: &mut World, limit: usize) -> (Vec<SlowConnection>, usize) {
    let mut survey = Survey::new(limit);
    let mut steps = 1;
    while world.hub.survey(&mut survey, world.now_us) == SurveyProgress::InProgress {
        steps += 1;
    }
    (survey.into_found(), steps)
}

#[test]
fn who_keeps_up_is_not_listed() {
    let mut world = World::new(config());
    assert_eq!(survey(&mut world, 10), (Vec::new(), 1));
    for _ in 0..2 * SURVEY_SLOTS {
        world.accept();
    }
    world.subscriber(&["a"]);
    world.publish("a", "1");
    world.turn();
    let nobody = (Vec::new(), 1);
    assert_eq!(survey(&mut world, 10), nobody, "without a look at any slot");
}

#[test]
fn a_slow_connection_is_described() {
    let mut world = World::new(config());
    let id = world.slow_subscriber(&["a", "b"], 5);
    world.publish("a", "1");
    world.turn();
    world.now_us += SECOND_US;
    world.publish_joined("b", &["2", "3"]);
    world.turn();
    world.now_us += SECOND_US;
    let expected = SlowConnection {
        id,
        client: survey(&mut world, 1).0[0].client,
        peer: None,
        protocol: "client",
        topics: 2,
        pending: 3,
        pending_bytes: world.counts().pending_bytes,
        behind_us: Some(2 * SECOND_US),
        blocked: true,
        deflate: false,
    };
    assert_eq!(survey(&mut world, 10).0, [expected]);
    world.make_room(id, usize::MAX);
    assert_eq!(survey(&mut world, 10).0, []);
}

#[test]
fn a_client_is_listed_under_the_id_that_it_was_told() {
    let mut world = World::new(config());
    world.releases = true;
    for _ in 0..3 {
        let id = world.upgraded("/connection/websocket");
        world.say(id, r#"{"id":1,"connect":{}}"#);
        let told = world.texts(id).remove(0);
        world.say(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
        world.texts(id);
        world.socket(id).room = 0;
        world.publish("a", "1");
        world.turn();
        let client = survey(&mut world, 1).0[0].client.expect("it has connected");
        assert!(told.contains(&format!(r#""client":"{client}""#)), "{told}");
        assert_eq!(client.get_version_num(), 4);
        // The next one gets the same slot, and must not get the same id.
        world.hub.lost(id);
        world.turn();
    }
}

#[test]
fn raw_and_compressing_connections_are_told_apart() {
    let mut world = World::new(config());
    let raw = world.upgraded("/raw?topic=a");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let deflating = world.subscriber_with(offer, &["a"]);
    world.socket(raw).room = 0;
    world.socket(deflating).room = 0;
    world.publish("a", "1");
    world.turn();
    let mut found = survey(&mut world, 10).0;
    found.sort_by_key(|connection| connection.protocol);
    let facts = found
        .iter()
        .map(|each| (each.protocol, each.client.is_some(), each.deflate));
    let facts: Vec<_> = facts.collect();
    assert_eq!(facts, [("client", true, true), ("raw", false, false)]);
}

#[test]
fn the_largest_are_found_among_many_slots_a_page_at_a_time() {
    let mut world = World::new(config());
    let slots = 2 * SURVEY_SLOTS + 1;
    let mut slow = Vec::new();
    for slot in 0..slots {
        // On the first and last slots of pages, and each with one publication more.
        if slot % (SURVEY_SLOTS / 2) == 0 {
            slow.push(world.slow_subscriber(&[&format!("t{slot}")], 0));
            for _ in 0..slow.len() {
                world.publish(&format!("t{slot}"), "1");
            }
            world.turn();
        } else {
            world.accept();
        }
    }
    let (found, steps) = survey(&mut world, 3);
    let ids: Vec<_> = found.iter().map(|each| each.id).collect();
    assert_eq!(ids, [slow[4], slow[3], slow[2]]);
    assert_eq!(steps, 3 + 3, "three pages, and each of those found");
    let pending = found.iter().map(|each| each.pending);
    assert!(pending.eq([5, 4, 3]));
}

#[test]
fn who_leaves_or_catches_up_between_two_steps_is_left_out() {
    let mut world = World::new(config());
    let [stays, leaves, reads] = [(); 3].map(|()| world.slow_subscriber(&["a"], 0));
    world.publish("a", "1");
    world.turn();
    let mut survey = Survey::new(10);
    let progress = world.hub.survey(&mut survey, world.now_us);
    assert_eq!(progress, SurveyProgress::InProgress);
    world.hub.lost(leaves);
    world.make_room(reads, usize::MAX);
    assert_eq!(world.texts(reads), [push("a", "1")]);
    // Its slot has another tenant now, who has nothing pending.
    assert_eq!(world.accept().slot(), leaves.slot());
    while world.hub.survey(&mut survey, world.now_us) == SurveyProgress::InProgress {}
    let found = survey.into_found();
    let ids: Vec<_> = found.iter().map(|each| each.id).collect();
    assert_eq!(ids, [stays]);
}

#[test]
fn replies_alone_are_pending_without_an_age() {
    let mut world = World::new(config());
    let id = world.client();
    world.socket(id).room = 0;
    world.say(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    world.turn();
    let found = survey(&mut world, 1).0;
    assert_eq!((found[0].pending, found[0].behind_us), (0, None));
    assert!(found[0].pending_bytes > 0);
}
