//! Tokens, expiry and permissions of clients, with a wall clock that the tests move by hand.

use std::time::Duration;

use fanfare::config::{Config, Namespace, SlowPolicy};
use fanfare::hub::{Parking, Reading};
use serde_json::json;

use crate::harness::{HubHarness, SECOND_US};
use crate::tokens::{self, NOW_S, expensive_token, token};
use crate::upstream::{config, namespace};
use crate::wire::{self, ServerFrame};

/// Returns a configuration that demands tokens and lets clients subscribe to nothing by themselves.
fn enforced() -> Config {
    let mut config = config();
    tokens::demand(&mut config);
    // No ping disturbs a test.
    config.ws.ping = Duration::from_secs(3_600);
    config
}

/// Returns a configuration whose namespace `""` is changed.
fn enforced_with(change: impl FnOnce(&mut Namespace)) -> Config {
    let mut config = enforced();
    let mut open = namespace("", SlowPolicy::Disconnect);
    change(&mut open);
    config.namespaces = vec![open];
    config
}

fn harness(config: Config) -> HubHarness {
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

/// Sends a connect command on a new connection, and returns the connection.
fn connect(harness: &mut HubHarness, token: &str) -> fanfare::hub::ConnectionId {
    let id = harness.open_websocket("/connection/websocket");
    let command = json!({"id": 1, "connect": {"token": token}});
    harness.send_text(id, &command.to_string());
    id
}

/// Returns the close code of the only frame that is left, if it is a close frame.
fn close_code(frames: &[ServerFrame]) -> Option<u16> {
    match frames {
        [ServerFrame::Close(code)] => *code,
        _ => None,
    }
}

fn connect_reply(texts: &[String]) -> serde_json::Value {
    let [text] = texts else {
        panic!("not one reply: {texts:?}");
    };
    serde_json::from_str::<serde_json::Value>(text).unwrap()["connect"].take()
}

#[test]
fn a_client_without_a_token_is_closed_with_3501_unless_anonymous_clients_are_allowed() {
    let mut harness = harness(enforced());
    let id = connect(&mut harness, "");
    assert_eq!(close_code(&harness.read_frames(id)), Some(3501));
    assert_eq!(harness.counts().tokens_missing, 1);
    let mut config = enforced();
    config.auth.allow_anonymous = true;
    let mut harness = self::harness(config);
    let id = connect(&mut harness, "");
    assert!(connect_reply(&harness.read_texts(id)).is_object());
}

#[test]
fn a_good_token_connects_and_its_reply_has_the_time_to_live() {
    let mut harness = harness(enforced());
    let id = connect(
        &mut harness,
        &token(&json!({"sub": "ann", "exp": NOW_S + 60})),
    );
    let reply = connect_reply(&harness.read_texts(id));
    assert_eq!(
        (&reply["expires"], &reply["ttl"]),
        (&json!(true), &json!(60))
    );
    assert_eq!(harness.counts().tokens_valid, 1);
    // Without an end, the reply has no expiry.
    let id = connect(&mut harness, &token(&json!({"sub": "ann"})));
    let reply = connect_reply(&harness.read_texts(id));
    assert_eq!(reply.get("expires"), None);
}

#[test]
fn an_expired_token_is_error_109_and_a_false_one_closes_with_3500() {
    let mut harness = harness(enforced());
    let id = connect(
        &mut harness,
        &token(&json!({"sub": "ann", "exp": NOW_S - 1})),
    );
    let texts = harness.read_texts(id);
    assert!(texts[0].contains(r#""code":109"#), "{texts:?}");
    // The same connection may connect with another token.
    let command = json!({"id": 2, "connect": {"token": token(&json!({"sub": "ann"}))}});
    harness.send_text(id, &command.to_string());
    assert!(connect_reply(&harness.read_texts(id)).is_object());
    let mut forged = token(&json!({"sub": "ann"}));
    forged.pop();
    let id = connect(&mut harness, &forged);
    assert_eq!(close_code(&harness.read_frames(id)), Some(3500));
    let counts = harness.counts();
    assert_eq!((counts.tokens_expired, counts.tokens_invalid), (1, 1));
    assert_eq!(counts.closed_token, 1);
}

#[test]
fn a_connection_is_closed_with_3005_when_its_token_has_expired_and_the_delay_is_over() {
    let mut harness = harness(enforced());
    let id = connect(
        &mut harness,
        &token(&json!({"sub": "ann", "exp": NOW_S + 10})),
    );
    harness.read_texts(id);
    harness.advance_clock(34 * SECOND_US);
    assert_eq!(close_code(&harness.read_frames(id)), None);
    harness.advance_clock(2 * SECOND_US);
    let frames = harness.read_frames(id);
    assert_eq!(close_code(&frames[frames.len() - 1..]), Some(3005));
    assert_eq!(harness.counts().closed_expired, 1);
}

#[test]
fn a_refresh_moves_the_end_and_jumps_of_the_wall_clock_do_not() {
    let mut harness = harness(enforced());
    let id = connect(
        &mut harness,
        &token(&json!({"sub": "ann", "exp": NOW_S + 10})),
    );
    harness.read_texts(id);
    harness.hub.set_unix_time(NOW_S + 1_000_000);
    harness.advance_clock(5 * SECOND_US);
    assert_eq!(harness.read_texts(id), [""; 0]);
    harness.hub.set_unix_time(NOW_S + 5);
    let fresh = token(&json!({"sub": "ann", "exp": NOW_S + 100}));
    let refresh = json!({"id": 2, "refresh": {"token": fresh}});
    harness.send_text(id, &refresh.to_string());
    let texts = harness.read_texts(id);
    assert!(texts[0].contains(r#""ttl":95"#), "{texts:?}");
    harness.advance_clock(60 * SECOND_US);
    let ended = |frame: &ServerFrame| matches!(frame, ServerFrame::Close(..));
    assert!(!harness.read_frames(id).iter().any(ended));
}

#[test]
fn a_refresh_for_another_user_closes_with_3500_and_an_expired_one_with_3005() {
    for (claims, code) in [
        (json!({"sub": "bob"}), 3500),
        (json!({"sub": "ann", "exp": NOW_S - 1}), 3005),
    ] {
        let mut harness = harness(enforced());
        let id = connect(
            &mut harness,
            &token(&json!({"sub": "ann", "exp": NOW_S + 10})),
        );
        harness.read_texts(id);
        let refresh = json!({"id": 2, "refresh": {"token": token(&claims)}});
        harness.send_text(id, &refresh.to_string());
        assert_eq!(close_code(&harness.read_frames(id)), Some(code), "{claims}");
    }
}

#[test]
fn the_server_makes_the_subscriptions_that_the_token_lists() {
    let mut harness = harness(enforced());
    let claims = json!({"sub": "ann", "subs": {"news": {"data": {"a": 1}}, "$team": {}}});
    let id = connect(&mut harness, &token(&claims));
    let reply = connect_reply(&harness.read_texts(id));
    assert_eq!(reply["subs"]["news"], json!({"data": {"a": 1}}));
    assert_eq!(reply["subs"]["$team"], json!({}));
    harness.publish("$team", "1");
    assert_eq!(harness.read_texts(id).len(), 1);
    // More topics than a connection may have.
    let mut config = enforced();
    config.ws.max_topics = 1;
    let mut harness = self::harness(config);
    let id = connect(&mut harness, &token(&claims));
    assert_eq!(close_code(&harness.read_frames(id)), Some(3505));
}

/// Returns the code of the error reply to a subscribe command of user `ann`, or 0.
fn subscribe_code(config: Config, name: &str, token_of: Option<&str>) -> u64 {
    let mut harness = harness(config);
    let id = connect(&mut harness, &token(&json!({"sub": "ann"})));
    harness.read_texts(id);
    let token = token_of.unwrap_or_default();
    let command = json!({"id": 2, "subscribe": {"channel": name, "token": token}});
    harness.send_text(id, &command.to_string());
    let frames = harness.read_frames(id);
    if let Some(code) = close_code(&frames) {
        return code.into();
    }
    let [ServerFrame::Text(text)] = &frames[..] else {
        panic!("not one reply: {frames:?}");
    };
    let reply = serde_json::from_str::<serde_json::Value>(text).unwrap();
    reply["error"]["code"].as_u64().unwrap_or(0)
}

#[test]
fn a_subscription_needs_a_permission_or_a_token() {
    assert_eq!(subscribe_code(enforced(), "a", None), 103);
    let allowing = || enforced_with(|namespace| namespace.allow_subscribe_for_client = true);
    assert_eq!(subscribe_code(allowing(), "a", None), 0);
    assert_eq!(
        subscribe_code(allowing(), "$a", None),
        103,
        "a private topic needs a token"
    );
    let limited = || enforced_with(|namespace| namespace.allow_user_limited_channels = true);
    assert_eq!(subscribe_code(limited(), "chat#ann,bob", None), 0);
    assert_eq!(subscribe_code(limited(), "chat#bob", None), 103);
    for (claims, code) in [
        (json!({"sub": "ann", "channel": "$a"}), 0),
        (json!({"sub": "ann", "channel": "$b"}), 3500),
        (json!({"sub": "bob", "channel": "$a"}), 3500),
        (
            json!({"sub": "ann", "channel": "$a", "client": "other"}),
            3500,
        ),
        (
            json!({"sub": "ann", "channel": "$a", "exp": NOW_S - 1}),
            109,
        ),
        (json!({"sub": "ann"}), 103),
    ] {
        let token = token(&claims);
        assert_eq!(
            subscribe_code(enforced(), "$a", Some(&token)),
            code,
            "{claims}"
        );
    }
}

#[test]
fn an_expired_subscription_ends_with_a_push_and_a_refresh_moves_its_end() {
    let mut harness = harness(enforced());
    let id = connect(&mut harness, &token(&json!({"sub": "ann"})));
    let claims = |seconds: u64| json!({"sub": "ann", "channel": "a", "exp": NOW_S + seconds});
    let command = json!({"id": 2, "subscribe": {"channel": "a", "token": token(&claims(10))}});
    harness.send_text(id, &command.to_string());
    let texts = harness.read_texts(id);
    assert!(texts[1].contains(r#""expires":true,"ttl":10"#), "{texts:?}");
    let refresh = json!({"id": 3, "sub_refresh": {"channel": "a", "token": token(&claims(20))}});
    harness.send_text(id, &refresh.to_string());
    let texts = harness.read_texts(id);
    assert!(texts[0].contains(r#""ttl":20"#), "{texts:?}");
    harness.advance_clock(44 * SECOND_US);
    harness.read_texts(id);
    harness.advance_clock(2 * SECOND_US);
    let texts = harness.read_texts(id);
    let push = texts
        .iter()
        .find(|text| text.contains("unsubscribe"))
        .unwrap();
    assert!(push.contains(r#""code":2501"#), "{push}");
    assert_eq!(harness.counts().subscriptions, 0);
    assert!(!harness.wants("a"));
}

#[test]
fn publishing_follows_the_permissions_of_the_namespace() {
    for (allow, code) in [
        ("", 103),
        ("client", 0),
        ("subscriber", 0),
        ("anonymous", 103),
    ] {
        let config = enforced_with(|namespace| match allow {
            "client" => namespace.allow_publish_for_client = true,
            "subscriber" => namespace.allow_publish_for_subscriber = true,
            "anonymous" => namespace.allow_publish_for_anonymous = true,
            _ => {}
        });
        let mut harness = harness(config);
        let id = connect(
            &mut harness,
            &token(&json!({"sub": "ann", "channels": ["a", "a"]})),
        );
        harness.read_texts(id);
        harness.send_text(id, r#"{"id":2,"publish":{"channel":"a","data":1}}"#);
        let texts = harness.read_texts(id);
        let reply = serde_json::from_str::<serde_json::Value>(&texts[0]).unwrap();
        assert_eq!(
            reply["error"]["code"].as_u64().unwrap_or(0),
            code,
            "{allow}"
        );
        assert_eq!(harness.published.len(), usize::from(code == 0), "{allow}");
    }
}

#[test]
fn a_raw_connection_has_its_token_in_the_query_or_in_the_header() {
    let mut harness = harness(enforced());
    let good = token(&json!({"sub": "ann", "channels": ["a", "a"], "exp": NOW_S + 10}));
    let target = format!("/raw?topic=a&token={good}");
    let in_query = harness.open_websocket(&target);
    let header = format!("Authorization: Bearer {good}\r\n");
    let in_header = harness.open_websocket_with("/raw?topic=a", &header);
    harness.publish("a", "1");
    for id in [in_query, in_header] {
        assert_eq!(harness.read_texts(id), ["1"]);
    }
    let other = token(&json!({"sub": "ann"}));
    let expired = token(&json!({"sub": "ann", "exp": NOW_S}));
    for (target, status) in [
        ("/raw?topic=a".to_owned(), 401),
        (format!("/raw?topic=a&token={expired}"), 401),
        (format!("/raw?topic=a&token={good}x"), 401),
        (format!("/raw?topic=a&token={other}"), 403),
        (format!("/raw?topic=a&topic=b&token={good}"), 403),
    ] {
        assert_eq!(harness.request_upgrade(&target).1, status, "{target}");
    }
    assert_eq!(harness.counts().refused_token, 3);
    assert_eq!(harness.counts().refused_permission, 2);
    // The token cannot be refreshed, so that the connection ends with it.
    harness.advance_clock(11 * SECOND_US);
    let frames = harness.read_frames(in_query);
    assert_eq!(close_code(&frames[frames.len() - 1..]), Some(3005));
    // The watchdog needs no token.
    let id = harness.accept_internal();
    harness.send_bytes(id, &wire::upgrade_request("/raw?topic=fanfare.canary"));
    assert_eq!(harness.read_response(id).0, 101);
}

#[test]
fn connections_whose_tokens_do_not_fit_into_a_turn_are_parked_and_continue_in_order() {
    let mut config = enforced_with(|namespace| namespace.allow_subscribe_for_client = true);
    tokens::demand_expensive(&mut config);
    let mut harness = harness(config);
    let mut waiting = Vec::new();
    for number in 0..40 {
        let id = harness.open_websocket("/connection/websocket");
        let claims = json!({"sub": number.to_string()});
        let command = json!({"id": 1, "connect": {"token": expensive_token(&claims)}});
        let message = format!("{command}\n{{\"id\":2,\"subscribe\":{{\"channel\":\"a\"}}}}");
        let mut bytes = wire::text_frame(&message);
        bytes.extend(wire::text_frame(r#"{"id":3,"ping":{}}"#));
        if harness.hub.receive(id, &mut bytes, harness.now_us) == Reading::Parked {
            waiting.push(id);
        }
    }
    assert!(waiting.len() > 20, "{} of 40", waiting.len());
    assert_eq!(harness.counts().parked, waiting.len() as u64);
    // A close while parked forgets the commands.
    let closed = waiting.remove(0);
    harness.hub.lost(closed);
    let mut readable = Vec::new();
    let mut turns = 0;
    loop {
        let parking = harness.hub.resume_parked(harness.now_us);
        readable.extend(std::iter::from_fn(|| harness.hub.poll_readable()));
        turns += 1;
        if parking == Parking::Empty {
            break;
        }
    }
    assert!(turns > 2, "the rest takes several turns: {turns}");
    readable.retain(|id| *id != closed);
    assert_eq!(readable, waiting);
    for id in waiting {
        let texts = harness.read_texts(id).join("\n");
        let ids = texts.lines().map(|line| {
            let reply = serde_json::from_str::<serde_json::Value>(line).unwrap();
            reply["id"].as_u64().unwrap()
        });
        assert_eq!(ids.collect::<Vec<_>>(), [1, 2, 3], "{texts}");
    }
    assert_eq!(harness.counts().parked, 0);
}
