//! Clients whose tokens need a key that the shard has to ask for.

use std::sync::Arc;
use std::time::Duration;

use fanfare::access::{KeySet, KeySetAnswer, KeySetResponse, ServiceAnswer, ServiceQuestion};
use fanfare::config::{Config, HttpUrl, SlowPolicy};
use fanfare::hub::ConnectionId;
use serde_json::{Value, json};

use crate::harness::HubHarness;
use crate::tokens::NOW_S;
use crate::upstream::{config, namespace};
use crate::wire::ServerFrame;

fn fixtures() -> Value {
    serde_json::from_str(include_str!("../access/key_set.json")).unwrap()
}

fn url() -> HttpUrl {
    HttpUrl::parse("https://issuer.example/keys").unwrap()
}

fn harness() -> HubHarness {
    let mut config: Config = config();
    config.auth.token.jwks_public_endpoint = Some(url());
    // No ping disturbs a test.
    config.ws.ping = Duration::from_secs(3_600);
    let mut open = namespace("", SlowPolicy::Disconnect);
    open.allow_subscribe_for_client = true;
    config.namespaces = vec![open];
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

/// Returns a command to connect with a token of this algorithm.
fn connect(algorithm: &str) -> String {
    let token = &fixtures()["tokens"][algorithm];
    json!({"id": 1, "connect": {"token": token}}).to_string()
}

fn open(harness: &mut HubHarness, commands: &str) -> ConnectionId {
    let id = harness.open_websocket("/connection/websocket");
    harness.send_text(id, commands);
    harness.run_turn();
    id
}

/// Returns the ids of the keys that the shard asks for.
fn asked(harness: &HubHarness) -> Vec<&str> {
    let questions = harness.service_questions.iter();
    let ids = questions.filter_map(|(_, question)| match question {
        ServiceQuestion::KeySet(question) => Some(&*question.key_id),
        ServiceQuestion::Hook(_) => None,
    });
    ids.collect()
}

/// Answers the oldest question with the keys of these names.
fn answer(harness: &mut HubHarness, names: &[&str]) {
    let all = fixtures()["key_set"]["keys"].as_array().unwrap().clone();
    let is_given = |key: &Value| names.iter().any(|name| key["kid"] == **name);
    let keys: Vec<_> = all.into_iter().filter(is_given).collect();
    let document = json!({ "keys": keys }).to_string();
    let (key_set, _) = KeySet::parse(document.as_bytes()).unwrap();
    let response = KeySetResponse::Fetched {
        key_set: Arc::new(key_set),
        age: Duration::ZERO,
    };
    respond(harness, response);
}

fn respond(harness: &mut HubHarness, response: KeySetResponse) {
    let (ticket, _) = harness.service_questions.remove(0);
    let answer = KeySetAnswer {
        url: url(),
        response,
    };
    harness.answer_service(ticket, ServiceAnswer::KeySet(answer));
}

fn read_replies(harness: &mut HubHarness, id: ConnectionId) -> Vec<Value> {
    let texts = harness.read_texts(id);
    let lines = texts.iter().flat_map(|text| text.lines());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_client_waits_for_the_key_of_its_token_and_its_commands_keep_their_order() {
    let mut harness = harness();
    let subscribe = json!({"id": 2, "subscribe": {"channel": "news"}});
    let id = open(&mut harness, &format!("{}\n{subscribe}", connect("ES256")));
    assert!(read_replies(&mut harness, id).is_empty());
    assert_eq!(asked(&harness), ["p256"]);
    assert_eq!(harness.counts().parked, 1);

    answer(&mut harness, &["p256"]);
    let replies = read_replies(&mut harness, id);
    assert!(replies[0]["connect"].is_object(), "{replies:?}");
    assert!(replies[1]["subscribe"].is_object(), "{replies:?}");
    assert_eq!(harness.counts().tokens_valid, 1);

    // The key is known now.
    let other = open(&mut harness, &connect("ES256"));
    assert!(read_replies(&mut harness, other)[0]["connect"].is_object());
    assert!(asked(&harness).is_empty());
}

#[test]
fn a_key_that_the_key_set_does_not_have_closes_the_connection_with_3500() {
    let mut harness = harness();
    let id = open(&mut harness, &connect("RS256"));
    answer(&mut harness, &["p256"]);
    let frames = harness.read_frames(id);
    assert!(
        matches!(frames[..], [ServerFrame::Close(Some(3500))]),
        "{frames:?}"
    );
    assert!(asked(&harness).is_empty(), "the shard asks once");
    assert_eq!(harness.counts().tokens_invalid, 1);
}

#[test]
fn a_key_set_that_cannot_be_fetched_is_a_temporary_error() {
    let mut harness = harness();
    let id = open(&mut harness, &connect("RS256"));
    respond(&mut harness, KeySetResponse::Unavailable);
    let replies = read_replies(&mut harness, id);
    assert_eq!(replies[0]["error"]["code"], 100, "{replies:?}");
    assert_eq!(replies[0]["error"]["temporary"], true);
    assert_eq!(harness.counts().tokens_unverified, 1);

    harness.send_text(id, &connect("RS256"));
    harness.run_turn();
    answer(&mut harness, &["rsa"]);
    let replies = read_replies(&mut harness, id);
    assert!(replies[0]["connect"].is_object(), "{replies:?}");
}

#[test]
fn each_command_of_a_message_asks_for_its_own_key() {
    let mut harness = harness();
    let token = &fixtures()["tokens"]["EdDSA"];
    let subscribe = json!({"id": 2, "subscribe": {"channel": "news", "token": token}});
    let id = open(&mut harness, &format!("{}\n{subscribe}", connect("ES256")));
    answer(&mut harness, &["p256"]);
    assert_eq!(asked(&harness), ["ed25519"]);
    answer(&mut harness, &["p256", "ed25519"]);
    let replies = read_replies(&mut harness, id);
    assert!(replies[0]["connect"].is_object(), "{replies:?}");
    // The token is not for a subscription.
    assert_eq!(replies[1]["error"]["code"], 103, "{replies:?}");
}

#[test]
fn a_raw_connection_waits_too() {
    for (names, status) in [(&["p256"][..], 101), (&["rsa"], 401)] {
        let mut harness = harness();
        let token = fixtures()["tokens"]["ES256"].as_str().unwrap().to_owned();
        let id = request_raw(&mut harness, &token);
        assert_eq!(asked(&harness), ["p256"]);
        answer(&mut harness, names);
        assert_eq!(harness.read_response(id).0, status);
    }
    let mut harness = harness();
    let token = fixtures()["tokens"]["ES256"].as_str().unwrap().to_owned();
    let id = request_raw(&mut harness, &token);
    respond(&mut harness, KeySetResponse::Unavailable);
    assert_eq!(harness.read_response(id).0, 503);
}

/// Requests a raw connection, whose response may come later.
fn request_raw(harness: &mut HubHarness, token: &str) -> ConnectionId {
    let id = harness.accept();
    let request = format!(
        "GET /raw?topic=news&token={token} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    harness.send_bytes(id, request.as_bytes());
    harness.run_turn();
    id
}
