//! Publications of clients name the client, if clients are authenticated.

use fanfare::config::Config;
use fanfare::hub::ConnectionId;
use fanfare::protocol::ClientInfo;
use serde_json::{Value, json};

use crate::harness::HubHarness;
use crate::tokens::{self, NOW_S, token};
use crate::upstream::config;

fn harness(change: impl FnOnce(&mut Config)) -> HubHarness {
    let mut config = config();
    change(&mut config);
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

fn enforced() -> HubHarness {
    harness(|config| {
        tokens::demand(config);
        config.auth.allow_anonymous = true;
        let namespace = &mut config.namespaces[0];
        namespace.allow_publish_for_client = true;
        namespace.allow_publish_for_anonymous = true;
    })
}

/// Connects a client. Returns its connection and its id.
fn connect(harness: &mut HubHarness, token: &str) -> (ConnectionId, String) {
    let id = harness.open_websocket("/connection/websocket");
    let command = json!({"id": 1, "connect": {"token": token}});
    harness.send_text(id, &command.to_string());
    let reply: Value = serde_json::from_str(&harness.read_texts(id)[0]).unwrap();
    (id, reply["connect"]["client"].as_str().unwrap().into())
}

/// Publishes to a topic and returns the information about the client.
fn publish(harness: &mut HubHarness, id: ConnectionId, topic: &str) -> Option<ClientInfo> {
    let command = json!({"id": 2, "publish": {"channel": topic, "data": 1}});
    harness.send_text(id, &command.to_string());
    assert_eq!(harness.read_texts(id), [r#"{"id":2,"publish":{}}"#]);
    let sender = harness.senders.pop().expect("a publication");
    sender.map(|info| (*info).clone())
}

fn info(user: &str, client: &str, parts: [Option<&str>; 2]) -> ClientInfo {
    let [conn_info, chan_info] = parts.map(|part| part.map(|part| part.as_bytes().into()));
    ClientInfo {
        user: user.into(),
        client: client.into(),
        conn_info,
        chan_info,
    }
}

#[test]
fn without_authentication_a_publication_names_no_client() {
    let mut harness = harness(|config| config.namespaces[0].publish = true);
    let (id, _) = connect(&mut harness, "");
    assert_eq!(publish(&mut harness, id, "a"), None);
}

#[test]
fn an_anonymous_client_is_named_by_its_id() {
    let mut harness = enforced();
    let (id, client) = connect(&mut harness, "");
    let expected = info("", &client, [None, None]);
    assert_eq!(publish(&mut harness, id, "a"), Some(expected));
}

#[test]
fn the_information_is_that_of_the_tokens() {
    let mut harness = enforced();
    let claims = json!({
        "sub": "ann", "info": {"name": "Ann"},
        "subs": {"server": {"info": [1, 2]}, "plain": {}},
    });
    let (id, client) = connect(&mut harness, &token(&claims));
    let name = Some(r#"{"name":"Ann"}"#);
    let claims = json!({"sub": "ann", "channel": "own", "info": 7, "exp": NOW_S + 60});
    let subscribe =
        json!({"id": 2, "subscribe": {"channel": "own", "token": token(&claims)}}).to_string();
    harness.send_text(id, &subscribe);
    assert_eq!(harness.read_texts(id).len(), 1);
    for (topic, chan_info) in [
        ("server", Some("[1,2]")),
        ("plain", None),
        ("other", None),
        ("own", Some("7")),
    ] {
        let expected = info("ann", &client, [name, chan_info]);
        assert_eq!(publish(&mut harness, id, topic), Some(expected), "{topic}");
    }
    // A refreshed subscription has the information of the new token.
    let claims = json!({"sub": "ann", "channel": "own", "info": 8});
    let refresh =
        json!({"id": 3, "sub_refresh": {"channel": "own", "token": token(&claims)}}).to_string();
    harness.send_text(id, &refresh);
    assert_eq!(harness.read_texts(id).len(), 1);
    let expected = info("ann", &client, [name, Some("8")]);
    assert_eq!(publish(&mut harness, id, "own"), Some(expected));
    // The information ends with the subscription.
    harness.send_text(id, r#"{"id":4,"unsubscribe":{"channel":"own"}}"#);
    assert_eq!(harness.read_texts(id).len(), 1);
    let expected = info("ann", &client, [name, None]);
    assert_eq!(publish(&mut harness, id, "own"), Some(expected));
}
