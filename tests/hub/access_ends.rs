//! The end of connections and subscriptions with tokens: commands after a close, the change to the
//! open mode, times that are far away, and other schemes of `Authorization`.

use std::time::Duration;

use fanfare::config::Config;
use fanfare::hub::ConnectionId;
use serde_json::{Value, json};

use crate::harness::{HubHarness, SECOND_US};
use crate::tokens::{self, NOW_S, token};
use crate::upstream::config;
use crate::wire::{self, PING, ServerFrame};

fn enforced() -> Config {
    let mut config = config();
    tokens::demand(&mut config);
    config.ws.ping = Duration::from_secs(1_000_000);
    config
}

fn harness(config: Config) -> HubHarness {
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

fn send(harness: &mut HubHarness, id: ConnectionId, command: &Value) {
    harness.send_text(id, &command.to_string());
}

/// Connects a client with these claims. Returns it and the reply.
fn connect(harness: &mut HubHarness, claims: &Value) -> (ConnectionId, Value) {
    let id = harness.open_websocket("/connection/websocket");
    send(
        harness,
        id,
        &json!({"id": 1, "connect": {"token": token(claims)}}),
    );
    let reply = next_reply(harness, id);
    (id, reply)
}

fn next_reply(harness: &mut HubHarness, id: ConnectionId) -> Value {
    let texts = harness.read_texts(id);
    let [text] = &texts[..] else {
        panic!("not one message: {texts:?}");
    };
    serde_json::from_str(text).unwrap()
}

/// Subscribes to the topic `a` with a token that ends.
fn subscribe(harness: &mut HubHarness, id: ConnectionId) {
    let token = token(&json!({"sub": "", "channel": "a", "exp": NOW_S + 10}));
    send(
        harness,
        id,
        &json!({"id": 2, "subscribe": {"channel": "a", "token": token}}),
    );
    assert_eq!(next_reply(harness, id)["subscribe"]["ttl"], 10);
}

/// Returns a client that does not read, has `pongs` pongs pending and is subscribed to `a`.
fn blocked_client(pongs: usize) -> (HubHarness, ConnectionId) {
    let mut config = enforced();
    config.ws.outbox = 4 * 1024;
    let mut harness = harness(config);
    let (id, _) = connect(&mut harness, &json!({"sub": "", "exp": NOW_S + 10}));
    subscribe(&mut harness, id);
    harness.socket(id).room_bytes = 0;
    for _ in 0..pongs {
        harness.send_bytes(id, &wire::client_frame(PING, &[b'x'; 125]));
        harness.run_turn();
    }
    (harness, id)
}

fn is_closed(harness: &HubHarness) -> bool {
    harness.counts().closed_slow > 0
}

#[test]
fn commands_after_the_one_that_closed_the_connection_are_not_executed() {
    let fitting = (0..100).take_while(|pongs| !is_closed(&blocked_client(*pongs).0));
    let (mut harness, id) = blocked_client(fitting.last().expect("one fits"));
    let before = harness.counts().commands;
    let expired = token(&json!({"sub": "", "channel": "a", "exp": NOW_S - 1}));
    let later = token(&json!({"sub": "", "exp": NOW_S + 20}));
    let commands = [
        // The push about the end of the subscription does not fit any more.
        json!({"id": 3, "sub_refresh": {"channel": "a", "token": expired}}),
        json!({"id": 4, "refresh": {"token": later}}),
        json!({"id": 5, "ping": {}}),
    ];
    let message = commands.map(|command| command.to_string()).join("\n");
    harness.send_text(id, &message);
    assert!(is_closed(&harness), "the command has closed the connection");
    assert_eq!(harness.counts().commands, before + 1);
    // A record of a connection that is not open would be due for ever.
    assert_eq!(
        harness.counts().tokens_valid,
        2,
        "that of the refresh was not read"
    );
    harness.advance_clock(100 * SECOND_US);
    assert_eq!(harness.hub.deadline_us(), None);
}

fn assert_has_no_expiry(reply: &Value) {
    let members = reply.as_object().expect("the command has succeeded");
    let has_expiry = members.contains_key("expires") || members.contains_key("ttl");
    assert!(!has_expiry, "{reply}");
}

#[test]
fn in_the_open_mode_a_refresh_succeeds_and_its_reply_has_no_expiry() {
    let mut harness = harness(config());
    let id = harness.connect_subscriber(&["a"]);
    for token in ["", "x", &token(&json!({"sub": "ann", "exp": NOW_S - 1}))] {
        send(
            &mut harness,
            id,
            &json!({"id": 3, "refresh": {"token": token}}),
        );
        assert_has_no_expiry(&next_reply(&mut harness, id)["refresh"]);
        let command = json!({"id": 4, "sub_refresh": {"channel": "a", "token": token}});
        send(&mut harness, id, &command);
        assert_has_no_expiry(&next_reply(&mut harness, id)["sub_refresh"]);
    }
    assert!(harness.wants("a"));
}

#[test]
fn after_a_reload_to_the_open_mode_nothing_expires() {
    let mut harness = harness(enforced());
    let (id, _) = connect(&mut harness, &json!({"sub": "", "exp": NOW_S + 10}));
    subscribe(&mut harness, id);
    let good = token(&json!({"sub": "", "channels": ["a"], "exp": NOW_S + 10}));
    let raw = harness.open_websocket(&format!("/raw?topic=a&token={good}"));
    let mut open = enforced();
    open.auth.insecure = true;
    harness.hub.reconfigure(open.into());
    harness.advance_clock(1_000 * SECOND_US);
    assert!(harness.read_frames(id).is_empty() && harness.read_frames(raw).is_empty());
    send(
        &mut harness,
        id,
        &json!({"id": 3, "refresh": {"token": "x"}}),
    );
    assert_has_no_expiry(&next_reply(&mut harness, id)["refresh"]);
    harness.publish("a", "1");
    assert_eq!(
        harness.read_texts(id).len() + harness.read_texts(raw).len(),
        2
    );
}

#[test]
fn a_time_to_live_fits_a_signed_number_of_32_bits() {
    for (exp, ttl) in [
        (NOW_S + 2_147_483_646, 2_147_483_646),
        (NOW_S + 2_147_483_647, 2_147_483_647),
        (NOW_S + 2_147_483_648, 2_147_483_647),
        (NOW_S + 4_294_967_296, 2_147_483_647),
        (1 << 53, 2_147_483_647),
    ] {
        let mut harness = harness(enforced());
        let (id, reply) = connect(&mut harness, &json!({"sub": "ann", "exp": exp}));
        assert_eq!(reply["connect"]["ttl"], ttl, "{exp}");
        let refresh = token(&json!({"sub": "ann", "exp": exp, "jti": "2"}));
        send(
            &mut harness,
            id,
            &json!({"id": 2, "refresh": {"token": refresh}}),
        );
        let reply = next_reply(&mut harness, id);
        assert_eq!(reply["refresh"]["ttl"], ttl, "{exp}");
        let token = token(&json!({"sub": "ann", "channel": "a", "exp": exp}));
        let command = json!({"id": 3, "subscribe": {"channel": "a", "token": token}});
        send(&mut harness, id, &command);
        let reply = next_reply(&mut harness, id);
        assert_eq!(reply["subscribe"]["ttl"], ttl, "{exp}");
    }
}

#[test]
fn another_scheme_of_authorization_is_for_a_proxy_and_the_query_has_the_token() {
    let mut harness = harness(enforced());
    let good = token(&json!({"sub": "ann", "channels": ["a"]}));
    for header in [
        "Authorization: Basic YW5uOnNlY3JldA==\r\n",
        "Authorization: Negotiate x\r\n",
        "Authorization: x\r\n",
        "Authorization:\r\n",
    ] {
        let target = format!("/raw?topic=a&token={good}");
        let id = harness.open_websocket_with(&target, header);
        harness.publish("a", "1");
        assert_eq!(harness.read_frames(id), [ServerFrame::text("1")]);
        // Without a token in the query, there is none.
        let (_, status) = harness.request_upgrade_with("/raw?topic=a", header);
        assert_eq!(status, 401, "{header}");
    }
    // The token of the header counts, also if that of the query is good.
    let bad = "Authorization: bearer x\r\n";
    let (_, status) = harness.request_upgrade_with(&format!("/raw?topic=a&token={good}"), bad);
    assert_eq!(status, 401);
}
