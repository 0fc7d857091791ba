//! The time that a turn has for tokens: what is cheap, what costs, and what waits. Each connection
//! whose command waits is read again once, and nothing of it expires meanwhile.

use std::time::Duration;

use fanfare::config::Config;
use fanfare::hub::{ConnectionId, Parking, Reading};
use serde_json::{Value, json};

use crate::harness::{HubHarness, SECOND_US};
use crate::tokens::{self, NOW_S, expensive_token, token};
use crate::upstream::config;
use crate::wire::{self, CONTINUATION, ServerFrame, TEXT};

/// Returns a hub that accepts cheap and expensive tokens.
fn harness_with(change: impl FnOnce(&mut Config)) -> HubHarness {
    let mut config = config();
    tokens::demand_expensive(&mut config);
    tokens::demand(&mut config);
    config.ws.ping = Duration::from_secs(3_600);
    change(&mut config);
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

fn harness() -> HubHarness {
    harness_with(|_| {})
}

fn connect_command(token: &str) -> String {
    json!({"id": 1, "connect": {"token": token}}).to_string()
}

/// Sends a text message and returns whether the connection may be read on.
fn send(harness: &mut HubHarness, id: ConnectionId, message: &str) -> Reading {
    let mut bytes = wire::text_frame(message);
    harness.hub.receive(id, &mut bytes, harness.now_us)
}

/// Connects with a token in a turn that has time for it.
fn connect(harness: &mut HubHarness, token: &str) -> ConnectionId {
    let id = harness.open_websocket("/connection/websocket");
    assert_eq!(
        send(harness, id, &connect_command(token)),
        Reading::Continues
    );
    harness.read_texts(id);
    let _ = harness.hub.resume_parked(harness.now_us);
    id
}

/// Returns an expensive token whose signature is wrong.
fn forged(number: usize) -> String {
    let token = expensive_token(&json!({"sub": number.to_string()}));
    let other = expensive_token(&json!({"sub": "other"}));
    let (message, _) = token.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    format!("{message}.{signature}")
}

/// Sends forged tokens until the turn has no time for another one. Returns the parked connection.
fn exhaust(harness: &mut HubHarness) -> ConnectionId {
    for number in 0..100 {
        let id = harness.open_websocket("/connection/websocket");
        if send(harness, id, &connect_command(&forged(number))) == Reading::Parked {
            return id;
        }
    }
    panic!("100 expensive tokens fit into one turn");
}

/// Runs turns until no connection is parked. Returns the connections that may be read again.
fn run_turns(harness: &mut HubHarness) -> Vec<ConnectionId> {
    let mut readable = Vec::new();
    for _ in 0..1_000 {
        let parking = harness.hub.resume_parked(harness.now_us);
        readable.extend(std::iter::from_fn(|| harness.hub.poll_readable()));
        if parking == Parking::Empty {
            return readable;
        }
    }
    panic!("connections stay parked");
}

/// Returns the replies in these messages.
fn replies(texts: &[String]) -> Vec<Value> {
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn cheap_tokens_are_verified_although_forged_expensive_ones_use_up_the_turn() {
    let mut harness = harness();
    exhaust(&mut harness);
    let known = expensive_token(&json!({"sub": "known"}));
    for number in 0..20 {
        let id = harness.open_websocket("/connection/websocket");
        let cheap = token(&json!({"sub": number.to_string()}));
        assert_eq!(
            send(&mut harness, id, &connect_command(&cheap)),
            Reading::Continues
        );
        assert!(replies(&harness.read_texts(id))[0]["connect"].is_object());
    }
    // One that was verified before is cheap, too.
    run_turns(&mut harness);
    connect(&mut harness, &known);
    exhaust(&mut harness);
    let id = harness.open_websocket("/connection/websocket");
    assert_eq!(
        send(&mut harness, id, &connect_command(&known)),
        Reading::Continues
    );
}

#[test]
fn long_tokens_that_are_malformed_use_up_the_turn() {
    let malformed = |bytes: usize| connect_command(&"x".repeat(bytes));
    let fitting = |bytes: usize| {
        let mut harness = harness();
        let mut fitting = 0;
        loop {
            let id = harness.open_websocket("/connection/websocket");
            if send(&mut harness, id, &malformed(bytes)) == Reading::Parked {
                return fitting;
            }
            fitting += 1;
        }
    };
    let (short, long) = (fitting(16), fitting(8 * 1024));
    assert!(
        long <= 4 && short > 20 * long,
        "{short} short ones, {long} long ones"
    );
}

#[test]
fn held_bytes_use_up_the_turn() {
    let mut harness = harness();
    exhaust(&mut harness);
    let padding = "x".repeat(60_000);
    for number in 0..8 {
        let id = harness.open_websocket("/connection/websocket");
        let token = expensive_token(&json!({"sub": number.to_string()}));
        let command = json!({"id": 1, "connect": {"token": token, "data": padding}});
        assert_eq!(
            send(&mut harness, id, &command.to_string()),
            Reading::Parked
        );
    }
    // The first turn also continues with the short command that was parked before.
    let _ = harness.hub.resume_parked(harness.now_us);
    let mut most = 0;
    for _ in 0..20 {
        while harness.hub.poll_readable().is_some() {}
        let _ = harness.hub.resume_parked(harness.now_us);
        most = most.max(std::iter::from_fn(|| harness.hub.poll_readable()).count());
    }
    // Each takes 60 us for its signature and 118 us for its bytes, of 500 us.
    assert!((1..=3).contains(&most), "{most} of 60 KB in one turn");
}

#[test]
fn a_connection_does_not_expire_while_its_refresh_waits() {
    let mut harness = harness();
    let id = connect(
        &mut harness,
        &token(&json!({"sub": "ann", "exp": NOW_S + 10})),
    );
    harness.advance_clock(34 * SECOND_US);
    harness.hub.set_unix_time(NOW_S + 34);
    exhaust(&mut harness);
    let fresh = expensive_token(&json!({"sub": "ann", "exp": NOW_S + 600}));
    let refresh = json!({"id": 2, "refresh": {"token": fresh}}).to_string();
    assert_eq!(send(&mut harness, id, &refresh), Reading::Parked);
    harness.advance_clock(5 * SECOND_US);
    assert!(
        harness.read_frames(id).is_empty(),
        "the end of the delay has passed"
    );
    assert!(run_turns(&mut harness).contains(&id));
    let reply = replies(&harness.read_texts(id)).remove(0);
    assert_eq!(reply["refresh"]["ttl"], 566, "{reply}");
    harness.advance_clock(500 * SECOND_US);
    assert!(harness.read_frames(id).is_empty());
}

#[test]
fn a_subscription_does_not_expire_while_its_refresh_waits() {
    let mut harness = harness();
    let id = connect(&mut harness, &token(&json!({"sub": "ann"})));
    let claims = |exp: u64| json!({"sub": "ann", "channel": "a", "exp": NOW_S + exp});
    let command = json!({"id": 2, "subscribe": {"channel": "a", "token": token(&claims(10))}});
    send(&mut harness, id, &command.to_string());
    assert_eq!(replies(&harness.read_texts(id))[0]["subscribe"]["ttl"], 10);
    harness.advance_clock(34 * SECOND_US);
    harness.hub.set_unix_time(NOW_S + 34);
    exhaust(&mut harness);
    let fresh = expensive_token(&claims(600));
    let refresh = json!({"id": 3, "sub_refresh": {"channel": "a", "token": fresh}}).to_string();
    assert_eq!(send(&mut harness, id, &refresh), Reading::Parked);
    harness.advance_clock(5 * SECOND_US);
    assert!(harness.wants("a") && harness.read_frames(id).is_empty());
    assert!(run_turns(&mut harness).contains(&id));
    let reply = replies(&harness.read_texts(id)).remove(0);
    assert_eq!(reply["sub_refresh"]["ttl"], 566, "{reply}");
    harness.advance_clock(500 * SECOND_US);
    assert!(harness.wants("a") && harness.read_frames(id).is_empty());
}

/// Returns a message in fragments, which count as many frames.
fn fragments(message: &str, count: usize) -> Vec<u8> {
    let (first, rest) = message.as_bytes().split_at(1);
    let mut bytes = wire::fragment(TEXT, first);
    let (short, last) = rest.split_at(count);
    for byte in short.chunks(1) {
        bytes.extend(wire::fragment(CONTINUATION, byte));
    }
    bytes.extend(wire::client_frame(CONTINUATION, last));
    bytes
}

#[test]
fn a_connection_that_is_parked_and_closed_at_once_is_read_again_once() {
    let mut harness = harness_with(|config| config.ws.max_command_rate = 20);
    // The fragments exceed the rate after the message in them has been parked.
    let first = exhaust(&mut harness);
    let id = harness.open_websocket("/connection/websocket");
    let command = connect_command(&expensive_token(&json!({"sub": "ann"})));
    let mut bytes = fragments(&command, 30);
    let reading = harness.hub.receive(id, &mut bytes, harness.now_us);
    assert_eq!(reading, Reading::Continues, "the caller reads on at once");
    assert_eq!(harness.hub.poll_readable(), None);
    let closes = harness.read_frames(id);
    assert!(
        matches!(closes[..], [ServerFrame::Close(Some(_))]),
        "{closes:?}"
    );
    assert_eq!(run_turns(&mut harness), [first]);
}

#[test]
fn a_connection_that_is_parked_again_and_closed_is_read_again_once() {
    // In one of the cases, the message in fragments does not fit into the turn in which the
    // connection continues: the connection is parked again, and then closed for its rate.
    for before in 0..8 {
        let mut harness = harness_with(|config| config.ws.max_command_rate = 20);
        exhaust(&mut harness);
        let id = harness.open_websocket("/connection/websocket");
        let connect = connect_command(&expensive_token(&json!({"sub": "ann"})));
        let mut bytes = wire::text_frame(&connect);
        let subscribe = |number: usize| {
            let channel = format!("topic-{number}");
            let token = expensive_token(&json!({"sub": "ann", "channel": channel}));
            let subscribe = json!({"channel": channel, "token": token});
            json!({"id": number + 2, "subscribe": subscribe}).to_string()
        };
        for number in 0..before {
            bytes.extend(wire::text_frame(&subscribe(number)));
        }
        bytes.extend(fragments(&subscribe(before), 30));
        let reading = harness.hub.receive(id, &mut bytes, harness.now_us);
        assert_eq!(reading, Reading::Parked);
        let readable = run_turns(&mut harness);
        let entries = readable.iter().filter(|each| **each == id).count();
        assert_eq!(entries, 1, "{before}: {readable:?}");
        let frames = harness.read_frames(id);
        assert!(
            matches!(frames.last(), Some(ServerFrame::Close(Some(_)))),
            "{frames:?}"
        );
    }
}
