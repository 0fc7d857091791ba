//! Hooks let no client outlive its token or subscribe without consent, and the questions to them
//! are bounded.

use std::time::Duration;

use fanfare::access::HookCall;
use fanfare::hub::Parking;
use fanfare::limits::{EXPIRIES_PER_TURN, SERVICE_CALLS_PER_SHARD};
use serde_json::json;

use crate::harness::SECOND_US;
use crate::hooked::{Hooked, close_code, complete, hooked, hooked_with};
use crate::tokens::{self, NOW_S, token};
use crate::wire::ServerFrame;

#[test]
fn a_command_that_waits_does_not_extend_the_time_of_a_token() {
    let mut config = hooked();
    tokens::demand(&mut config);
    config.auth.expired_close_delay = Duration::ZERO;
    let mut hooked = Hooked::new(config);
    let id = hooked.open();
    let claims = json!({"sub": "42", "exp": NOW_S + 10});
    let connect = json!({"id": 1, "connect": {"token": token(&claims)}});
    hooked.0.send_text(id, &connect.to_string());
    hooked.0.read_texts(id);
    // One command waits at any time, as a client could arrange it.
    for second in 1..10 {
        hooked.0.send_text(id, r#"{"id":2,"rpc":{}}"#);
        hooked.0.advance_clock(SECOND_US);
        hooked.answer(&json!({"result": {}}));
        assert_eq!(hooked.0.read_texts(id).len(), 1, "second {second}");
    }
    hooked.0.send_text(id, r#"{"id":2,"rpc":{}}"#);
    hooked.0.advance_clock(2 * SECOND_US);
    assert_eq!(close_code(&hooked.0.read_frames(id)), Some(3005));
}

#[test]
fn without_tokens_the_subscribe_hook_decides_about_every_topic() {
    let mut config = hooked();
    config.auth.insecure = true;
    let mut hooked = Hooked::new(config);
    let id = hooked.open();
    hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
    assert_eq!(hooked.0.read_texts(id).len(), 1);
    for parameters in [
        r#""channel":"a","token":"any""#,
        r#""channel":"a#42""#,
        r#""channel":"$a""#,
    ] {
        let command = format!(r#"{{"id":2,"subscribe":{{{parameters}}}}}"#);
        let denied = json!({"error": {"code": 403, "message": "no"}});
        let replies = hooked.reply(id, &command, &denied);
        assert_eq!(replies, [r#"{"id":2,"error":{"code":403,"message":"no"}}"#]);
    }
    assert_eq!(hooked.0.request_upgrade("/raw?topic=a").1, 403);
}

#[test]
fn the_calls_of_clients_that_are_gone_count_until_they_are_answered() {
    let mut hooked = Hooked::new(hooked_with(|_| {}));
    let mut tickets = Vec::new();
    for _ in 0..SERVICE_CALLS_PER_SHARD {
        let id = hooked.open();
        hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
        hooked.0.hub.lost(id);
        tickets.push(hooked.question().0);
    }
    let id = hooked.open();
    hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
    let [refused] = &hooked.0.read_texts(id)[..] else {
        panic!("no reply");
    };
    assert!(refused.contains(r#""code":100"#), "{refused}");
    for ticket in tickets {
        hooked.0.answer_service(ticket, complete(500, ""));
    }
    let (id, _) = hooked.connect_with(&json!({"user": "42"}));
    assert_eq!(hooked.0.read_frames(id), []);
}

#[test]
fn what_expires_in_one_moment_ends_over_several_turns() {
    let mut config = hooked();
    tokens::demand(&mut config);
    config.auth.expired_close_delay = Duration::ZERO;
    let mut hooked = Hooked::new(config);
    let claims = json!({"sub": "42", "exp": NOW_S + 10});
    let connect = json!({"id": 1, "connect": {"token": token(&claims)}}).to_string();
    let mut ids = Vec::new();
    for _ in 0..=EXPIRIES_PER_TURN {
        let id = hooked.open();
        hooked.0.send_text(id, &connect);
        let now_us = hooked.0.now_us;
        while hooked.0.hub.resume_parked(now_us) == Parking::Occupied {}
        assert_eq!(hooked.0.read_texts(id).len(), 1);
        ids.push(id);
    }
    hooked.0.now_us += 20 * SECOND_US;
    let now_us = hooked.0.now_us;
    hooked.0.hub.tick(now_us);
    assert_eq!(
        hooked.0.hub.counts().closed_expired,
        EXPIRIES_PER_TURN as u64
    );
    assert!(
        hooked
            .0
            .hub
            .deadline_us()
            .is_some_and(|due_us| due_us <= now_us)
    );
    hooked.0.hub.tick(now_us);
    assert_eq!(hooked.0.hub.counts().closed_expired, ids.len() as u64);
    let is_closed = |frames: &[ServerFrame]| close_code(frames) == Some(3005);
    assert!(ids.iter().all(|id| is_closed(&hooked.0.read_frames(*id))));
}

#[test]
fn all_values_of_a_header_are_forwarded_in_order() {
    let mut hooked = Hooked::new(hooked());
    let id = hooked.0.open_websocket_with(
        "/connection/websocket",
        "X-Real-Ip: 127.0.0.1\r\nCookie: a=1\r\nX-Real-Ip: 10.0.0.7\r\n",
    );
    hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
    let (_, HookCall { headers, .. }) = hooked.question();
    let headers = headers.iter().map(|(name, value)| (&**name, &**value));
    let expected = [
        ("cookie", "a=1"),
        ("x-real-ip", "127.0.0.1"),
        ("x-real-ip", "10.0.0.7"),
    ];
    assert!(headers.eq(expected));
}
