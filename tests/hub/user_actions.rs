//! Actions of the server API on the connections of a user.

use std::sync::Arc;
use std::time::Duration;

use fanfare::config::Config;
use fanfare::hub::{
    ActionBudget, ActionOutcome, ConnectionId, Parking, ServerSubscribe, SurveyProgress,
    UserAction, UserEffect, UserSearch,
};
use fanfare::limits::USER_ACTIONS;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client_proto;
use crate::harness::{HubHarness, SECOND_US};
use crate::tokens::{self, NOW_S, token};
use crate::upstream::{config, push};
use crate::wire::{self, ServerFrame};

const PROTOBUF: &str = "Sec-WebSocket-Protocol: centrifuge-protobuf\r\n";

fn harness(change: impl FnOnce(&mut Config)) -> HubHarness {
    let mut config = config();
    tokens::demand(&mut config);
    config.namespaces[0].allow_subscribe_for_client = true;
    config.ws.ping = Duration::from_secs(3_600);
    change(&mut config);
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

/// Connects a client. Returns its connection and the id that it is given.
fn connect(harness: &mut HubHarness, user: &str) -> (ConnectionId, Uuid) {
    let id = harness.open_websocket("/connection/websocket");
    let token = token(&json!({"sub": user}));
    let command = json!({"id": 1, "connect": {"token": token}});
    harness.send_text(id, &command.to_string());
    // A turn has no time for the tokens of all.
    while harness.hub.resume_parked(harness.now_us) == Parking::Occupied {}
    let replies = harness.read_texts(id);
    let reply: Value = serde_json::from_str(&replies[0]).unwrap();
    let client = reply["connect"]["client"].as_str().unwrap();
    (id, client.parse().unwrap())
}

fn subscribe(harness: &mut HubHarness, id: ConnectionId, topic: &str) {
    let command = json!({"id": 2, "subscribe": {"channel": topic}});
    harness.send_text(id, &command.to_string());
    assert_eq!(harness.read_texts(id), [r#"{"id":2,"subscribe":{}}"#]);
}

/// Carries out an action in as many turns as it takes. Returns the outcome and the turns.
fn act(
    harness: &mut HubHarness,
    user: Option<&str>,
    client: Option<Uuid>,
    effect: UserEffect,
) -> (ActionOutcome, usize) {
    let mut search = UserSearch::new(Arc::new(UserAction {
        user: user.map(Into::into),
        client,
        effect,
    }));
    for turn in 1.. {
        let mut budget = ActionBudget::default();
        let progress = harness.hub.act(&mut search, &mut budget, harness.now_us);
        harness.run_turn();
        if progress == SurveyProgress::Complete {
            return (search.outcome(), turn);
        }
        assert!(budget.is_exhausted());
    }
    unreachable!("the search ends");
}

fn act_on(harness: &mut HubHarness, user: &str, effect: UserEffect) -> ActionOutcome {
    act(harness, Some(user), None, effect).0
}

fn server_subscribe(topic: &str) -> UserEffect {
    UserEffect::Subscribe(ServerSubscribe {
        topic: topic.into(),
        info: None,
        data: Some((*b"[1]").into()),
        expires_at_s: None,
    })
}

fn disconnect(spared: Vec<Uuid>) -> UserEffect {
    UserEffect::Disconnect {
        code: 4321,
        reason: "by\n\"é\"".into(),
        spared,
    }
}

fn done(done: u64) -> ActionOutcome {
    ActionOutcome { done, full: 0 }
}

#[test]
fn all_connections_of_a_user_are_subscribed_and_those_of_others_are_not() {
    let mut harness = harness(|_| {});
    let (first, _) = connect(&mut harness, "ann");
    let (other, _) = connect(&mut harness, "bob");
    let (second, _) = connect(&mut harness, "ann");
    assert_eq!(
        act_on(&mut harness, "ann", server_subscribe("news")),
        done(2)
    );
    let subscribed = r#"{"push":{"channel":"news","subscribe":{"data":[1]}}}"#;
    harness.publish("news", "7");
    for id in [first, second] {
        assert_eq!(
            harness.read_texts(id),
            [subscribed.to_owned(), push("news", "7")]
        );
    }
    assert!(harness.read_texts(other).is_empty());
    // A second call changes nothing, and the client gets no second push.
    assert_eq!(
        act_on(&mut harness, "ann", server_subscribe("news")),
        done(2)
    );
    assert!(harness.read_texts(first).is_empty());
}

#[test]
fn a_client_with_as_many_topics_as_it_may_have_is_not_subscribed() {
    let mut harness = harness(|config| config.ws.max_topics = 1);
    let (full, _) = connect(&mut harness, "ann");
    let (id, _) = connect(&mut harness, "ann");
    subscribe(&mut harness, full, "a");
    let outcome = act_on(&mut harness, "ann", server_subscribe("news"));
    assert_eq!(outcome, ActionOutcome { done: 1, full: 1 });
    assert!(harness.read_texts(full).is_empty());
    assert_eq!(harness.read_texts(id).len(), 1);
}

#[test]
fn a_subscription_of_the_server_ends_at_its_time() {
    let mut harness = harness(|config| {
        config.auth.expired_subscription_close_delay = Duration::from_secs(2);
    });
    let (id, _) = connect(&mut harness, "ann");
    let subscribe = UserEffect::Subscribe(ServerSubscribe {
        topic: "news".into(),
        info: None,
        data: None,
        expires_at_s: Some(NOW_S + 10),
    });
    act_on(&mut harness, "ann", subscribe);
    assert_eq!(
        harness.read_texts(id),
        [r#"{"push":{"channel":"news","subscribe":{}}}"#]
    );
    harness.advance_clock(11 * SECOND_US);
    assert!(harness.read_texts(id).is_empty() && harness.wants("news"));
    harness.advance_clock(2 * SECOND_US);
    let texts = harness.read_texts(id);
    assert!(texts[0].contains(r#""code":2501"#), "{texts:?}");
    assert!(!harness.wants("news"));
}

#[test]
fn an_unsubscribed_client_is_informed_and_gets_no_more_publications() {
    let mut harness = harness(|_| {});
    let (id, _) = connect(&mut harness, "ann");
    let (other, _) = connect(&mut harness, "bob");
    subscribe(&mut harness, id, "news");
    subscribe(&mut harness, other, "news");
    let topic = "news".to_owned();
    let unsubscribe = UserEffect::Unsubscribe { topic };
    assert_eq!(act_on(&mut harness, "ann", unsubscribe.clone()), done(1));
    harness.publish("news", "7");
    let unsubscribed =
        r#"{"push":{"channel":"news","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#;
    assert_eq!(harness.read_texts(id), [unsubscribed]);
    assert_eq!(harness.read_texts(other), [push("news", "7")]);
    assert_eq!(act_on(&mut harness, "ann", unsubscribe), done(1));
    assert!(harness.read_texts(id).is_empty());
}

#[test]
fn a_disconnect_has_its_code_and_spares_the_clients_of_the_whitelist() {
    let mut harness = harness(|_| {});
    let (id, _) = connect(&mut harness, "ann");
    let (spared, client) = connect(&mut harness, "ann");
    let (other, _) = connect(&mut harness, "bob");
    assert_eq!(
        act_on(&mut harness, "ann", disconnect(vec![client])),
        done(1)
    );
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(4321))]);
    assert_eq!(harness.counts().closed_demanded, 1);
    for id in [spared, other] {
        assert!(harness.read_frames(id).is_empty() && harness.closed(id).is_none());
    }
    // The client is meant by its id alone, too.
    let (outcome, _) = act(&mut harness, None, Some(client), disconnect(Vec::new()));
    assert_eq!(outcome, done(1));
    assert_eq!(
        harness.read_frames(spared),
        [ServerFrame::Close(Some(4321))]
    );
    // The id of a client of another user selects no connection.
    let (outcome, _) = act(
        &mut harness,
        Some("bob"),
        Some(client),
        disconnect(Vec::new()),
    );
    assert_eq!(outcome, done(0));
}

#[test]
fn a_refresh_moves_the_expiry_and_informs_the_client() {
    let mut harness = harness(|config| config.auth.expired_close_delay = Duration::from_secs(2));
    let (id, _) = connect(&mut harness, "ann");
    let refresh = |expires_at_s| UserEffect::Refresh {
        expires_at_s,
        info: None,
    };
    act_on(&mut harness, "ann", refresh(Some(NOW_S + 10)));
    let informed = r#"{"push":{"refresh":{"expires":true,"ttl":10}}}"#;
    assert_eq!(harness.read_texts(id), [informed]);
    harness.advance_clock(11 * SECOND_US);
    act_on(&mut harness, "ann", refresh(None));
    assert_eq!(harness.read_texts(id), [r#"{"push":{"refresh":{}}}"#]);
    harness.advance_clock(1_000 * SECOND_US);
    assert!(harness.read_texts(id).is_empty());
    act_on(&mut harness, "ann", refresh(Some(NOW_S)));
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3005))]);
    let (id, _) = connect(&mut harness, "ann");
    act_on(&mut harness, "ann", UserEffect::Expire);
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(3005))]);
    assert_eq!(harness.counts().closed_expired, 2);
}

#[test]
fn protobuf_clients_are_informed_too() {
    let mut harness = harness(|config| config.auth.allow_anonymous = true);
    let id = harness.open_websocket_with("/connection/websocket", PROTOBUF);
    // {id: 1, connect: {}}
    harness.send_bytes(
        id,
        &wire::client_frame(wire::BINARY, &[4, 0x08, 1, 0x22, 0]),
    );
    let replies = |harness: &mut HubHarness| match &harness.read_frames(id)[..] {
        [ServerFrame::Binary(message)] => client_proto::delimited::<client_proto::Reply>(message),
        other => panic!("not one message: {other:?}"),
    };
    let client = replies(&mut harness)[0].connect.clone().unwrap().client;
    let client = Some(client.parse().unwrap());
    let mut pushed = |effect| {
        assert_eq!(act(&mut harness, None, client, effect).0, done(1));
        replies(&mut harness)[0].push.clone().unwrap()
    };
    let subscribe = pushed(server_subscribe("news"));
    assert_eq!(
        (subscribe.channel, subscribe.subscribe.unwrap().data),
        ("news".into(), b"[1]".to_vec())
    );
    let topic = "news".into();
    let unsubscribe = pushed(UserEffect::Unsubscribe { topic });
    assert_eq!(unsubscribe.unsubscribe.unwrap().code, 2000);
    let (expires_at_s, info) = (Some(NOW_S + 60), None);
    let refresh = pushed(UserEffect::Refresh { expires_at_s, info });
    assert_eq!(refresh.refresh.unwrap().ttl, 60);
}

#[test]
fn a_raw_connection_is_unsubscribed_and_closed_but_gets_no_further_topics() {
    let mut harness = harness(|_| {});
    let target = format!(
        "/raw?topic=news&token={}",
        token(&json!({"sub": "ann", "channels": ["news"]}))
    );
    let id = harness.open_websocket(&target);
    assert_eq!(
        act_on(&mut harness, "ann", server_subscribe("other")),
        done(0)
    );
    assert!(!harness.wants("other"));
    let topic = "news".into();
    let unsubscribe = UserEffect::Unsubscribe { topic };
    assert_eq!(act_on(&mut harness, "ann", unsubscribe), done(1));
    assert!(harness.read_frames(id).is_empty() && !harness.wants("news"));
    assert_eq!(act_on(&mut harness, "ann", disconnect(Vec::new())), done(1));
    assert_eq!(harness.read_frames(id), [ServerFrame::Close(Some(4321))]);
}

#[test]
fn connections_that_are_not_open_and_internal_ones_are_not_meant() {
    let mut harness = harness(|_| {});
    let waiting = harness.open_websocket("/connection/websocket");
    let internal = harness.accept_internal();
    let (closed, client) = connect(&mut harness, "ann");
    act(&mut harness, None, Some(client), disconnect(Vec::new()));
    assert_eq!(harness.read_frames(closed).len(), 1);
    assert_eq!(act_on(&mut harness, "ann", disconnect(Vec::new())), done(0));
    let (outcome, _) = act(
        &mut harness,
        None,
        Some(Uuid::nil()),
        disconnect(Vec::new()),
    );
    assert_eq!(outcome, done(0));
    for id in [waiting, internal] {
        assert_eq!(harness.closed(id), None);
    }
}

#[test]
fn many_connections_of_one_user_take_several_turns() {
    let mut harness = harness(|_| {});
    let ids: Vec<_> = (0..=2 * USER_ACTIONS)
        .map(|_| connect(&mut harness, "ann").0)
        .collect();
    let (outcome, turns) = act(&mut harness, Some("ann"), None, server_subscribe("news"));
    assert_eq!((outcome, turns), (done(ids.len() as u64), 3));
    for id in ids {
        assert_eq!(harness.read_texts(id).len(), 1);
    }
}
