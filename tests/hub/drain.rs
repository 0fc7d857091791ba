//! The paced goodbye: 3001 to everybody, evenly, and nobody is left.

use fanfare::hub::{ConnectionId, DrainScope};

use crate::upstream::config;
use crate::wire::{Frame, upgrade};
use crate::world::{CLOSE_TIMEOUT_US, SECOND_US, TICK_US, World};

const PERIOD_US: u64 = 10 * SECOND_US;

/// How many were told to go after each second of a drain.
fn told_by_second(world: &mut World, seconds: usize) -> Vec<u64> {
    let second = |_| {
        world.wait(SECOND_US);
        world.counts().closed_shutdown
    };
    (0..seconds).map(second).collect()
}

fn drain(world: &mut World) {
    let now_us = world.now_us;
    world.hub.drain(DrainScope::All, PERIOD_US, now_us);
}

#[test]
fn connections_are_told_evenly_over_the_period() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..100).map(|_| world.client()).collect();
    drain(&mut world);
    let told = told_by_second(&mut world, 10);
    assert_eq!(told, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    for id in ids {
        let frames = world.read(id);
        assert_eq!(frames.last(), Some(&Frame::Close(Some(3001))));
    }
}

#[test]
fn free_slots_do_not_count_as_told() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..200).map(|_| world.client()).collect();
    for id in &ids[..100] {
        world.hub.lost(*id);
    }
    world.turn();
    drain(&mut world);
    let told = told_by_second(&mut world, 10);
    assert_eq!(told, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

#[test]
fn none_is_left_after_the_period_and_the_close_timeout() {
    let mut world = World::new(config());
    let silent = world.accept();
    let ids: Vec<_> = (0..10).map(|_| world.client()).collect();
    drain(&mut world);
    world.wait(PERIOD_US + CLOSE_TIMEOUT_US + 2 * TICK_US);
    assert!(world.hub.is_empty());
    let closed = |id: &ConnectionId| world.sockets[id].closed;
    assert_eq!(closed(&silent), Some(false), "it had no WebSocket to close");
    assert!(
        ids.iter().all(|id| closed(id) == Some(true)),
        "they did not answer"
    );
}

#[test]
fn a_period_of_zero_tells_everybody_at_once() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..10).map(|_| world.client()).collect();
    let now_us = world.now_us;
    world.hub.drain(DrainScope::All, 0, now_us);
    world.hub.tick(now_us);
    for id in ids {
        assert_eq!(world.read(id), [Frame::Close(Some(3001))]);
    }
}

#[test]
fn newcomers_get_503_and_late_ones_are_closed_too() {
    let mut world = World::new(config());
    world.client();
    drain(&mut world);
    assert_eq!(world.open("/connection/websocket").1, 503);
    world.wait(PERIOD_US);
    let late = world.accept();
    world.wait(2 * TICK_US);
    assert_eq!(world.closed(late), Some(false));
}

#[test]
fn a_connection_that_leaves_by_itself_is_not_told() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..10).map(|_| world.client()).collect();
    drain(&mut world);
    world.hub.lost(ids[9]);
    world.wait(PERIOD_US + TICK_US);
    assert_eq!(world.counts().closed_shutdown, 9);
}

#[test]
fn refusals_while_draining_are_told_from_those_of_a_full_process() {
    let mut world = World::new(config());
    world.client();
    world.upstream.0.borrow_mut().limit = 1;
    assert_eq!(world.open("/connection/websocket").1, 503);
    drain(&mut world);
    assert_eq!(world.open("/connection/websocket").1, 503);
    world.wait(PERIOD_US);
    world.accept();
    world.wait(2 * TICK_US);
    let counts = world.counts();
    assert_eq!(counts.refused_limit, 1);
    assert_eq!(
        counts.refused_draining, 2,
        "one with a 503, one before it asked"
    );
}

#[test]
fn the_processs_own_connections_stay_and_hold_nobody_up() {
    let mut world = World::new(config());
    let own = world.accept_internal();
    world.feed(own, &upgrade("/raw?topic=a"));
    let clients: Vec<_> = (0..10).map(|_| world.client()).collect();
    drain(&mut world);
    assert_eq!(
        told_by_second(&mut world, 10),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    );
    for id in clients {
        world.hub.lost(id);
    }
    world.turn();
    assert!(world.hub.is_empty());
    assert_eq!((world.closed(own), world.counts().connections), (None, 1));
}
