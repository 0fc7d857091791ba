//! Commands that wait for a hook: order, silence, deadlines, and connections that end meanwhile.

use std::time::Duration;

use fanfare::hub::{Answer, DrainScope, Reading};
use fanfare::limits::{SERVICE_ANSWER_TIMEOUT, SERVICE_WAIT_BYTES};
use serde_json::json;

use crate::harness::SECOND_US;
use crate::hooked::{Hooked, INTERNAL, close_code, complete, hooked, hooked_with};
use crate::wire;

const NO_TEXTS: [&str; 0] = [];
const ANSWER_TIMEOUT_US: u64 = SERVICE_ANSWER_TIMEOUT.as_micros() as u64;

#[test]
fn commands_after_one_that_waits_keep_their_order() {
    let mut hooked = Hooked::new(hooked_with(|namespace| {
        namespace.subscribe_hook = false;
        namespace.allow_subscribe_for_client = true;
    }));
    let id = hooked.open();
    // As centrifuge-js sends its first message, and bytes that follow in the same receive.
    let message = concat!(
        r#"{"id":1,"connect":{}}"#,
        "\n",
        r#"{"id":2,"subscribe":{"channel":"a"}}"#,
        "\n",
        r#"{"id":3,"rpc":{"method":"m"}}"#,
        "\n",
        r#"{"id":4,"subscribe":{"channel":"b"}}"#,
    );
    let mut bytes = wire::text_frame(message);
    bytes.extend(wire::text_frame(r#"{"id":5,"ping":{}}"#));
    let reading = hooked.0.hub.receive(id, &mut bytes, hooked.0.now_us);
    assert_eq!(reading, Reading::Parked);
    assert_eq!(hooked.0.read_texts(id), NO_TEXTS);
    assert_eq!(
        hooked.0.hub.poll_readable(),
        None,
        "the shell does not read"
    );
    hooked.answer(&json!({"result": {"user": "42"}}));
    let [replies] = &hooked.0.read_texts(id)[..] else {
        panic!("one message");
    };
    let (connect, subscribe) = replies.split_once('\n').unwrap();
    assert!(connect.starts_with(r#"{"id":1,"connect":"#));
    assert_eq!(subscribe, r#"{"id":2,"subscribe":{}}"#);
    assert_eq!(hooked.0.hub.poll_readable(), None);
    hooked.answer(&json!({"result": {}}));
    assert_eq!(
        hooked.0.read_texts(id),
        [
            "{\"id\":3,\"rpc\":{}}\n{\"id\":4,\"subscribe\":{}}",
            r#"{"id":5,"ping":{}}"#
        ]
    );
    assert_eq!(hooked.0.hub.poll_readable(), Some(id));
}

#[test]
fn a_connection_that_waits_is_not_closed_for_silence_and_gets_its_pings() {
    let mut config = hooked();
    config.ws.ping = Duration::from_secs(2);
    config.ws.pong_timeout = Duration::from_secs(1);
    let mut hooked = Hooked::new(config);
    let connecting = hooked.open();
    hooked.0.send_text(connecting, r#"{"id":1,"connect":{}}"#);
    let (connect_ticket, _) = hooked.question();
    hooked.0.advance_clock(40 * SECOND_US);
    assert_eq!(hooked.0.read_texts(connecting), NO_TEXTS);
    let id = hooked.connect();
    hooked.0.send_text(id, r#"{"id":2,"rpc":{}}"#);
    let (ticket, _) = hooked.question();
    hooked.0.advance_clock(4 * SECOND_US);
    let pings = hooked.0.read_texts(id);
    assert!(
        !pings.is_empty() && pings.iter().all(|text| text == "{}"),
        "{pings:?}"
    );
    let answer = || complete(200, r#"{"result":{}}"#);
    hooked.0.answer_service(ticket, answer());
    assert_eq!(hooked.0.read_texts(id), [r#"{"id":2,"rpc":{}}"#]);
    hooked.0.answer_service(connect_ticket, answer());
    assert_eq!(hooked.0.read_texts(connecting).len(), 1);
    hooked.0.send_text(id, "{}");
    hooked.0.send_text(connecting, "{}");
    assert_eq!(hooked.0.counts().closed_no_pong, 0);
    hooked.0.advance_clock(10 * SECOND_US);
    assert_eq!(close_code(&hooked.0.read_frames(id)[1..]), Some(3012));
}

#[test]
fn an_answer_that_never_comes_ends_in_a_temporary_error() {
    let mut hooked = Hooked::new(hooked());
    let id = hooked.connect();
    hooked.0.send_text(id, r#"{"id":2,"rpc":{}}"#);
    let (ticket, _) = hooked.question();
    hooked.0.advance_clock(ANSWER_TIMEOUT_US - SECOND_US);
    assert_eq!(hooked.0.read_texts(id), NO_TEXTS);
    hooked.0.advance_clock(2 * SECOND_US);
    let _ = hooked.0.hub.resume_parked(hooked.0.now_us);
    let error = format!(r#"{{"id":2,"error":{INTERNAL}}}"#);
    assert_eq!(hooked.0.read_texts(id), [error]);
    let late = complete(200, r#"{"result":{"data":1}}"#);
    hooked.0.answer_service(ticket, late);
    assert_eq!(
        hooked.0.read_texts(id),
        NO_TEXTS,
        "a late answer is ignored"
    );
}

#[test]
fn a_question_for_which_the_service_thread_has_no_room_ends_in_a_temporary_error() {
    let mut hooked = Hooked::new(hooked());
    let id = hooked.connect();
    hooked.0.send_text(id, r#"{"id":2,"rpc":{}}"#);
    let (ticket, _) = hooked.question();
    let now_us = hooked.0.now_us;
    hooked.0.hub.answer([(ticket, Answer::Timeout)], now_us);
    let _ = hooked.0.hub.resume_parked(now_us);
    let error = format!(r#"{{"id":2,"error":{INTERNAL}}}"#);
    assert_eq!(hooked.0.read_texts(id), [error]);
}

#[test]
fn the_bytes_that_wait_are_bounded() {
    let mut hooked = Hooked::new(hooked());
    let data = "x".repeat(48 * 1024);
    let command = format!(r#"{{"id":2,"rpc":{{"data":"{data}"}}}}"#);
    // The question of each client contains the data.
    let fitting = SERVICE_WAIT_BYTES / data.len();
    let ids: Vec<_> = (0..=fitting).map(|_| hooked.connect()).collect();
    for id in &ids {
        hooked.0.send_text(*id, &command);
    }
    let refused: Vec<_> = ids.into_iter().map(|id| hooked.0.read_texts(id)).collect();
    let refused: Vec<_> = refused.into_iter().flatten().collect();
    let expected = format!(r#"{{"id":2,"error":{INTERNAL}}}"#);
    assert!(
        (1..10).contains(&refused.len()),
        "{} refused",
        refused.len()
    );
    assert!(refused.iter().all(|reply| *reply == expected));
    let counts = hooked.0.counts();
    assert_eq!(counts.service_refused, refused.len() as u64);
    assert_eq!(counts.parked, (fitting + 1 - refused.len()) as u64);
}

#[test]
fn a_drain_and_the_end_of_the_client_end_a_wait() {
    let mut hooked = Hooked::new(hooked());
    let drained = hooked.connect();
    hooked.0.send_text(drained, r#"{"id":2,"rpc":{}}"#);
    let (ticket, _) = hooked.question();
    let now_us = hooked.0.now_us;
    hooked.0.hub.drain(DrainScope::Count(1), SECOND_US, now_us);
    hooked.0.advance_clock(2 * SECOND_US);
    assert_eq!(close_code(&hooked.0.read_frames(drained)), Some(3001));
    assert_eq!(
        hooked.0.hub.poll_readable(),
        Some(drained),
        "read to its end"
    );
    let answer = || complete(200, r#"{"result":{}}"#);
    hooked.0.answer_service(ticket, answer());
    assert_eq!(hooked.0.read_frames(drained), []);

    let lost = hooked.connect();
    hooked.0.send_text(lost, r#"{"id":2,"rpc":{}}"#);
    let (ticket, _) = hooked.question();
    hooked.0.hub.lost(lost);
    hooked.0.run_turn();
    hooked.0.answer_service(ticket, answer());
    assert_eq!(hooked.0.counts().parked, 0);
}
