//! Connections and subscriptions that hooks have granted for a time: the server asks again.

use fanfare::config::HookKind;
use fanfare::limits::SERVICE_ANSWER_TIMEOUT;
use serde_json::json;

use crate::harness::SECOND_US;
use crate::hooked::{Hooked, close_code, complete, hooked};
use crate::tokens::NOW_S;

const NO_TEXTS: [&str; 0] = [];
const ANSWER_TIMEOUT_US: u64 = SERVICE_ANSWER_TIMEOUT.as_micros() as u64;

#[test]
fn the_server_asks_before_a_connection_of_the_hook_ends() {
    let mut hooked = Hooked::new(hooked());
    let granted = json!({"user": "42", "expire_at": NOW_S + 60, "meta": {"v": 1}});
    let (id, reply) = hooked.connect_with(&granted);
    assert_eq!(
        reply.get("expires"),
        None,
        "the client has nothing to refresh"
    );
    hooked.0.advance_clock(59 * SECOND_US);
    hooked.assert_no_question();
    hooked.0.advance_clock(2 * SECOND_US);
    hooked.0.hub.set_unix_time(NOW_S + 61);
    let extended = json!({"result": {"expire_at": NOW_S + 121, "meta": {"v": 2}}});
    let (kind, call) = hooked.answer(&extended);
    assert_eq!(kind, HookKind::Refresh);
    assert_eq!(
        (&call["user"], &call["meta"]),
        (&json!("42"), &json!({"v": 1}))
    );
    // A hook that is down does not end the connection.
    hooked.0.advance_clock(61 * SECOND_US);
    hooked.0.hub.set_unix_time(NOW_S + 122);
    hooked.fail();
    hooked.0.advance_clock(59 * SECOND_US);
    hooked.assert_no_question();
    // The next question comes after 60 to 75 s.
    hooked.0.advance_clock(17 * SECOND_US);
    let (_, call) = hooked.answer(&json!({"result": {"expired": true}}));
    assert_eq!(call["meta"], json!({"v": 2}));
    assert_eq!(close_code(&hooked.0.read_frames(id)), Some(3005));
}

#[test]
fn a_refresh_hook_that_never_answers_is_asked_again() {
    let mut hooked = Hooked::new(hooked());
    let (id, _) = hooked.connect_with(&json!({"expire_at": NOW_S + 1}));
    hooked.0.advance_clock(2 * SECOND_US);
    let (first, _) = hooked.question();
    hooked.0.advance_clock(ANSWER_TIMEOUT_US + SECOND_US);
    let (second, _) = hooked.question();
    let expired = || complete(200, r#"{"result":{"expired":true}}"#);
    hooked.0.answer_service(first, expired());
    assert_eq!(hooked.0.read_frames(id), [], "a late answer is ignored");
    hooked.0.answer_service(second, expired());
    assert_eq!(close_code(&hooked.0.read_frames(id)), Some(3005));
}

#[test]
fn without_a_refresh_hook_the_reply_has_the_time_to_live() {
    let mut config = hooked();
    config.auth.hooks.refresh.endpoint = None;
    let mut hooked = Hooked::new(config);
    let (id, reply) = hooked.connect_with(&json!({"expire_at": NOW_S + 60}));
    assert_eq!(
        (&reply["expires"], &reply["ttl"]),
        (&json!(true), &json!(60))
    );
    hooked.0.advance_clock(86 * SECOND_US);
    hooked.assert_no_question();
    assert_eq!(close_code(&hooked.0.read_frames(id)), Some(3005));
    let id = hooked.open();
    let past = json!({"result": {"expire_at": NOW_S}});
    let reply = hooked.reply(id, r#"{"id":1,"connect":{}}"#, &past);
    assert_eq!(
        reply,
        [r#"{"id":1,"error":{"code":110,"message":"expired"}}"#]
    );
}

#[test]
fn the_server_asks_before_a_subscription_of_the_hook_ends() {
    let mut hooked = Hooked::new(hooked());
    let id = hooked.connect();
    let subscribe = r#"{"id":2,"subscribe":{"channel":"a"}}"#;
    let granted = json!({"result": {"expire_at": NOW_S + 10}});
    let reply = hooked.reply(id, subscribe, &granted);
    assert_eq!(reply, [r#"{"id":2,"subscribe":{}}"#]);
    hooked.0.advance_clock(11 * SECOND_US);
    hooked.0.hub.set_unix_time(NOW_S + 11);
    let (kind, call) = hooked.answer(&json!({"result": {"expire_at": NOW_S + 21}}));
    assert_eq!(
        (kind, &call["channel"]),
        (HookKind::SubRefresh, &json!("a"))
    );
    hooked.0.advance_clock(11 * SECOND_US);
    // The client unsubscribes and subscribes again while the hook is asked.
    let (late, _) = hooked.question();
    hooked
        .0
        .send_text(id, r#"{"id":3,"unsubscribe":{"channel":"a"}}"#);
    let granted = json!({"result": {"expire_at": NOW_S + 21}});
    let reply = hooked.reply(id, subscribe, &granted);
    assert_eq!(reply[0], r#"{"id":3,"unsubscribe":{}}"#);
    hooked
        .0
        .answer_service(late, complete(200, r#"{"result":{"expired":true}}"#));
    assert_eq!(hooked.0.read_texts(id), NO_TEXTS);
    hooked.0.advance_clock(11 * SECOND_US);
    hooked.answer(&json!({"result": {"expired": true}}));
    let push =
        r#"{"push":{"channel":"a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}"#;
    assert_eq!(hooked.0.read_texts(id), [push]);
    assert!(!hooked.0.wants("a"));
}
