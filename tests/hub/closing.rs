//! The end of connections: close handshakes from both sides, lost sockets, and calls for
//! connections that have ended.

use fanfare::hub::{ConnectionId, Egress, Reading, SendOutcome, SocketAction, Writability};
use fanfare::limits::CLOSING_RECEIVE_RATE;

use crate::harness::{CloseKind, HubHarness, SECOND_US};
use crate::upstream::{config, push};
use crate::wire::{self, ServerFrame};

#[test]
fn a_close_frame_is_answered_with_its_own_code() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber(&["a"]);
    harness.send_bytes(id, &wire::close_frame(1001));
    assert!(!harness.wants("a"), "the subscriptions end at once");
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(1001))]);
    assert_eq!(
        harness.closed(id),
        Some(CloseKind::Orderly),
        "the server closes the TCP connection first"
    );
    assert_eq!(harness.counts().closed_peer, 1);
    assert!(harness.hub.is_empty());
}

#[test]
fn a_close_frame_without_a_code_is_answered_without_a_code() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_bytes(id, &wire::client_frame(wire::CLOSE, b""));
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(None)]);
}

#[test]
fn pending_publications_are_sent_before_the_answer_to_a_close_frame() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber(&["a"]);
    harness.publish("a", "1");
    harness.send_bytes(id, &wire::close_frame(1000));
    harness.publish("a", "2");
    assert_eq!(
        harness.read_frames(id),
        [
            ServerFrame::text(&push("a", "1")),
            ServerFrame::Close(Some(1000))
        ]
    );
}

#[test]
fn a_connection_that_the_server_closes_ends_after_the_close_frame_of_the_client() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_text(id, "nonsense");
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    harness.send_bytes(id, &wire::close_frame(3501));
    assert_eq!(
        harness.read_frames(id),
        [],
        "the server sends one close frame"
    );
    harness.hub.end_of_stream(id);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    let counts = harness.counts();
    assert_eq!((counts.closed_bad_request, counts.closed_peer), (1, 0));
}

#[test]
fn rfc6455_7_1_1_the_stream_stays_open_until_the_client_has_answered_the_close_frame() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_text(id, "nonsense");
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    // Messages and an incomplete frame may be under way before the answer.
    harness.send_text(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    let answer = wire::close_frame(3501);
    let (first, rest) = answer.split_at(3);
    harness.send_bytes(id, first);
    harness.run_turn();
    let socket = harness.socket(id);
    assert!(!socket.is_write_shut_down && socket.closed.is_none());
    harness.send_bytes(id, rest);
    assert_eq!(
        harness.closed(id),
        Some(CloseKind::Orderly),
        "the server ends the connection first"
    );
    assert!(harness.hub.is_empty());
}

#[test]
fn an_answer_that_crosses_the_close_frame_ends_the_connection_after_the_close_frame() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.socket(id).room_bytes = 1;
    let crossing = [wire::text_frame("nonsense"), wire::close_frame(1000)].concat();
    harness.send_bytes(id, &crossing);
    harness.run_turn();
    assert_eq!(harness.closed(id), None, "the close frame is pending");
    harness.add_room(id, 100);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    let counts = harness.counts();
    assert_eq!((counts.closed_bad_request, counts.closed_peer), (1, 0));
}

#[test]
fn a_client_that_violates_the_protocol_is_not_waited_for() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_bytes(id, b"\x81\x01x");
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(1002))]);
    assert!(harness.socket(id).is_write_shut_down);

    let id = harness.connect_client();
    harness.send_text(id, "nonsense");
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3501))]);
    assert!(!harness.socket(id).is_write_shut_down);
    harness.send_bytes(id, b"\x81\x01x");
    harness.run_turn();
    assert!(harness.socket(id).is_write_shut_down);
}

#[test]
fn a_close_frame_is_accepted_beyond_the_rate_of_commands() {
    let mut config = config();
    config.ws.max_command_rate = 1;
    let mut harness = HubHarness::new(config);
    let id = harness.open_websocket("/raw?topic=a");
    harness.send_bytes(id, &wire::client_frame(wire::PING, b""));
    assert_eq!(harness.read_frames(id), [ServerFrame::Pong(Vec::new())]);
    harness.send_bytes(id, &wire::close_frame(1000));
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(1000))]);
    let counts = harness.counts();
    assert_eq!((counts.closed_peer, counts.closed_too_fast), (1, 0));
}

#[test]
fn a_client_that_ends_the_stream_after_its_close_frame_gets_the_answer() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.socket(id).room_bytes = 1;
    harness.send_bytes(id, &wire::close_frame(1000));
    harness.run_turn();
    harness.hub.end_of_stream(id);
    assert_eq!(
        harness.closed(id),
        None,
        "the rest of the close frame is pending"
    );
    harness.add_room(id, 100);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(1000))]);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
}

#[test]
fn each_protocol_violation_has_its_own_close_code() {
    let cases = [
        (b"\x81\x01x".to_vec(), 1002),
        (wire::client_frame(wire::TEXT, b"\xff"), 1007),
        (
            wire::client_frame(wire::TEXT, &vec![b' '; 64 * 1024 + 1]),
            1009,
        ),
    ];
    let mut harness = HubHarness::new(config());
    for (bytes, code) in cases {
        let id = harness.connect_client();
        harness.send_bytes(id, &bytes);
        assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(code))]);
    }
    let counts = harness.counts();
    assert_eq!((counts.closed_fault, counts.closed_too_big), (2, 1));
}

#[test]
fn pings_are_answered_with_their_payload() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_bytes(id, &wire::client_frame(wire::PING, &[7; 125]));
    assert_eq!(harness.read_frames(id), [ServerFrame::Pong(vec![7; 125])]);
}

#[test]
fn pending_publications_of_a_lost_connection_are_dropped_and_counted() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_slow_subscriber(&["a"], 10);
    for body in ["1", "2", "3"] {
        harness.publish("a", body);
        harness.run_turn();
    }
    assert_eq!(harness.counts().pending, 3);
    harness.hub.lost(id);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    let counts = harness.counts();
    assert_eq!(
        (counts.dropped_closed, counts.pending, counts.pending_bytes),
        (3, 0, 0)
    );
    assert_eq!(
        (counts.closed_lost, counts.topics, counts.subscriptions),
        (1, 0, 0)
    );
    let state = harness.upstream.state();
    assert_eq!((state.admitted, state.left), (1, 1));
    assert!(state.wanted_hashes.is_empty() && state.connections_by_codec == [0; 3]);
}

/// Lets the next send to a connection fail.
fn fail_send(harness: &mut HubHarness, id: ConnectionId) {
    let mut egress = Egress::default();
    assert!(harness.hub.poll_egress(&mut egress));
    assert_eq!(
        harness.hub.sent(id, SendOutcome::Failed, harness.now_us),
        Writability::Ready
    );
}

#[test]
fn a_failed_send_ends_the_connection_behind_its_input() {
    let mut config = config();
    for namespace in &mut config.namespaces {
        namespace.publish = true;
    }
    let mut harness = HubHarness::new(config);
    harness.immediate_answer = None;
    let id = harness.connect_subscriber(&["a"]);
    harness.publish("a", "1");
    fail_send(&mut harness, id);
    harness.send_text(id, r#"{"id":9,"publish":{"channel":"a","data":9}}"#);
    harness.run_turn();
    assert_eq!(harness.tickets.len(), 1, "the publication was received");
    harness.publish("a", "2");
    harness.hub.writable(id);
    assert!(!harness.hub.poll_egress(&mut Egress::default()));
    assert_eq!(harness.closed(id), None);
    harness.hub.end_of_stream(id);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    let counts = harness.counts();
    assert_eq!((counts.dropped_closed, counts.closed_lost), (2, 1));
    assert_eq!((counts.pending, counts.pending_bytes), (0, 0));
}

#[test]
fn a_close_frame_behind_a_failed_send_ends_the_connection_at_once() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_subscriber(&["a"]);
    harness.publish("a", "1");
    fail_send(&mut harness, id);
    harness.send_bytes(id, &wire::close_frame(1000));
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    let counts = harness.counts();
    assert_eq!((counts.closed_peer, counts.closed_lost), (1, 0));
    assert_eq!((counts.dropped_closed, counts.pending_bytes), (1, 0));
}

#[test]
fn a_failed_send_ends_a_closing_connection_at_once() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.send_text(id, "nonsense");
    fail_send(&mut harness, id);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    assert_eq!(harness.counts().pending_bytes, 0);
}

#[test]
fn late_calls_for_a_former_connection_do_not_affect_the_next_one_in_its_slot() {
    let mut harness = HubHarness::new(config());
    let old = harness.connect_subscriber(&["a"]);
    harness.hub.lost(old);
    harness.run_turn();
    let new = harness.connect_subscriber(&["a"]);
    assert_eq!(new.slot(), old.slot());
    let before = harness.counts();
    let mut bytes = wire::close_frame(1000);
    let now_us = harness.now_us;
    harness.hub.receive(old, &mut bytes, now_us);
    assert_eq!(
        harness.hub.sent(old, SendOutcome::Written(1), now_us),
        Writability::Ready
    );
    assert_eq!(
        harness.hub.sent(old, SendOutcome::Failed, now_us),
        Writability::Ready
    );
    harness.hub.writable(old);
    harness.hub.end_of_stream(old);
    harness.hub.lost(old);
    harness.hub.release(old);
    assert_eq!(harness.hub.poll_socket_action(), None);
    assert_eq!(harness.counts(), before);
    harness.publish("a", "1");
    assert_eq!(harness.read_texts(new), [push("a", "1")]);
}

#[test]
fn late_completions_do_not_affect_a_connection_that_has_ended() {
    let mut harness = HubHarness::new(config());
    harness.releases_closed = false;
    let id = harness.connect_subscriber(&["a"]);
    harness.publish("a", "1");
    let mut egress = Egress::default();
    assert!(harness.hub.poll_egress(&mut egress));
    harness.hub.lost(id);
    let before = harness.counts();
    assert_eq!(
        harness
            .hub
            .sent(id, SendOutcome::Written(5), harness.now_us),
        Writability::Ready
    );
    harness.hub.writable(id);
    harness.hub.lost(id);
    assert_eq!(harness.counts(), before);
    assert_eq!(harness.closed(id), Some(CloseKind::Orderly));
    harness.hub.release(id);
    harness.hub.release(id);
    let state = harness.upstream.state();
    assert_eq!(
        (state.admitted, state.left),
        (1, 1),
        "the socket is removed from the count once"
    );
}

#[test]
fn the_write_side_is_shut_down_before_the_socket_is_closed() {
    let mut harness = HubHarness::new(config());
    let id = harness.accept();
    harness.send_bytes(id, b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut egress = Egress::default();
    assert!(harness.hub.poll_egress(&mut egress));
    let bytes = egress.bytes(&egress.sends()[0]).len() as u32;
    let sent = harness
        .hub
        .sent(id, SendOutcome::Written(bytes), harness.now_us);
    assert_eq!(sent, Writability::Ready);
    harness.hub.end_of_stream(id);
    assert_eq!(
        harness.hub.poll_socket_action(),
        Some(SocketAction::FinishWriting(id)),
        "socket actions are in order"
    );
    assert_eq!(
        harness.hub.poll_socket_action(),
        Some(SocketAction::Close { id, abort: false })
    );
    assert_eq!(harness.hub.poll_socket_action(), None);
}

#[test]
fn a_client_that_is_closed_for_its_rate_is_hardly_read_any_more() {
    let mut config = config();
    config.ws.max_command_rate = 2;
    let mut harness = HubHarness::new(config);
    let id = harness.connect_client();
    harness.advance_clock(SECOND_US);
    let second_us = harness.now_us / SECOND_US * SECOND_US;
    let flood = wire::client_frame(wire::PING, b"").repeat(600);
    let reading = harness.hub.receive(id, &mut flood.clone(), second_us);
    assert_eq!(reading, Reading::Continues);
    let frames = harness.read_frames(id);
    assert_eq!(frames.last(), Some(&ServerFrame::Close(Some(3013))));
    assert!(
        harness.socket(id).is_write_shut_down,
        "no answer is awaited"
    );
    let until_us = second_us + SECOND_US;
    let mut reads = 0;
    while harness.hub.receive(id, &mut flood.clone(), second_us + 1) == Reading::Continues {
        reads += 1;
    }
    assert_eq!(reads, CLOSING_RECEIVE_RATE / flood.len());
    let reading = harness.hub.receive(id, &mut flood.clone(), second_us + 2);
    assert_eq!(reading, Reading::Paused { until_us });
    let reading = harness.hub.receive(id, &mut flood.clone(), until_us);
    assert_eq!(reading, Reading::Continues);
}
