//! The limit on connections of a user, and personal channels.

use std::time::Duration;

use fanfare::config::{Config, SlowPolicy};
use fanfare::hub::{ConnectionId, Parking};
use serde_json::{Value, json};

use crate::harness::{HubHarness, SECOND_US};
use crate::tokens::{self, NOW_S, token};
use crate::upstream::{config, namespace, push};
use crate::wire::{self, ServerFrame};

fn harness(change: impl FnOnce(&mut Config)) -> HubHarness {
    let mut config = config();
    tokens::demand(&mut config);
    config.auth.allow_anonymous = true;
    config.auth.expired_close_delay = Duration::ZERO;
    config.ws.ping = Duration::from_secs(3_600);
    change(&mut config);
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness.upstream.state_mut().user_limit = Some(10);
    harness
}

/// Sends a connect command on a new connection. Returns the connection and the frames after it.
fn connect(harness: &mut HubHarness, claims: &Value) -> (ConnectionId, Vec<ServerFrame>) {
    let id = harness.open_websocket("/connection/websocket");
    let token = match claims {
        Value::Null => String::new(),
        claims => token(claims),
    };
    let command = json!({"id": 1, "connect": {"token": token}});
    harness.send_text(id, &command.to_string());
    while harness.hub.resume_parked(harness.now_us) == Parking::Occupied {}
    let frames = harness.read_frames(id);
    (id, frames)
}

fn is_connected(frames: &[ServerFrame]) -> bool {
    matches!(frames, [ServerFrame::Text(text)] if text.contains(r#""connect":{"#))
}

/// Returns the topics that the server subscribes a client to, in alphabetical order.
fn topics(frames: &[ServerFrame]) -> Vec<String> {
    let [ServerFrame::Text(text)] = frames else {
        panic!("not one reply: {frames:?}");
    };
    let reply: Value = serde_json::from_str(text).unwrap();
    let topics = reply["connect"]["subs"].as_object();
    topics.map_or(Vec::new(), |topics| topics.keys().cloned().collect())
}

#[test]
fn a_connection_over_the_limit_is_closed_with_3504_and_others_are_not() {
    let mut harness = harness(|_| {});
    harness.upstream.state_mut().user_limit = Some(2);
    let ann = json!({"sub": "ann"});
    for _ in 0..2 {
        assert!(is_connected(&connect(&mut harness, &ann).1));
    }
    let (_, frames) = connect(&mut harness, &ann);
    assert_eq!(frames, [ServerFrame::Close(Some(3504))]);
    assert_eq!(harness.counts().closed_user_limit, 1);
    assert!(is_connected(
        &connect(&mut harness, &json!({"sub": "bob"})).1
    ));
    for _ in 0..5 {
        assert!(is_connected(&connect(&mut harness, &Value::Null).1));
    }
    let target = format!(
        "/raw?topic=a&token={}",
        token(&json!({"sub": "ann", "channels": ["a"]}))
    );
    assert_eq!(harness.request_upgrade(&target).1, 403);
    assert_eq!(harness.upstream.state().users["ann"], 2);
}

#[test]
fn a_client_that_is_refused_is_not_counted() {
    let mut harness = harness(|config| config.ws.max_topics = 1);
    for claims in [
        json!({"sub": "ann", "exp": NOW_S - 1}),
        json!({"sub": "ann", "expire_at": 1}),
        json!({"sub": "ann", "channels": ["a", "b"]}),
    ] {
        assert!(!is_connected(&connect(&mut harness, &claims).1));
    }
    let target = format!("/raw?topic=a&token={}", token(&json!({"sub": "ann"})));
    assert_eq!(harness.request_upgrade(&target).1, 403);
    assert!(harness.upstream.state().users.is_empty());
}

#[test]
fn every_way_in_which_a_connection_ends_subtracts_it_once() {
    let mut harness = harness(|_| {});
    let ann = json!({"sub": "ann", "exp": NOW_S + 60, "channels": ["a"]});
    let ends: [fn(&mut HubHarness, ConnectionId); 8] = [
        |harness, id| harness.send_bytes(id, &wire::close_frame(1000)),
        |harness, id| harness.hub.lost(id),
        |harness, id| harness.hub.end_of_stream(id),
        |harness, id| harness.send_text(id, "no command"),
        |harness, id| harness.send_bytes(id, &[0xff; 16]),
        |harness, id| {
            harness.send_text(id, r#"{"id":9,"refresh":{"token":"false"}}"#);
        },
        |harness, id| {
            harness.socket(id).room_bytes = 0;
            for _ in 0..3 {
                harness.publish("a", &format!("\"{}\"", "x".repeat(200_000)));
                harness.run_turn();
            }
            harness.advance_clock(100 * SECOND_US);
        },
        |harness, _| harness.advance_clock(61 * SECOND_US),
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (id, frames) = connect(&mut harness, &ann);
        assert!(is_connected(&frames));
        assert_eq!(harness.upstream.state().users["ann"], 1);
        end(&mut harness, id);
        harness.run_turn();
        assert!(harness.upstream.state().users.is_empty(), "end {number}");
        harness.advance_clock(100 * SECOND_US);
    }
    // A raw connection, and a shutdown.
    let target = format!("/raw?topic=a&token={}", token(&ann));
    harness.open_websocket(&target);
    connect(&mut harness, &ann);
    assert_eq!(harness.upstream.state().users["ann"], 2);
    harness
        .hub
        .drain(fanfare::hub::DrainScope::All, 1, harness.now_us);
    harness.advance_clock(SECOND_US);
    assert!(harness.upstream.state().users.is_empty());
}

#[test]
fn a_user_is_subscribed_to_the_personal_channel() {
    let mut harness = harness(|config| {
        config.auth.personal_channel = true;
        config.auth.personal_channel_namespace = "inbox".into();
        config
            .namespaces
            .push(namespace("inbox", SlowPolicy::Disconnect));
    });
    let (id, frames) = connect(&mut harness, &json!({"sub": "ann"}));
    assert_eq!(topics(&frames), ["inbox:#ann"]);
    harness.publish("inbox:#ann", "7");
    assert_eq!(harness.read_texts(id), [push("inbox:#ann", "7")]);
    // The topic may be in the token, too.
    let both = json!({"sub": "ann", "channels": ["inbox:#ann", "a"]});
    let (_, frames) = connect(&mut harness, &both);
    assert_eq!(topics(&frames), ["a", "inbox:#ann"]);
    // An anonymous client has none.
    let (_, frames) = connect(&mut harness, &Value::Null);
    assert!(topics(&frames).is_empty());
}

#[test]
fn a_personal_channel_without_a_namespace_begins_with_the_boundary() {
    let mut harness = harness(|config| {
        config.auth.personal_channel = true;
        config.ws.max_topics = 1;
    });
    let (_, frames) = connect(&mut harness, &json!({"sub": "ann"}));
    assert_eq!(topics(&frames), ["#ann"]);
    // The personal channel counts.
    let (_, frames) = connect(&mut harness, &json!({"sub": "ann", "channels": ["a"]}));
    assert_eq!(frames, [ServerFrame::Close(Some(3505))]);
}

#[test]
fn a_user_that_cannot_be_part_of_a_topic_is_error_107() {
    let mut harness = harness(|config| config.auth.personal_channel = true);
    // The topics of the last two would name other users, too.
    for user in ["x".repeat(255), "a\nb".into(), "42,7".into(), "x#7".into()] {
        let (_, frames) = connect(&mut harness, &json!({"sub": user}));
        let [ServerFrame::Text(text)] = &frames[..] else {
            panic!("not one reply: {frames:?}");
        };
        assert!(text.contains(r#""code":107"#), "{text}");
    }
    assert!(harness.upstream.state().users.is_empty());
}
