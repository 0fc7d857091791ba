//! A share of the connections is moved away: so many, paced, and the rest does not notice.

use fanfare::hub::{ConnectionId, DrainScope};

use crate::upstream::config;
use crate::wire::Frame;
use crate::world::{SECOND_US, TICK_US, World};

const PERIOD_US: u64 = 10 * SECOND_US;

fn shed(world: &mut World, count: u64, period_us: u64) {
    let now_us = world.now_us;
    world.hub.drain(DrainScope::Count(count), period_us, now_us);
    world.hub.tick(now_us);
}

/// Those who were told to go, and those who got this publication and nothing else.
fn told_and_served(world: &mut World, ids: &[ConnectionId], served: &Frame) -> (usize, usize) {
    let (mut gone, mut stayed) = (0, 0);
    for id in ids {
        let frames = world.read(*id);
        if frames == [Frame::Close(Some(3001))] {
            gone += 1;
        } else {
            assert_eq!(frames, std::slice::from_ref(served));
            stayed += 1;
        }
    }
    (gone, stayed)
}

#[test]
fn the_share_leaves_evenly_and_the_rest_is_served() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..100).map(|_| world.subscriber(&["a"])).collect();
    shed(&mut world, 20, PERIOD_US);
    let second = |_| {
        world.wait(SECOND_US);
        world.counts().closed_shutdown
    };
    let told: Vec<u64> = (0..12).map(second).collect();
    assert_eq!(told, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 20, 20]);
    world.publish("a", "1");
    let served = Frame::text(r#"{"push":{"channel":"a","pub":{"data":1}}}"#);
    assert_eq!(told_and_served(&mut world, &ids, &served), (20, 80));
}

#[test]
fn newcomers_are_welcome_and_stay() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..10).map(|_| world.client()).collect();
    shed(&mut world, 5, PERIOD_US);
    world.wait(PERIOD_US / 2 + TICK_US);
    let late: Vec<_> = (0..10).map(|_| world.client()).collect();
    world.wait(PERIOD_US);
    let closing = |world: &mut World, ids: &[ConnectionId]| {
        let told = ids
            .iter()
            .filter(|id| world.read(**id).contains(&Frame::Close(Some(3001))));
        told.count()
    };
    assert_eq!(closing(&mut world, &ids), 5);
    assert_eq!(closing(&mut world, &late), 0);
    assert_eq!(world.counts().refused_draining, 0);
}

#[test]
fn whoever_leaves_by_itself_is_made_up_for_and_a_handshake_is_left_alone() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..10).map(|_| world.client()).collect();
    let silent = world.accept();
    shed(&mut world, 8, SECOND_US);
    world.hub.lost(ids[0]);
    world.hub.lost(ids[9]);
    world.wait(SECOND_US + TICK_US);
    assert_eq!(world.counts().closed_shutdown, 8);
    assert_eq!(world.closed(silent), None);
}

#[test]
fn more_than_there_are_is_all_of_them_and_none_later() {
    let mut world = World::new(config());
    world.client();
    shed(&mut world, 5, 0);
    assert_eq!(world.counts().closed_shutdown, 1);
    world.client();
    world.wait(SECOND_US);
    assert_eq!(world.counts().closed_shutdown, 1);
    assert!(!world.hub.is_empty());
    shed(&mut World::new(config()), 5, 0); // Nobody is there.
}

#[test]
fn a_drain_of_all_is_not_stopped_by_a_share() {
    let mut world = World::new(config());
    let _clients: Vec<_> = (0..10).map(|_| world.client()).collect();
    shed(&mut world, 1, PERIOD_US);
    let now_us = world.now_us;
    world.hub.drain(DrainScope::All, SECOND_US, now_us);
    shed(&mut world, 1, PERIOD_US);
    world.wait(SECOND_US + TICK_US);
    assert_eq!(world.counts().closed_shutdown, 10);
    assert_eq!(world.open("/connection/websocket").1, 503);
}
