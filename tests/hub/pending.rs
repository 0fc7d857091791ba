//! Commands that are answered later: order, deadlines, bounds, and connections that end before the
//! answer arrives.

use fanfare::hub::{Answer, ConnectionId, DrainScope, PublishAnswer, Question, UnreadAnswers};
use fanfare::limits::{
    COMMANDS_PER_MESSAGE, PENDING_COMMAND_TIMEOUT, PENDING_COMMANDS, PENDING_COMMANDS_PER_SHARD,
    PENDING_QUESTION_BYTES,
};

use crate::harness::{CloseKind, HubHarness, TICK_US};
use crate::upstream::config;
use crate::wire::{self, ServerFrame};

const TIMEOUT_US: u64 = PENDING_COMMAND_TIMEOUT.as_micros() as u64;
const NO_TEXTS: [&str; 0] = [];

/// Returns a harness in which every client may publish, and answers no question.
fn harness_without_answers() -> HubHarness {
    let mut config = config();
    for namespace in &mut config.namespaces {
        namespace.publish = true;
    }
    config.ws.max_command_rate = 1_000_000;
    let mut harness = HubHarness::new(config);
    harness.immediate_answer = None;
    harness
}

/// Returns a publish command. Its payload is the id of the command.
fn publish_command(request: usize) -> String {
    format!(r#"{{"id":{request},"publish":{{"channel":"a","data":{request}}}}}"#)
}

/// Returns the reply to a publish command that ingest has accepted.
fn accepted(request: usize) -> String {
    format!(r#"{{"id":{request},"publish":{{}}}}"#)
}

/// Returns the reply to a publish command for which there is no room.
fn busy(request: usize) -> String {
    let error = r#"{"code":111,"message":"too many requests","temporary":true}"#;
    format!(r#"{{"id":{request},"error":{error}}}"#)
}

/// Returns the reply to a publish command that got no answer in time.
fn timed_out(request: usize) -> String {
    let error = r#"{"code":100,"message":"internal server error","temporary":true}"#;
    format!(r#"{{"id":{request},"error":{error}}}"#)
}

fn send_publish(harness: &mut HubHarness, id: ConnectionId, request: usize) {
    harness.send_text(id, &publish_command(request));
}

/// Makes as many commands pending as one connection may have. Their ids start with 1.
fn fill_connection(harness: &mut HubHarness, id: ConnectionId) {
    let messages = PENDING_COMMANDS / COMMANDS_PER_MESSAGE;
    for message in 0..messages {
        let first = 1 + message * COMMANDS_PER_MESSAGE;
        let mut commands = Vec::new();
        for request in first..first + COMMANDS_PER_MESSAGE {
            commands.push(publish_command(request));
        }
        harness.send_text(id, &commands.join("\n"));
        harness.run_turn();
    }
}

#[test]
fn a_publish_is_acknowledged_when_its_answer_arrives() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    send_publish(&mut harness, id, 2);
    send_publish(&mut harness, id, 3);
    harness.send_text(id, r#"{"id":4,"ping":{}}"#);
    assert_eq!(harness.read_texts(id), [r#"{"id":4,"ping":{}}"#]);
    let (first, second) = (harness.tickets[0], harness.tickets[1]);
    harness.answer(second, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(id), [accepted(3)]);
    harness.answer(first, PublishAnswer::Rejected);
    let rejected = r#"{"id":2,"error":{"code":107,"message":"bad request"}}"#;
    assert_eq!(harness.read_texts(id), [rejected]);
    harness.answer(first, PublishAnswer::Accepted);
    harness.answer(second, PublishAnswer::Accepted);
    assert_eq!(
        harness.read_texts(id),
        NO_TEXTS,
        "each command has one reply"
    );
    assert_eq!(harness.counts().command_errors, 1);
}

#[test]
fn questions_are_taken_once_and_in_the_order_of_the_commands() {
    let mut harness = harness_without_answers();
    let first = harness.connect_client();
    let second = harness.connect_client();
    let commands = [publish_command(2), publish_command(3)];
    harness.send_text(first, &commands.join("\n"));
    send_publish(&mut harness, second, 4);
    send_publish(&mut harness, first, 5);

    let questions = harness.hub.take_questions();
    let mut payloads = Vec::new();
    for (_, question) in &questions {
        let Question::Publish { topic, payload, .. } = question else {
            panic!("no service is configured: {question:?}");
        };
        assert_eq!(topic, "a");
        payloads.push(payload.as_slice());
    }
    assert_eq!(payloads, [b"2", b"3", b"4", b"5"]);
    assert_eq!(harness.hub.take_questions(), []);

    for (ticket, _) in questions {
        harness.answer(ticket, PublishAnswer::Accepted);
    }
    assert_eq!(
        harness.read_texts(first),
        [accepted(2), accepted(3), accepted(5)]
    );
    assert_eq!(harness.read_texts(second), [accepted(4)]);
}

#[test]
fn a_command_without_an_answer_fails_at_its_deadline_with_a_temporary_error() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    send_publish(&mut harness, id, 2);
    harness.run_turn();
    harness.advance_clock(TIMEOUT_US - 1);
    assert_eq!(harness.read_texts(id), NO_TEXTS);
    send_publish(&mut harness, id, 3);
    harness.advance_clock(1);
    assert_eq!(harness.read_texts(id), [timed_out(2)]);
    let late = harness.tickets[0];
    harness.answer(late, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(id), NO_TEXTS, "a late answer is ignored");
    let pending = harness.tickets[1];
    harness.answer(pending, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(id), [accepted(3)]);
    harness.advance_clock(2 * TIMEOUT_US);
    assert_eq!(
        harness.counts().command_errors,
        1,
        "an answered command has no deadline"
    );
}

#[test]
fn no_command_fails_while_its_answer_may_be_unread() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    for number in [2, 3] {
        send_publish(&mut harness, id, number);
    }
    harness.run_turn();
    harness.hub.set_unread_answers(UnreadAnswers::Possible);
    harness.advance_clock(2 * TIMEOUT_US);
    assert_eq!(harness.read_texts(id), NO_TEXTS);
    let first = harness.tickets[0];
    harness.answer(first, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(id), [accepted(2)]);
    harness.hub.set_unread_answers(UnreadAnswers::None);
    harness.tick();
    assert_eq!(harness.read_texts(id), [timed_out(3)]);
}

#[test]
fn a_pending_command_counts_in_deadlines_until_it_is_answered() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    let first_deadline_us = harness.now_us + TIMEOUT_US;
    send_publish(&mut harness, id, 2);
    harness.run_turn();
    harness.now_us += 500;
    send_publish(&mut harness, id, 3);
    harness.run_turn();
    assert_eq!(harness.hub.deadline_us(), Some(first_deadline_us));
    assert_eq!(harness.hub.overdue_us(first_deadline_us - 1), None);
    let late_us = first_deadline_us + 1_000;
    assert_eq!(harness.hub.overdue_us(late_us), Some(first_deadline_us));

    let (first, second) = (harness.tickets[0], harness.tickets[1]);
    harness.answer(first, PublishAnswer::Accepted);
    let second_deadline_us = first_deadline_us + 500;
    assert_eq!(harness.hub.deadline_us(), Some(second_deadline_us));
    assert_eq!(harness.hub.overdue_us(late_us), Some(second_deadline_us));

    harness.answer(second, PublishAnswer::Accepted);
    assert_eq!(harness.hub.overdue_us(late_us), None);
    let ping_deadline_us = harness.hub.deadline_us();
    assert!(ping_deadline_us > Some(late_us), "{ping_deadline_us:?}");
}

#[test]
fn commands_that_were_answered_out_of_order_do_not_hide_the_next_deadline() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    for request in 2..5 {
        send_publish(&mut harness, id, request);
        harness.run_turn();
        harness.now_us += 500;
    }
    let middle = harness.tickets[1];
    harness.answer(middle, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(id), [accepted(3)]);
    harness.advance_clock(TIMEOUT_US);
    assert_eq!(harness.read_texts(id), [timed_out(2), timed_out(4)]);
}

#[test]
fn a_connection_has_a_bounded_number_of_pending_commands() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    fill_connection(&mut harness, id);
    assert_eq!(harness.read_texts(id), NO_TEXTS);
    assert_eq!(harness.tickets.len(), PENDING_COMMANDS);
    send_publish(&mut harness, id, 9_999);
    assert_eq!(harness.read_texts(id), [busy(9_999)]);
    let other = harness.connect_client();
    send_publish(&mut harness, other, 2);
    assert_eq!(
        harness.read_texts(other),
        NO_TEXTS,
        "each connection has its own bound"
    );
    let first = harness.tickets[0];
    harness.answer(first, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(id), [accepted(1)]);
    send_publish(&mut harness, id, 10_000);
    assert_eq!(harness.read_texts(id), NO_TEXTS, "an answer makes room");
    harness.advance_clock(TIMEOUT_US);
    assert_eq!(harness.read_texts(id).len(), PENDING_COMMANDS);
    send_publish(&mut harness, id, 10_001);
    assert_eq!(harness.read_texts(id), NO_TEXTS, "a timeout makes room");
}

#[test]
fn a_shard_has_a_bounded_number_of_pending_commands() {
    let mut harness = harness_without_answers();
    for _ in 0..PENDING_COMMANDS_PER_SHARD / PENDING_COMMANDS {
        let id = harness.connect_client();
        fill_connection(&mut harness, id);
        assert_eq!(harness.read_texts(id), NO_TEXTS);
    }
    assert_eq!(harness.tickets.len(), PENDING_COMMANDS_PER_SHARD);
    let id = harness.connect_client();
    send_publish(&mut harness, id, 2);
    assert_eq!(harness.read_texts(id), [busy(2)]);
    let first = harness.tickets[0];
    harness.answer(first, PublishAnswer::Accepted);
    send_publish(&mut harness, id, 3);
    assert_eq!(harness.read_texts(id), NO_TEXTS, "an answer makes room");
}

#[test]
fn an_answer_for_a_connection_that_has_ended_is_ignored() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    send_publish(&mut harness, id, 2);
    harness.run_turn();
    let ticket = harness.tickets[0];
    harness.hub.lost(id);
    harness.run_turn();
    let next = harness.connect_client();
    assert_eq!(next.slot(), id.slot(), "the slot is used again");
    harness.answer(ticket, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(next), NO_TEXTS);
    send_publish(&mut harness, next, 2);
    harness.run_turn();
    harness.hub.lost(next);
    harness.advance_clock(2 * TIMEOUT_US);
    assert!(harness.hub.is_empty());
}

#[test]
fn a_connection_that_is_closing_gets_no_reply() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    send_publish(&mut harness, id, 2);
    harness.send_text(id, "nonsense");
    assert_eq!(harness.read_frames(id).len(), 1, "the close frame");
    let ticket = harness.tickets[0];
    harness.answer(ticket, PublishAnswer::Accepted);
    assert_eq!(harness.read_frames(id).len(), 0);
}

#[test]
fn a_drain_closes_clients_after_their_replies_and_no_internal_connection() {
    let mut harness = harness_without_answers();
    let internal = harness.accept_internal();
    harness.send_bytes(internal, &wire::upgrade_request("/connection/websocket"));
    assert_eq!(harness.read_response(internal).0, 101);
    harness.send_text(internal, r#"{"id":1,"connect":{}}"#);
    assert_eq!(harness.read_frames(internal).len(), 1);
    let client = harness.connect_client();
    send_publish(&mut harness, internal, 2);
    send_publish(&mut harness, internal, 3);
    send_publish(&mut harness, client, 4);
    harness.run_turn();

    let now_us = harness.now_us;
    harness.hub.drain(DrainScope::All, 0, now_us);
    harness.advance_clock(TICK_US);
    assert_eq!(harness.read_texts(client), NO_TEXTS, "the drain waits");
    let of_client = harness.tickets[2];
    harness.answer(of_client, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(client), [accepted(4)]);
    harness.advance_clock(TICK_US);
    assert_eq!(
        harness.read_frames(client),
        [ServerFrame::Close(Some(3001))]
    );
    harness.hub.end_of_stream(client);
    assert_eq!(harness.closed(client), Some(CloseKind::Orderly));
    assert!(harness.hub.is_empty(), "internal connections do not count");

    let answered = harness.tickets[0];
    harness.answer(answered, PublishAnswer::Accepted);
    assert_eq!(harness.read_texts(internal), [accepted(2)]);
    harness.advance_clock(TIMEOUT_US);
    assert_eq!(harness.read_texts(internal), [timed_out(3)]);
    assert_eq!(harness.closed(internal), None);
    assert_eq!(harness.read_frames(client), [], "the client is closed");
}

#[test]
fn consecutive_answers_for_one_connection_leave_in_one_message() {
    let mut harness = harness_without_answers();
    let (one, other) = (harness.connect_client(), harness.connect_client());
    for (id, request) in [(one, 2), (one, 3), (other, 4), (one, 5)] {
        send_publish(&mut harness, id, request);
        harness.run_turn();
    }
    let tickets = harness.tickets.clone();
    let accept = |ticket| (ticket, Answer::Publish(PublishAnswer::Accepted));
    let now_us = harness.now_us;
    harness.hub.answer(tickets.into_iter().map(accept), now_us);
    let joined = format!("{}\n{}", accepted(2), accepted(3));
    assert_eq!(harness.read_texts(one), [joined, accepted(5)]);
    assert_eq!(harness.read_texts(other), [accepted(4)]);
}

#[test]
fn the_replies_of_a_full_burst_do_not_exceed_a_small_outbox() {
    let mut harness = harness_without_answers();
    let mut config = config();
    for namespace in &mut config.namespaces {
        namespace.publish = true;
    }
    config.ws.max_command_rate = 1_000_000;
    config.ws.outbox = 64 * 1024;
    harness.hub.reconfigure(config.into());
    let id = harness.connect_client();
    fill_connection(&mut harness, id);
    let tickets = harness.tickets.clone();
    let accept = |ticket| (ticket, Answer::Publish(PublishAnswer::Accepted));
    let now_us = harness.now_us;
    harness.hub.answer(tickets.into_iter().map(accept), now_us);
    let messages = harness.read_texts(id);
    let replies = messages.iter().flat_map(|message| message.lines());
    assert_eq!(replies.count(), PENDING_COMMANDS);
    assert_eq!(harness.counts().closed_slow, 0);
}

#[test]
fn the_bytes_of_questions_are_bounded_until_they_are_taken() {
    let mut harness = harness_without_answers();
    let id = harness.connect_client();
    let data = format!("\"{}\"", "x".repeat(60_000));
    let publish =
        |request: usize| format!(r#"{{"id":{request},"publish":{{"channel":"a","data":{data}}}}}"#);
    let fitting = PENDING_QUESTION_BYTES / 60_003;
    for request in 0..fitting + 10 {
        let mut bytes = wire::text_frame(&publish(request + 2));
        let now_us = harness.now_us;
        harness.hub.receive(id, &mut bytes, now_us);
    }
    let questions = harness.hub.take_questions();
    assert!((fitting - 1..=fitting).contains(&questions.len()));
    assert_eq!(harness.read_texts(id).len(), fitting + 10 - questions.len());
    send_publish(&mut harness, id, 9_999);
    assert_eq!(
        harness.read_texts(id),
        NO_TEXTS,
        "taken questions make room"
    );
}

#[test]
fn the_commands_of_a_closed_connection_do_not_count_toward_the_bound_of_the_shard() {
    let mut harness = harness_without_answers();
    for _ in 0..2 * PENDING_COMMANDS_PER_SHARD / PENDING_COMMANDS {
        let id = harness.connect_client();
        fill_connection(&mut harness, id);
        assert_eq!(harness.read_texts(id), NO_TEXTS);
        harness.hub.lost(id);
        harness.run_turn();
    }
}
