//! Tests of the waits of parked connections.

use crate::access::{HookCall, HookKind, HookResponse};

use super::*;

const TIMEOUT_US: u64 = SERVICE_ANSWER_TIMEOUT.as_micros() as u64;

fn id(number: u64) -> ConnectionId {
    ConnectionId::from_bits(number)
}

fn held(input: &[u8]) -> Held {
    Held {
        message: None,
        input: input.to_vec(),
    }
}

fn answer() -> Awaited {
    Awaited::Answer(ServiceAnswer::Hook(HookResponse::Failed))
}

/// Parks connection `number` for the answer with the ticket of the same number.
fn park_for_answer(parked: &mut Parked, number: u32, now_us: u64) -> Ticket {
    let id = id(number.into());
    let ticket = Ticket::of(id, number);
    parked.park_for_answer(id, held(b"input"), ticket, now_us);
    ticket
}

#[test]
fn a_connection_continues_with_its_answer_and_not_before() {
    let mut parked = Parked::default();
    let ticket = park_for_answer(&mut parked, 1, 0);
    assert!(parked.contains(id(1)));
    assert!(parked.next().is_none());
    assert_eq!(parked.parking(), Parking::Empty, "the shard may sleep");
    parked.end_wait(Ticket::of(id(1), 2), answer());
    assert_eq!(parked.parking(), Parking::Empty, "a ticket of another wait");
    parked.keep_input(id(1), b" and more");
    parked.end_wait(ticket, answer());
    assert_eq!(parked.parking(), Parking::Occupied);
    parked.end_wait(ticket, Awaited::NoAnswer);
    let (next, held, awaited) = parked.next().unwrap();
    assert_eq!((next, awaited), (id(1), answer()));
    assert_eq!(held.input, b"input and more");
    assert!(!parked.contains(id(1)));
    assert_eq!((parked.held_bytes, parked.deadline_us()), (0, None));
}

#[test]
fn those_that_wait_for_an_answer_do_not_hold_up_those_that_wait_for_time() {
    let mut parked = Parked::default();
    park_for_answer(&mut parked, 1, 0);
    parked.park(id(2), held(b""));
    assert_eq!(parked.next().map(|(id, ..)| id), Some(id(2)));
    assert!(parked.next().is_none());
    assert!(parked.contains(id(1)), "it still waits");
}

#[test]
fn a_late_answer_is_named_once_its_deadline_has_passed() {
    let mut parked = Parked::default();
    let first = park_for_answer(&mut parked, 1, 0);
    park_for_answer(&mut parked, 2, 10);
    assert_eq!(parked.deadline_us(), Some(TIMEOUT_US));
    assert_eq!(parked.expired(TIMEOUT_US - 1), None);
    assert_eq!(parked.expired(TIMEOUT_US), Some(first));
    parked.end_wait(first, Awaited::NoAnswer);
    assert_eq!(parked.expired(TIMEOUT_US), None);
    assert_eq!(parked.deadline_us(), Some(TIMEOUT_US + 10));
}

#[test]
fn a_closed_connection_leaves_nothing_behind_and_is_read_to_its_end() {
    let mut parked = Parked::default();
    let ticket = park_for_answer(&mut parked, 1, 0);
    parked.forget(id(1));
    assert_eq!((parked.held_bytes, parked.deadline_us()), (0, None));
    assert_eq!(parked.next_readable(), Some(id(1)));
    parked.end_wait(ticket, answer());
    assert!(parked.next().is_none(), "the answer is ignored");
    let ticket = park_for_answer(&mut parked, 2, 0);
    parked.end_wait(ticket, answer());
    parked.forget(id(2));
    assert!(parked.next().is_none());
    assert_eq!((parked.len(), parked.parking()), (0, Parking::Empty));
}

#[test]
fn the_bytes_that_a_shard_holds_are_bounded() {
    let mut parked = Parked::default();
    parked.park(id(1), held(&vec![0; PARKED_BYTES - 1]));
    assert!(parked.has_room());
    parked.keep_input(id(1), b"x");
    assert!(!parked.has_room());
    assert!(parked.next().is_some());
    assert!(parked.has_room());
    park_for_answer(&mut parked, 2, 0);
    parked.keep_input(id(2), &vec![0; PARKED_BYTES]);
    assert!(!parked.has_room());
    parked.forget(id(2));
    assert!(parked.has_room());
}

#[test]
fn a_question_counts_with_its_headers() {
    let call = HookCall {
        kind: HookKind::Rpc,
        body: b"{}".to_vec(),
        headers: vec![("origin".into(), "https://a".into())],
    };
    assert_eq!(ServiceQuestion::Hook(call).bytes(), 17);
}
