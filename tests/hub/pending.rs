//! Commands that are answered later: order, deadlines, bounds, and connections that end meanwhile.

use fanfare::hub::{ConnectionId, PublishAnswer};
use fanfare::limits::{COMMANDS_PER_MESSAGE, PENDING_COMMAND_TIMEOUT, PENDING_COMMANDS};

use crate::upstream::config;
use crate::world::World;

const BUSY: &str = r#"{"code":111,"message":"too many requests","temporary":true}"#;

/// A world in which every client may publish and answers are pending.
fn world() -> World {
    let mut config = config();
    for namespace in &mut config.namespaces {
        namespace.publish = true;
    }
    config.ws.max_command_rate = 1_000_000;
    let mut world = World::new(config);
    world.publish_answer = None;
    world
}

fn publish(request: usize) -> String {
    format!(r#"{{"id":{request},"publish":{{"channel":"a","data":{request}}}}}"#)
}

/// Sends the publish command with this id.
fn say_publish(world: &mut World, id: ConnectionId, request: usize) {
    world.say(id, &publish(request));
}

#[test]
fn a_publish_is_acknowledged_when_its_answer_arrives_and_not_before() {
    let mut world = world();
    let id = world.client();
    say_publish(&mut world, id, 2);
    say_publish(&mut world, id, 3);
    world.say(id, r#"{"id":4,"ping":{}}"#);
    assert_eq!(world.texts(id), [r#"{"id":4,"ping":{}}"#]);
    let (first, second) = (world.tickets[0], world.tickets[1]);
    world.answer(second, PublishAnswer::Accepted);
    assert_eq!(world.texts(id), [r#"{"id":3,"publish":{}}"#]);
    world.answer(first, PublishAnswer::Rejected);
    let rejected = r#"{"id":2,"error":{"code":107,"message":"bad request"}}"#;
    assert_eq!(world.texts(id), [rejected]);
    world.answer(first, PublishAnswer::Accepted);
    world.answer(second, PublishAnswer::Accepted);
    assert_eq!(world.texts(id), [""; 0], "each command has one reply");
    assert_eq!(world.counts().command_errors, 1);
}

#[test]
fn a_command_without_an_answer_fails_at_its_deadline_with_a_temporary_error() {
    let mut world = world();
    let id = world.client();
    say_publish(&mut world, id, 2);
    world.turn();
    let timeout_us = PENDING_COMMAND_TIMEOUT.as_micros() as u64;
    world.wait(timeout_us - 1);
    assert_eq!(world.texts(id), [""; 0]);
    say_publish(&mut world, id, 3);
    world.wait(1);
    let failed =
        r#"{"id":2,"error":{"code":100,"message":"internal server error","temporary":true}}"#;
    assert_eq!(world.texts(id), [failed]);
    let late = world.tickets[0];
    world.answer(late, PublishAnswer::Accepted);
    assert_eq!(world.texts(id), [""; 0], "a late answer is ignored");
    let pending = world.tickets[1];
    world.answer(pending, PublishAnswer::Accepted);
    assert_eq!(world.texts(id), [r#"{"id":3,"publish":{}}"#]);
    world.wait(2 * timeout_us);
    assert_eq!(
        world.counts().command_errors,
        1,
        "an answered command has no deadline"
    );
}

#[test]
fn a_connection_has_a_bounded_number_of_pending_commands() {
    let mut world = world();
    let id = world.client();
    let full_messages = usize::from(PENDING_COMMANDS) / COMMANDS_PER_MESSAGE;
    for message in 0..full_messages {
        let first = 1 + message * COMMANDS_PER_MESSAGE;
        let commands: Vec<_> = (first..first + COMMANDS_PER_MESSAGE).map(publish).collect();
        world.say(id, &commands.join("\n"));
        world.turn();
    }
    assert_eq!(world.texts(id), [""; 0]);
    assert_eq!(world.tickets.len(), usize::from(PENDING_COMMANDS));
    say_publish(&mut world, id, 9999);
    assert_eq!(
        world.texts(id),
        [format!(r#"{{"id":9999,"error":{BUSY}}}"#)]
    );
    let other = world.client();
    say_publish(&mut world, other, 2);
    assert_eq!(
        world.texts(other),
        [""; 0],
        "the bound is of one connection"
    );
    let first = world.tickets[0];
    world.answer(first, PublishAnswer::Accepted);
    assert_eq!(world.texts(id), [r#"{"id":1,"publish":{}}"#]);
    say_publish(&mut world, id, 10_000);
    assert_eq!(world.texts(id), [""; 0], "an answer makes room");
}

#[test]
fn the_answer_for_a_connection_that_has_ended_reaches_nobody() {
    let mut world = world();
    let id = world.client();
    say_publish(&mut world, id, 2);
    world.turn();
    let ticket = world.tickets[0];
    world.hub.lost(id);
    world.turn();
    let reused = world.client();
    assert_eq!(reused.slot(), id.slot(), "the slot is used again");
    world.answer(ticket, PublishAnswer::Accepted);
    assert_eq!(world.texts(reused), [""; 0]);
    say_publish(&mut world, reused, 2);
    world.turn();
    world.hub.lost(reused);
    world.wait(2 * PENDING_COMMAND_TIMEOUT.as_micros() as u64);
    assert!(world.hub.is_empty());
}

#[test]
fn a_connection_that_is_closing_gets_no_reply() {
    let mut world = world();
    let id = world.client();
    say_publish(&mut world, id, 2);
    world.say(id, "nonsense");
    assert_eq!(world.read(id).len(), 1, "the close frame");
    let ticket = world.tickets[0];
    world.answer(ticket, PublishAnswer::Accepted);
    assert_eq!(world.read(id).len(), 0);
}
