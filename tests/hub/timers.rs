//! Deadlines: handshake, connect, ping, pong, close. All within one tick of their time.

use std::slice;

use fanfare::hub::ConnectionId;

use crate::upstream::config;
use crate::wire::{self, Frame, text};
use crate::world::{CLOSE_TIMEOUT_US, SECOND_US, TICK_US, World};

const HANDSHAKE_US: u64 = 5 * SECOND_US;
const PING_US: u64 = 25 * SECOND_US;
const PONG_US: u64 = 8 * SECOND_US;

/// Waits for the next ping, which comes within an interval, and returns when it came.
fn until_ping(world: &mut World, id: ConnectionId) -> u64 {
    for _ in 0..=PING_US / TICK_US {
        world.wait(TICK_US);
        if let [frame] = &world.read(id)[..] {
            assert!(
                matches!(frame, Frame::Ping(_)) || *frame == Frame::text("{}"),
                "{frame:?}"
            );
            return world.now_us;
        }
    }
    panic!("no ping within the interval");
}

#[test]
fn a_head_that_does_not_come_in_time_is_reset() {
    let mut world = World::new(config());
    let id = world.accept();
    world.feed(id, b"GET /raw?topic=a HTTP/1.1\r\n");
    world.wait(HANDSHAKE_US - TICK_US);
    assert_eq!(world.closed(id), None);
    world.feed(id, b"Host: a\r\n");
    world.wait(2 * TICK_US);
    assert_eq!(
        world.closed(id),
        Some(true),
        "more bytes do not buy more time"
    );
    assert_eq!(world.counts().refused_timeout, 1);
    assert!(world.hub.is_empty());
}

#[test]
fn after_ten_idle_minutes_nothing_is_overdue_and_deadlines_are_right() {
    let mut world = World::new(config());
    let first = world.accept();
    world.hub.end_of_stream(first);
    world.turn();
    for _ in 0..2 {
        world.wait(600 * SECOND_US);
        assert_eq!(world.hub.overdue_us(world.now_us), None);
        let timeouts = world.counts().refused_timeout;
        let id = world.accept();
        assert_eq!(
            world.hub.overdue_us(world.now_us),
            None,
            "what just came is not late"
        );
        // As the shell does in the same turn.
        world.hub.tick(world.now_us);
        let accepted_us = world.now_us;
        while world.closed(id).is_none() {
            let due_us = world
                .hub
                .deadline_us()
                .expect("the handshake has a deadline");
            world.wait(due_us - world.now_us);
            assert!(world.now_us <= accepted_us + HANDSHAKE_US + TICK_US, "late");
        }
        assert!(world.now_us >= accepted_us + HANDSHAKE_US, "early");
        assert_eq!(world.counts().refused_timeout, timeouts + 1);
    }
}

#[test]
fn a_client_that_does_not_connect_in_time_is_3502() {
    let mut world = World::new(config());
    let id = world.upgraded("/connection/websocket");
    world.wait(HANDSHAKE_US - TICK_US);
    assert_eq!(world.read(id), []);
    world.feed(id, &wire::masked(wire::PING, b"x"));
    world.wait(2 * TICK_US);
    assert_eq!(
        world.read(id),
        [Frame::Pong(b"x".into()), Frame::Close(Some(3502))]
    );
    assert_eq!(world.counts().closed_stale, 1);
}

#[test]
fn first_pings_are_spread_over_the_second_half_of_the_interval() {
    let mut world = World::new(config());
    let ids: Vec<_> = (0..64).map(|_| world.client()).collect();
    world.wait(PING_US / 2 - TICK_US);
    assert_eq!(world.counts().pings, 0);
    let mut sent = 0;
    for _ in 0..=PING_US / 2 / SECOND_US {
        world.wait(SECOND_US);
        for id in &ids {
            world.say(*id, "{}");
        }
        let most = world.counts().pings - sent;
        assert!(most <= 16, "{most} of 64 within a second");
        sent += most;
    }
    assert_eq!(sent, 64);
    for id in ids {
        assert_eq!(world.texts(id), ["{}"], "the client protocol's ping");
    }
}

#[test]
fn pings_come_every_interval_and_each_phase_has_its_own() {
    let mut config = config();
    config.ws.echo = true;
    let mut world = World::new(config);
    let cases = [
        ("/raw?topic=a", Frame::Ping(Vec::new())),
        ("/echo", Frame::Ping(Vec::new())),
    ];
    for (target, ping) in cases {
        let id = world.upgraded(target);
        let mut last_us = until_ping(&mut world, id);
        for _ in 0..3 {
            world.wait(PONG_US / 2);
            world.feed(id, &wire::masked(wire::PONG, b""));
            world.wait(PING_US - PONG_US / 2);
            assert_eq!(world.read(id), slice::from_ref(&ping));
            assert!(world.now_us - last_us <= PING_US + TICK_US);
            last_us = world.now_us;
        }
        world.hub.lost(id);
    }
    let client = world.client();
    for _ in 0..4 {
        until_ping(&mut world, client);
        world.say(client, "{}");
    }
    assert_eq!(world.counts().closed_no_pong, 0);
}

#[test]
fn a_ping_without_an_answer_is_3012() {
    let mut world = World::new(config());
    let id = world.client();
    until_ping(&mut world, id);
    world.wait(PONG_US - 2 * TICK_US);
    assert_eq!(world.read(id), []);
    world.wait(2 * TICK_US);
    assert_eq!(world.read(id), [Frame::Close(Some(3012))]);
    assert_eq!(world.counts().closed_no_pong, 1);
}

#[test]
fn any_bytes_answer_a_ping() {
    let mut world = World::new(config());
    let id = world.client();
    until_ping(&mut world, id);
    let half = &text(r#"{"id":2,"ping":{}}"#)[..5];
    world.feed(id, half);
    world.wait(PONG_US + TICK_US);
    assert_eq!(world.read(id), [], "half a frame shows that it is alive");
}

#[test]
fn a_closing_connection_that_does_not_end_is_reset() {
    let mut world = World::new(config());
    let id = world.client();
    world.say(id, "nonsense");
    assert_eq!(world.read(id), [Frame::Close(Some(3501))]);
    world.wait(CLOSE_TIMEOUT_US - TICK_US);
    assert_eq!(world.closed(id), None);
    world.feed(id, b"whatever it says now");
    world.wait(2 * TICK_US);
    assert_eq!(world.closed(id), Some(true));
}

#[test]
fn a_refused_request_that_does_not_end_is_reset() {
    let mut world = World::new(config());
    let (id, status) = world.open("/nowhere");
    assert_eq!((status, world.socket(id).write_ended), (404, true));
    world.wait(CLOSE_TIMEOUT_US + TICK_US);
    assert_eq!(world.closed(id), Some(true));
}

#[test]
fn an_idle_hub_asks_for_no_tick_and_stands_a_clock_that_jumps() {
    let mut world = World::new(config());
    assert_eq!(world.hub.deadline_us(), None);
    world.now_us += 10_000 * SECOND_US;
    let id = world.client();
    until_ping(&mut world, id);
    world.say(id, "{}");
    world.now_us += 10_000 * SECOND_US;
    world.hub.tick(world.now_us);
    assert_eq!(
        world.texts(id),
        ["{}"],
        "a clock that jumps costs one ping, not the connection"
    );
}

#[test]
fn the_deadlines_of_a_slot_s_former_connection_do_not_touch_the_next() {
    let mut world = World::new(config());
    let gone = world.accept();
    world.wait(HANDSHAKE_US / 2);
    world.hub.lost(gone);
    assert_eq!(world.closed(gone), Some(false));
    let next = world.accept();
    assert_eq!(next.slot(), gone.slot());
    world.wait(HANDSHAKE_US - TICK_US);
    assert_eq!(world.closed(next), None);
}

#[test]
fn the_ping_of_the_client_protocol_is_its_ping_in_a_text_frame() {
    let mut world = World::new(config());
    let id = world.client();
    while world.counts().pings == 0 {
        world.wait(SECOND_US);
    }
    let ping = fanfare::wire::encode::text(fanfare::protocol::json::replies::PING);
    assert_eq!(world.socket(id).unread, ping);
}
