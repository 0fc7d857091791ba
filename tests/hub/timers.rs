//! Deadlines of the handshake, the connect command, pings, pongs and the close. Each takes effect
//! within one tick of the timer wheel.

use fanfare::hub::ConnectionId;
use fanfare::limits::{SILENCE_GRACE, TIMER_TICK};

use crate::harness::{CLOSE_TIMEOUT_US, CloseKind, HubHarness, SECOND_US, TICK_US};
use crate::upstream::config;
use crate::wire::{self, ServerFrame, text_frame};

const HANDSHAKE_US: u64 = 5 * SECOND_US;
const PING_US: u64 = 25 * SECOND_US;
const PONG_US: u64 = 8 * SECOND_US;

/// Advances the clock to the next ping, which must arrive within one interval. Returns the time.
fn advance_to_ping(harness: &mut HubHarness, id: ConnectionId) -> u64 {
    for _ in 0..=PING_US / TICK_US {
        harness.advance_clock(TICK_US);
        if let [frame] = &harness.read_frames(id)[..] {
            assert!(
                matches!(frame, ServerFrame::Ping(_)) || *frame == ServerFrame::text("{}"),
                "{frame:?}"
            );
            return harness.now_us;
        }
    }
    panic!("no ping within the interval");
}

#[test]
fn an_incomplete_request_head_is_reset_at_its_deadline() {
    let mut harness = HubHarness::new(config());
    let id = harness.accept();
    harness.send_bytes(id, b"GET /raw?topic=a HTTP/1.1\r\n");
    harness.advance_clock(HANDSHAKE_US - TICK_US);
    assert_eq!(harness.closed(id), None);
    harness.send_bytes(id, b"Host: a\r\n");
    harness.advance_clock(2 * TICK_US);
    assert_eq!(
        harness.closed(id),
        Some(CloseKind::Reset),
        "more bytes do not extend the deadline"
    );
    assert_eq!(harness.counts().refused_timeout, 1);
    assert!(harness.hub.is_empty());
}

#[test]
fn deadlines_are_exact_after_ten_idle_minutes() {
    let mut harness = HubHarness::new(config());
    let first = harness.accept();
    harness.hub.end_of_stream(first);
    harness.run_turn();
    for _ in 0..2 {
        harness.advance_clock(600 * SECOND_US);
        assert_eq!(harness.hub.overdue_us(harness.now_us), None);
        let timeouts = harness.counts().refused_timeout;
        let id = harness.accept();
        assert_eq!(
            harness.hub.overdue_us(harness.now_us),
            None,
            "the new connection is not overdue"
        );
        // The shell calls `tick` in the same turn.
        harness.tick();
        let accepted_us = harness.now_us;
        while harness.closed(id).is_none() {
            let due_us = harness
                .hub
                .deadline_us()
                .expect("the handshake has a deadline");
            harness.advance_clock(due_us - harness.now_us);
            assert!(
                harness.now_us <= accepted_us + HANDSHAKE_US + TICK_US,
                "the timeout is late"
            );
        }
        assert!(
            harness.now_us >= accepted_us + HANDSHAKE_US,
            "the timeout is early"
        );
        assert_eq!(harness.counts().refused_timeout, timeouts + 1);
    }
}

#[test]
fn a_client_without_a_connect_command_is_closed_with_3502() {
    let mut harness = HubHarness::new(config());
    let id = harness.open_websocket("/connection/websocket");
    harness.advance_clock(HANDSHAKE_US - TICK_US);
    assert_eq!(harness.read_frames(id), []);
    harness.send_bytes(id, &wire::client_frame(wire::PING, b"x"));
    harness.advance_clock(2 * TICK_US);
    assert_eq!(
        harness.read_frames(id),
        [
            ServerFrame::Pong(b"x".into()),
            ServerFrame::Close(Some(3502))
        ]
    );
    assert_eq!(harness.counts().closed_stale, 1);
}

#[test]
fn first_pings_are_spread_over_the_second_half_of_the_interval() {
    let mut harness = HubHarness::new(config());
    let ids: Vec<_> = (0..64).map(|_| harness.connect_client()).collect();
    harness.advance_clock(PING_US / 2 - TICK_US);
    assert_eq!(harness.counts().pings, 0);
    let mut sent = 0;
    for _ in 0..=PING_US / 2 / SECOND_US {
        harness.advance_clock(SECOND_US);
        for id in &ids {
            harness.send_text(*id, "{}");
        }
        let pings = harness.counts().pings - sent;
        assert!(pings <= 16, "{pings} of 64 within a second");
        sent += pings;
    }
    assert_eq!(sent, 64);
    for id in ids {
        assert_eq!(
            harness.read_texts(id),
            ["{}"],
            "the ping of the client protocol"
        );
    }
}

#[test]
fn each_protocol_sends_its_ping_in_every_interval() {
    let mut config = config();
    config.ws.echo = true;
    let mut harness = HubHarness::new(config);
    for target in ["/raw?topic=a", "/echo"] {
        let id = harness.open_websocket(target);
        let mut last_us = advance_to_ping(&mut harness, id);
        for _ in 0..3 {
            harness.advance_clock(PONG_US / 2);
            harness.send_bytes(id, &wire::client_frame(wire::PONG, b""));
            harness.advance_clock(PING_US - PONG_US / 2);
            assert_eq!(harness.read_frames(id), [ServerFrame::Ping(Vec::new())]);
            assert!(harness.now_us - last_us <= PING_US + TICK_US);
            last_us = harness.now_us;
        }
        harness.hub.lost(id);
    }
    let client = harness.connect_client();
    for _ in 0..4 {
        advance_to_ping(&mut harness, client);
        harness.send_text(client, "{}");
    }
    assert_eq!(harness.counts().closed_no_pong, 0);
}

#[test]
fn a_connection_that_does_not_answer_a_ping_is_closed_with_3012() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    advance_to_ping(&mut harness, id);
    harness.advance_clock(PONG_US - 2 * TICK_US);
    assert_eq!(harness.read_frames(id), []);
    harness.advance_clock(2 * TICK_US);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3012))]);
    assert_eq!(harness.counts().closed_no_pong, 1);
}

#[test]
fn any_bytes_answer_a_ping() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    advance_to_ping(&mut harness, id);
    let half = &text_frame(r#"{"id":2,"ping":{}}"#)[..5];
    harness.send_bytes(id, half);
    harness.advance_clock(PONG_US + TICK_US);
    assert_eq!(
        harness.read_frames(id),
        [],
        "a part of a frame is input, too"
    );
}

#[test]
fn a_closing_connection_is_reset_after_the_close_timeout() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_text(id, "nonsense");
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    harness.advance_clock(CLOSE_TIMEOUT_US - TICK_US);
    assert_eq!(harness.closed(id), None);
    harness.send_bytes(id, b"discarded input");
    harness.advance_clock(2 * TICK_US);
    assert_eq!(harness.closed(id), Some(CloseKind::Reset));
}

#[test]
fn a_refused_request_is_reset_after_the_close_timeout() {
    let mut harness = HubHarness::new(config());
    let (id, status) = harness.request_upgrade("/nowhere");
    assert_eq!((status, harness.socket(id).is_write_shut_down), (404, true));
    harness.advance_clock(CLOSE_TIMEOUT_US + TICK_US);
    assert_eq!(harness.closed(id), Some(CloseKind::Reset));
}

#[test]
fn an_idle_hub_has_no_deadline_and_a_clock_that_jumps_closes_no_connection() {
    let mut harness = HubHarness::new(config());
    assert_eq!(harness.hub.deadline_us(), None);
    harness.now_us += 10_000 * SECOND_US;
    let id = harness.connect_client();
    advance_to_ping(&mut harness, id);
    harness.send_text(id, "{}");
    harness.now_us += 10_000 * SECOND_US;
    harness.tick();
    assert_eq!(
        harness.read_texts(id),
        ["{}"],
        "the connection gets a ping and is not closed"
    );
}

#[test]
fn deadlines_of_a_former_connection_do_not_affect_the_next_one_in_its_slot() {
    let mut harness = HubHarness::new(config());
    let former = harness.accept();
    harness.advance_clock(HANDSHAKE_US / 2);
    harness.hub.lost(former);
    assert_eq!(harness.closed(former), Some(CloseKind::Orderly));
    let next = harness.accept();
    assert_eq!(next.slot(), former.slot());
    harness.advance_clock(HANDSHAKE_US - TICK_US);
    assert_eq!(harness.closed(next), None);
}

#[test]
fn the_ping_of_the_client_protocol_is_an_empty_command_in_a_text_frame() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    while harness.counts().pings == 0 {
        harness.advance_clock(SECOND_US);
    }
    let ping = fanfare::wire::encode::text(fanfare::protocol::json::replies::PING);
    assert_eq!(harness.socket(id).unread, ping);
}

/// Runs what is due, and returns the connections that missed a deadline.
fn unread_after(harness: &mut HubHarness, us: u64) -> Vec<ConnectionId> {
    harness.now_us += us;
    harness.hub.tick(harness.now_us);
    std::iter::from_fn(|| harness.hub.poll_silence_check()).collect()
}

#[test]
fn a_pong_that_the_shard_has_not_read_in_time_counts() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    advance_to_ping(&mut harness, id);
    assert_eq!(unread_after(&mut harness, PONG_US + TICK_US), [id]);
    for _ in 0..20 {
        assert_eq!(
            unread_after(&mut harness, TICK_US),
            [id],
            "it is asked in every tick"
        );
    }
    harness.send_text(id, "{}");
    assert_eq!(unread_after(&mut harness, TICK_US), []);
    assert_eq!(harness.read_frames(id), []);
    advance_to_ping(&mut harness, id);
    harness.advance_clock(PONG_US + TICK_US);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3012))]);
}

#[test]
fn a_connection_whose_bytes_are_never_read_is_closed_after_the_grace_time() {
    let mut harness = HubHarness::new(config());
    let id = harness.open_websocket("/connection/websocket");
    harness.now_us += HANDSHAKE_US;
    for _ in 0..SILENCE_GRACE.as_micros() / TIMER_TICK.as_micros() {
        assert_eq!(unread_after(&mut harness, TICK_US), [id]);
        assert_eq!(harness.read_frames(id), []);
    }
    assert_eq!(unread_after(&mut harness, TICK_US), []);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3502))]);
}
