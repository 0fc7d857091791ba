//! Drains of a share: a given number of connections is closed at an even pace, and the other
//! connections are served.

use fanfare::hub::{ConnectionId, DrainScope};

use crate::harness::{HubHarness, SECOND_US, TICK_US};
use crate::upstream::config;
use crate::wire::{ServerFrame, upgrade_request};

const PERIOD_US: u64 = 10 * SECOND_US;

/// Starts a drain of `count` connections.
fn start_drain(harness: &mut HubHarness, count: u64, period_us: u64) {
    let now_us = harness.now_us;
    harness
        .hub
        .drain(DrainScope::Count(count), period_us, now_us);
    harness.hub.tick(now_us);
}

/// Returns the number of connections that were closed, and the number of those that received
/// exactly this push.
fn closed_and_served(
    harness: &mut HubHarness,
    ids: &[ConnectionId],
    served: &ServerFrame,
) -> (usize, usize) {
    let (mut closed, mut stayed) = (0, 0);
    for id in ids {
        let frames = harness.read_frames(*id);
        if frames == [ServerFrame::Close(Some(3001))] {
            closed += 1;
        } else {
            assert_eq!(frames, std::slice::from_ref(served));
            stayed += 1;
        }
    }
    (closed, stayed)
}

/// Returns the number of connections that received a close frame with code 3001.
fn count_closed(harness: &mut HubHarness, ids: &[ConnectionId]) -> usize {
    let mut closed = 0;
    for id in ids {
        let frames = harness.read_frames(*id);
        closed += usize::from(frames.contains(&ServerFrame::Close(Some(3001))));
    }
    closed
}

#[test]
fn the_share_is_closed_evenly_and_the_rest_is_served() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..100)
        .map(|_| harness.connect_subscriber(&["a"]))
        .collect();
    start_drain(&mut harness, 20, PERIOD_US);
    let mut closed = Vec::new();
    for _ in 0..12 {
        harness.advance_clock(SECOND_US);
        closed.push(harness.counts().closed_shutdown);
    }
    assert_eq!(closed, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 20, 20]);
    harness.publish("a", "1");
    let served = ServerFrame::text(r#"{"push":{"channel":"a","pub":{"data":1}}}"#);
    assert_eq!(closed_and_served(&mut harness, &ids, &served), (20, 80));
}

#[test]
fn connections_accepted_during_a_drain_of_a_share_stay_open() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness, 5, PERIOD_US);
    harness.advance_clock(PERIOD_US / 2 + TICK_US);
    let late: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    harness.advance_clock(PERIOD_US);
    assert_eq!(count_closed(&mut harness, &ids), 5);
    assert_eq!(count_closed(&mut harness, &late), 0);
    assert_eq!(harness.counts().refused_draining, 0);
}

#[test]
fn the_share_does_not_include_connections_that_end_by_themselves_or_handshakes() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    let silent = harness.accept();
    start_drain(&mut harness, 8, SECOND_US);
    harness.hub.lost(ids[0]);
    harness.hub.lost(ids[9]);
    harness.advance_clock(SECOND_US + TICK_US);
    assert_eq!(harness.counts().closed_shutdown, 8);
    assert_eq!(harness.closed(silent), None);
}

#[test]
fn a_share_larger_than_the_number_of_connections_closes_only_those() {
    let mut harness = HubHarness::new(config());
    harness.connect_client();
    start_drain(&mut harness, 5, 0);
    assert_eq!(harness.counts().closed_shutdown, 1);
    harness.connect_client();
    harness.advance_clock(SECOND_US);
    assert_eq!(harness.counts().closed_shutdown, 1);
    assert!(!harness.hub.is_empty());
    start_drain(&mut HubHarness::new(config()), 5, 0); // Without connections it has no effect.
}

#[test]
fn a_drain_of_a_share_closes_no_internal_connection() {
    let mut harness = HubHarness::new(config());
    let internal = harness.accept_internal();
    harness.send_bytes(internal, &upgrade_request("/raw?topic=a"));
    assert_eq!(harness.read_response(internal).0, 101);
    let clients: Vec<_> = (0..4).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness, 5, 0);
    assert_eq!(count_closed(&mut harness, &clients), 4);
    assert_eq!(harness.read_frames(internal), []);
    assert_eq!(harness.closed(internal), None);
}

#[test]
fn a_drain_of_a_share_does_not_replace_a_drain_of_all_connections() {
    let mut harness = HubHarness::new(config());
    let _clients: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness, 1, PERIOD_US);
    let now_us = harness.now_us;
    harness.hub.drain(DrainScope::All, SECOND_US, now_us);
    start_drain(&mut harness, 1, PERIOD_US);
    harness.advance_clock(SECOND_US + TICK_US);
    assert_eq!(harness.counts().closed_shutdown, 10);
    assert_eq!(harness.request_upgrade("/connection/websocket").1, 503);
}
