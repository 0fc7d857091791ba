//! Drains of all connections: close frames with code 3001 at an even pace, until no connection is
//! left.

use fanfare::hub::{ConnectionId, DrainScope};

use crate::harness::{CLOSE_TIMEOUT_US, CloseKind, HubHarness, SECOND_US, TICK_US};
use crate::upstream::config;
use crate::wire::{ServerFrame, close_frame, upgrade_request};

const PERIOD_US: u64 = 10 * SECOND_US;

/// Advances the clock second by second. Returns the number of connections closed after each second.
fn closed_by_second(harness: &mut HubHarness, seconds: usize) -> Vec<u64> {
    let mut closed = Vec::new();
    for _ in 0..seconds {
        harness.advance_clock(SECOND_US);
        closed.push(harness.counts().closed_shutdown);
    }
    closed
}

/// Starts a drain of all connections.
fn start_drain(harness: &mut HubHarness) {
    let now_us = harness.now_us;
    harness.hub.drain(DrainScope::All, PERIOD_US, now_us);
}

#[test]
fn connections_are_closed_evenly_over_the_period() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..100).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness);
    let closed = closed_by_second(&mut harness, 10);
    assert_eq!(closed, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    for id in ids {
        let frames = harness.read_frames(id);
        assert_eq!(frames.last(), Some(&ServerFrame::Close(Some(3001))));
    }
}

#[test]
fn free_slots_do_not_count_as_closed_connections() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..200).map(|_| harness.connect_client()).collect();
    for id in &ids[..100] {
        harness.hub.lost(*id);
    }
    harness.run_turn();
    start_drain(&mut harness);
    let closed = closed_by_second(&mut harness, 10);
    assert_eq!(closed, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
}

#[test]
fn no_connection_is_left_after_the_period_and_the_close_timeout() {
    let mut harness = HubHarness::new(config());
    let silent = harness.accept();
    let ids: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness);
    harness.advance_clock(PERIOD_US + CLOSE_TIMEOUT_US + 2 * TICK_US);
    assert!(harness.hub.is_empty());
    let closed = |id: &ConnectionId| harness.sockets[id].closed;
    assert_eq!(
        closed(&silent),
        Some(CloseKind::Orderly),
        "a connection without a WebSocket is closed without a close frame"
    );
    assert!(
        ids.iter().all(|id| closed(id) == Some(CloseKind::Reset)),
        "clients that do not answer the close frame are reset"
    );
}

#[test]
fn clients_that_answer_the_close_frame_do_not_delay_the_end() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    let now_us = harness.now_us;
    harness.hub.drain(DrainScope::All, 0, now_us);
    harness.hub.tick(now_us);
    for id in ids {
        let frames = harness.read_frames(id);
        assert_eq!(frames.last(), Some(&ServerFrame::Close(Some(3001))));
        let socket = harness.socket(id);
        assert!(!socket.is_write_shut_down && socket.closed.is_none());
        harness.send_bytes(id, &close_frame(3001));
        assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    }
    assert!(harness.hub.is_empty());
}

#[test]
fn a_period_of_zero_closes_all_connections_at_once() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    let now_us = harness.now_us;
    harness.hub.drain(DrainScope::All, 0, now_us);
    harness.hub.tick(now_us);
    for id in ids {
        assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3001))]);
    }
}

#[test]
fn during_a_drain_upgrades_get_503_and_new_connections_are_closed() {
    let mut harness = HubHarness::new(config());
    harness.connect_client();
    start_drain(&mut harness);
    assert_eq!(harness.request_upgrade("/connection/websocket").1, 503);
    harness.advance_clock(PERIOD_US);
    let late = harness.accept();
    harness.advance_clock(2 * TICK_US);
    assert_eq!(harness.closed(late), Some(CloseKind::Orderly));
}

#[test]
fn a_connection_that_ends_by_itself_is_not_counted_as_drained() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness);
    harness.hub.lost(ids[9]);
    harness.advance_clock(PERIOD_US + TICK_US);
    assert_eq!(harness.counts().closed_shutdown, 9);
}

#[test]
fn refusals_of_a_drain_and_of_a_full_process_are_counted_separately() {
    let mut harness = HubHarness::new(config());
    harness.connect_client();
    harness.upstream.state_mut().max_connections = 1;
    assert_eq!(harness.request_upgrade("/connection/websocket").1, 503);
    start_drain(&mut harness);
    assert_eq!(harness.request_upgrade("/connection/websocket").1, 503);
    harness.advance_clock(PERIOD_US);
    harness.accept();
    harness.advance_clock(2 * TICK_US);
    let counts = harness.counts();
    assert_eq!(counts.refused_limit, 1);
    assert_eq!(
        counts.refused_draining, 2,
        "one got a 503, one sent no request"
    );
}

#[test]
fn internal_connections_stay_open_and_do_not_delay_a_drain() {
    let mut harness = HubHarness::new(config());
    let internal = harness.accept_internal();
    harness.send_bytes(internal, &upgrade_request("/raw?topic=a"));
    let clients: Vec<_> = (0..10).map(|_| harness.connect_client()).collect();
    start_drain(&mut harness);
    let closed = closed_by_second(&mut harness, 10);
    assert_eq!(closed, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for id in clients {
        harness.hub.lost(id);
    }
    harness.run_turn();
    assert!(harness.hub.is_empty());
    assert_eq!(
        (harness.closed(internal), harness.counts().connections),
        (None, 1)
    );
}
