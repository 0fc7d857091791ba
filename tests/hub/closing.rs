//! Ends: close handshakes from both sides, lost sockets, late calls for connections that are gone.

use fanfare::hub::{Egress, SendOutcome, SocketAction, Writability};

use crate::upstream::{config, push};
use crate::wire::{self, Frame};
use crate::world::World;

#[test]
fn a_client_s_close_is_answered_with_its_code() {
    let mut world = World::new(config());
    let id = world.subscriber(&["a"]);
    world.feed(id, &wire::close(1001));
    assert!(!world.wants("a"), "it is out of its topics at once");
    assert_eq!(world.read(id), [Frame::Close(Some(1001))]);
    assert!(world.socket(id).write_ended && world.socket(id).closed.is_none());
    world.hub.end_of_stream(id);
    assert_eq!(world.closed(id), Some(false));
    assert_eq!(world.counts().closed_peer, 1);
    assert!(world.hub.is_empty());
}

#[test]
fn a_close_without_a_code_is_answered_without_one() {
    let mut world = World::new(config());
    let id = world.client();
    world.feed(id, &wire::masked(wire::CLOSE, b""));
    assert_eq!(world.read(id), [Frame::Close(None)]);
}

#[test]
fn what_was_pending_goes_out_before_the_answer_to_a_close() {
    let mut world = World::new(config());
    let id = world.subscriber(&["a"]);
    world.publish("a", "1");
    world.feed(id, &wire::close(1000));
    world.publish("a", "2");
    assert_eq!(
        world.read(id),
        [Frame::text(&push("a", "1")), Frame::Close(Some(1000))]
    );
}

#[test]
fn after_the_server_s_close_the_client_s_ends_it() {
    let mut world = World::new(config());
    let id = world.client();
    world.say(id, "nonsense");
    assert_eq!(world.read(id), [Frame::Close(Some(3501))]);
    world.feed(id, &wire::close(3501));
    assert_eq!(world.read(id), [], "one goodbye is enough");
    world.hub.end_of_stream(id);
    assert_eq!(world.closed(id), Some(false));
    let counts = world.counts();
    assert_eq!((counts.closed_bad_request, counts.closed_peer), (1, 0));
}

#[test]
fn a_client_that_ends_its_side_with_its_close_still_gets_the_answer() {
    let mut world = World::new(config());
    let id = world.client();
    world.socket(id).room = 1;
    world.feed(id, &wire::close(1000));
    world.turn();
    world.hub.end_of_stream(id);
    assert_eq!(
        world.closed(id),
        None,
        "the rest of the close frame is still to come"
    );
    world.make_room(id, 100);
    assert_eq!(world.read(id), [Frame::Close(Some(1000))]);
    assert_eq!(world.closed(id), Some(false));
}

#[test]
fn a_broken_frame_is_closed_with_its_own_code() {
    let cases = [
        (b"\x81\x01x".to_vec(), 1002),
        (wire::masked(wire::TEXT, b"\xff"), 1007),
        (wire::masked(wire::TEXT, &vec![b' '; 64 * 1024 + 1]), 1009),
    ];
    let mut world = World::new(config());
    for (bytes, code) in cases {
        let id = world.client();
        world.feed(id, &bytes);
        assert_eq!(world.read(id), [Frame::Close(Some(code))]);
    }
    let counts = world.counts();
    assert_eq!((counts.closed_fault, counts.closed_too_big), (2, 1));
}

#[test]
fn pings_are_answered_with_their_payload() {
    let mut world = World::new(config());
    let id = world.client();
    world.feed(id, &wire::masked(wire::PING, &[7; 125]));
    assert_eq!(world.read(id), [Frame::Pong(vec![7; 125])]);
}

#[test]
fn a_lost_connection_gives_up_what_was_pending_and_counts_it() {
    let mut world = World::new(config());
    let id = world.slow_subscriber(&["a"], 10);
    for body in ["1", "2", "3"] {
        world.publish("a", body);
        world.turn();
    }
    assert_eq!(world.counts().pending, 3);
    world.hub.lost(id);
    assert_eq!(world.closed(id), Some(false));
    let counts = world.counts();
    assert_eq!(
        (counts.dropped_closed, counts.pending, counts.pending_bytes),
        (3, 0, 0)
    );
    assert_eq!(
        (counts.closed_lost, counts.topics, counts.subscriptions),
        (1, 0, 0)
    );
    let asked = world.upstream.0.borrow();
    assert_eq!((asked.admits, asked.leaves), (1, 1));
    assert!(asked.wanted.is_empty() && asked.codecs == [0, 0]);
}

#[test]
fn a_send_that_fails_ends_the_connection() {
    let mut world = World::new(config());
    let id = world.subscriber(&["a"]);
    world.publish("a", "1");
    let mut egress = Egress::default();
    assert!(world.hub.poll_egress(&mut egress));
    assert_eq!(
        world.hub.sent(id, SendOutcome::Failed, world.now_us),
        Writability::Ready
    );
    assert_eq!(world.closed(id), Some(false));
    assert_eq!(world.counts().dropped_closed, 1);
}

#[test]
fn late_calls_for_a_former_connection_do_nothing_to_the_next() {
    let mut world = World::new(config());
    let old = world.subscriber(&["a"]);
    world.hub.lost(old);
    world.turn();
    let new = world.subscriber(&["a"]);
    assert_eq!(new.slot(), old.slot());
    let before = world.counts();
    let mut bytes = wire::close(1000);
    let now_us = world.now_us;
    world.hub.receive(old, &mut bytes, now_us);
    assert_eq!(
        world.hub.sent(old, SendOutcome::Written(1), now_us),
        Writability::Ready
    );
    assert_eq!(
        world.hub.sent(old, SendOutcome::Failed, now_us),
        Writability::Ready
    );
    world.hub.writable(old);
    world.hub.end_of_stream(old);
    world.hub.lost(old);
    world.hub.release(old);
    assert_eq!(world.hub.poll_socket_action(), None);
    assert_eq!(world.counts(), before);
    world.publish("a", "1");
    assert_eq!(world.texts(new), [push("a", "1")]);
}

#[test]
fn a_connection_that_is_over_hears_no_late_completions() {
    let mut world = World::new(config());
    world.releases = false;
    let id = world.subscriber(&["a"]);
    world.publish("a", "1");
    let mut egress = Egress::default();
    assert!(world.hub.poll_egress(&mut egress));
    world.hub.lost(id);
    let before = world.counts();
    assert_eq!(
        world.hub.sent(id, SendOutcome::Written(5), world.now_us),
        Writability::Ready
    );
    world.hub.writable(id);
    world.hub.lost(id);
    assert_eq!(world.counts(), before);
    assert_eq!(world.closed(id), Some(false));
    world.hub.release(id);
    world.hub.release(id);
    let asked = world.upstream.0.borrow();
    assert_eq!((asked.admits, asked.leaves), (1, 1), "counted out once");
}

#[test]
fn the_write_side_ends_before_the_socket_is_closed() {
    let mut world = World::new(config());
    let id = world.client();
    world.feed(id, &wire::close(1000));
    let mut egress = Egress::default();
    assert!(world.hub.poll_egress(&mut egress));
    let bytes = egress.bytes(&egress.sends()[0]).len() as u32;
    let sent = world
        .hub
        .sent(id, SendOutcome::Written(bytes), world.now_us);
    assert_eq!(sent, Writability::Ready);
    world.hub.end_of_stream(id);
    assert_eq!(
        world.hub.poll_socket_action(),
        Some(SocketAction::FinishWriting(id)),
        "events come in order"
    );
    assert_eq!(
        world.hub.poll_socket_action(),
        Some(SocketAction::Close { id, abort: false })
    );
    assert_eq!(world.hub.poll_socket_action(), None);
}
