//! Hooks: what each command asks, and what it does with each kind of answer.

use fanfare::config::HookKind;
use prost::Message as _;
use serde_json::{Value, json};

use crate::client_proto;
use crate::harness::SECOND_US;
use crate::hooked::{Hooked, INTERNAL, close_code, hooked, hooked_with};
use crate::tokens::{self, NOW_S, token};
use crate::wire::{self, ServerFrame};

#[test]
fn the_connect_hook_states_who_the_client_is_and_what_it_receives() {
    let mut hooked = Hooked::new(hooked());
    let id = hooked.open();
    let command =
        r#"{"id":1,"connect":{"name":"js","version":"5","data":{"a":1},"subs":{"x":{}}}}"#;
    hooked.0.send_text(id, command);
    let result = json!({"user": "42", "data": {"hello": 1}, "channels": ["a"], "meta": {"k": 1},
        "subs": {"b": {"data": 2}}});
    let (kind, call) = hooked.answer(&json!({ "result": result }));
    assert_eq!(kind, HookKind::Connect);
    let client = call["client"].as_str().unwrap().to_owned();
    assert_eq!(
        call,
        json!({"client": client, "transport": "websocket", "protocol": "json", "encoding": "json",
            "name": "js", "version": "5", "data": {"a": 1}, "channels": ["x"]})
    );
    let reply: Value = serde_json::from_str(&hooked.0.read_texts(id)[0]).unwrap();
    let reply = &reply["connect"];
    assert_eq!(
        (&reply["client"], &reply["data"]),
        (&json!(client), &json!({"hello": 1}))
    );
    assert_eq!(reply["subs"], json!({"a": {}, "b": {"data": 2}}));
    assert_eq!(reply.get("expires"), None);
    assert!(hooked.0.wants("a") && hooked.0.wants("b"));
    // The calls of other hooks state who the client is.
    hooked
        .0
        .send_text(id, r#"{"id":2,"rpc":{"method":"m","data":7}}"#);
    let (kind, call) = hooked.answer(&json!({"result": {"data": 8}}));
    assert_eq!(kind, HookKind::Rpc);
    assert_eq!(
        call,
        json!({"client": client, "transport": "websocket", "protocol": "json", "encoding": "json",
            "data": 7, "user": "42", "meta": {"k": 1}, "method": "m"})
    );
    assert_eq!(hooked.0.read_texts(id), [r#"{"id":2,"rpc":{"data":8}}"#]);
    let counts = hooked.0.counts();
    assert_eq!((counts.hooks_result, counts.parked), (2, 0));
}

#[test]
fn a_token_decides_without_the_connect_hook() {
    let mut config = hooked();
    tokens::demand(&mut config);
    let mut hooked = Hooked::new(config);
    let id = hooked.open();
    let token = token(&json!({"sub": "ann", "exp": NOW_S + 60}));
    let command = json!({"id": 1, "connect": {"token": token}});
    hooked.0.send_text(id, &command.to_string());
    hooked.assert_no_question();
    assert_eq!(hooked.0.read_texts(id).len(), 1);
    // The client refreshes such a connection itself, and the server does not ask the hook.
    hooked.0.advance_clock(60 * SECOND_US);
    hooked.assert_no_question();
    hooked.0.advance_clock(26 * SECOND_US);
    assert_eq!(close_code(&hooked.0.read_frames(id)), Some(3005));
}

#[test]
fn only_the_listed_headers_are_forwarded() {
    let mut hooked = Hooked::new(hooked());
    let headers = "Cookie: session=1\r\nAuthorization: Bearer secret\r\nX-Other: 1\r\n";
    let id = hooked
        .0
        .open_websocket_with("/connection/websocket", headers);
    hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
    let (_, call) = hooked.question();
    assert_eq!(call.headers, [("cookie".into(), "session=1".into())]);
}

/// Each command that asks a hook while a client is connected.
const COMMANDS: [&str; 3] = [
    r#"{"id":2,"subscribe":{"channel":"news"}}"#,
    r#"{"id":2,"publish":{"channel":"news","data":1}}"#,
    r#"{"id":2,"rpc":{}}"#,
];

#[test]
fn errors_of_hooks_reach_the_client_unchanged() {
    let answer = json!({"error": {"code": 1000, "message": "no \"entry\"", "temporary": true}});
    let error = r#"{"code":1000,"message":"no \"entry\"","temporary":true}"#;
    let mut hooked = Hooked::new(hooked());
    let id = hooked.open();
    let reply = hooked.reply(id, r#"{"id":1,"connect":{}}"#, &answer);
    assert_eq!(reply, [format!(r#"{{"id":1,"error":{error}}}"#)]);
    // The client may try again on the same connection.
    let reply = hooked.reply(id, r#"{"id":2,"connect":{}}"#, &json!({"result": {}}));
    assert!(reply[0].starts_with(r#"{"id":2,"connect":{"#));
    for command in COMMANDS {
        let reply = hooked.reply(id, command, &answer);
        assert_eq!(
            reply,
            [format!(r#"{{"id":2,"error":{error}}}"#)],
            "{command}"
        );
    }
    let counts = hooked.0.counts();
    assert_eq!((counts.hooks_error, counts.command_errors), (4, 4));
    assert_eq!(hooked.0.published, []);
    assert!(!hooked.0.wants("news"));
}

#[test]
fn a_disconnect_of_a_hook_closes_with_its_code() {
    for command in COMMANDS {
        let mut hooked = Hooked::new(hooked());
        let id = hooked.connect();
        hooked.0.send_text(id, command);
        hooked.answer(&json!({"disconnect": {"code": 4501, "reason": "bye"}}));
        assert_eq!(
            close_code(&hooked.0.read_frames(id)),
            Some(4501),
            "{command}"
        );
        assert_eq!(hooked.0.counts().closed_hook, 1);
    }
    let mut hooked = Hooked::new(hooked());
    let id = hooked.open();
    hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
    hooked.answer(&json!({"disconnect": {"code": 7}}));
    assert_eq!(close_code(&hooked.0.read_frames(id)), Some(3000));
}

#[test]
fn a_hook_that_fails_or_answers_garbage_is_a_temporary_error() {
    let error = |request| format!(r#"{{"id":{request},"error":{INTERNAL}}}"#);
    let mut hooked = Hooked::new(hooked());
    let id = hooked.open();
    for (status, body) in [
        (500, r#"{"result":{}}"#),
        (200, "<html>"),
        (200, "{}"),
        (200, r#"{"result":{"user":7}}"#),
    ] {
        hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
        hooked.answer_text(status, body);
        assert_eq!(hooked.0.read_texts(id), [error(1)], "{status} {body}");
    }
    hooked.0.send_text(id, r#"{"id":1,"connect":{}}"#);
    hooked.fail();
    assert_eq!(hooked.0.read_texts(id), [error(1)]);
    let id = hooked.connect();
    for command in COMMANDS {
        hooked.0.send_text(id, command);
        hooked.answer_text(200, "[]");
        assert_eq!(hooked.0.read_texts(id), [error(2)], "{command}");
        hooked.0.send_text(id, command);
        hooked.fail();
        assert_eq!(hooked.0.read_texts(id), [error(2)], "{command}");
    }
    let counts = hooked.0.counts();
    assert_eq!((counts.hooks_invalid, counts.hooks_failed), (7, 4));
    let mut reports = 0;
    while hooked.0.hub.poll_hook_report().is_some() {
        reports += 1;
    }
    assert_eq!(
        reports, 7,
        "failed calls are reported by the service thread"
    );
}

#[test]
fn more_topics_than_a_connection_may_have_are_garbage() {
    let mut config = hooked();
    config.ws.max_topics = 1;
    let mut hooked = Hooked::new(config);
    let id = hooked.open();
    let answer = json!({"result": {"channels": ["a", "b"]}});
    let reply = hooked.reply(id, r#"{"id":1,"connect":{}}"#, &answer);
    assert_eq!(reply, [format!(r#"{{"id":1,"error":{INTERNAL}}}"#)]);
    assert!(!hooked.0.wants("a"));
    assert_eq!(hooked.0.counts().hooks_invalid, 1);
}

#[test]
fn the_order_of_permissions_is_token_user_limited_hook() {
    let mut config = hooked_with(|namespace| {
        namespace.allow_user_limited_channels = true;
        // The hook decides in place of this permission.
        namespace.allow_subscribe_for_client = true;
    });
    tokens::demand(&mut config);
    let mut hooked = Hooked::new(config);
    let id = hooked.connect();
    let denied = r#"{"id":2,"error":{"code":103,"message":"permission denied"}}"#;
    for (topic, reply) in [
        ("$private", denied),
        ("inbox#42", r#"{"id":2,"subscribe":{}}"#),
        ("inbox#7", denied),
    ] {
        let command = json!({"id": 2, "subscribe": {"channel": topic}});
        hooked.0.send_text(id, &command.to_string());
        hooked.assert_no_question();
        assert_eq!(hooked.0.read_texts(id), [reply], "{topic}");
    }
    let token = token(&json!({"sub": "42", "channel": "a"}));
    let command = json!({"id": 2, "subscribe": {"channel": "a", "token": token}});
    hooked.0.send_text(id, &command.to_string());
    hooked.assert_no_question();
    assert_eq!(hooked.0.read_texts(id), [r#"{"id":2,"subscribe":{}}"#]);
    let command = r#"{"id":2,"subscribe":{"channel":"b","data":{"x":1}}}"#;
    hooked.0.send_text(id, command);
    let (kind, call) = hooked.answer(&json!({"result": {"data": [1]}}));
    assert_eq!(kind, HookKind::Subscribe);
    assert_eq!(
        (&call["channel"], &call["data"]),
        (&json!("b"), &json!({"x": 1}))
    );
    assert_eq!(
        hooked.0.read_texts(id),
        [r#"{"id":2,"subscribe":{"data":[1]}}"#]
    );
    assert!(hooked.0.wants("b"));
}

#[test]
fn a_protobuf_client_sends_and_receives_bytes() {
    let mut hooked = Hooked::new(hooked());
    let target = "/connection/websocket?format=protobuf";
    let id = hooked.0.open_websocket(target);
    let send = |hooked: &mut Hooked, command: &client_proto::Command| {
        let message = command.encode_length_delimited_to_vec();
        let frame = wire::client_frame(wire::BINARY, &message);
        hooked.0.send_bytes(id, &frame);
    };
    let reply = |hooked: &mut Hooked| match &hooked.0.read_frames(id)[..] {
        [ServerFrame::Binary(message)] => client_proto::delimited::<client_proto::Reply>(message),
        other => panic!("one message: {other:?}"),
    };
    let connect = client_proto::ConnectRequest {
        data: b"{\"a\":1}".to_vec(),
        ..client_proto::ConnectRequest::default()
    };
    let command = client_proto::Command {
        id: 1,
        connect: Some(connect),
        ..client_proto::Command::default()
    };
    send(&mut hooked, &command);
    let (_, call) = hooked.answer(&json!({"result": {"user": "42", "b64data": "/wA="}}));
    assert_eq!(
        (&call["protocol"], &call["data"]),
        (&json!("protobuf"), &json!({"a": 1}))
    );
    let connected = reply(&mut hooked).remove(0).connect;
    assert_eq!(
        connected.map(|result| result.data),
        Some(b"\xff\x00".to_vec())
    );
    let rpc = client_proto::RpcRequest {
        data: b"\x00\xff".to_vec(),
        method: "m".into(),
    };
    let command = client_proto::Command {
        id: 2,
        rpc: Some(rpc),
        ..client_proto::Command::default()
    };
    send(&mut hooked, &command);
    let (_, call) = hooked.answer(&json!({"error": {"code": 1000, "message": "nö"}}));
    assert_eq!(
        (&call["encoding"], &call["b64data"]),
        (&json!("binary"), &json!("AP8="))
    );
    let error = reply(&mut hooked).remove(0).error.unwrap();
    assert_eq!(
        (error.code, &*error.message, error.temporary),
        (1000, "nö", false)
    );
}

#[test]
fn the_publish_hook_may_replace_the_payload() {
    let mut hooked = Hooked::new(hooked());
    let id = hooked.connect();
    let command = r#"{"id":2,"publish":{"channel":"news","data":{"a": 1}}}"#;
    let reply = hooked.reply(id, command, &json!({"result": {}}));
    assert_eq!(reply, [r#"{"id":2,"publish":{}}"#]);
    hooked.0.send_text(id, command);
    let (kind, call) = hooked.answer(&json!({"result": {"data": {"b": 2}, "skip_history": true}}));
    assert_eq!(kind, HookKind::Publish);
    assert_eq!(
        (&call["channel"], &call["data"]),
        (&json!("news"), &json!({"a": 1}))
    );
    assert_eq!(hooked.0.read_texts(id), [r#"{"id":2,"publish":{}}"#]);
    let payloads = hooked.0.published.iter().map(|(_, payload)| &payload[..]);
    assert_eq!(
        payloads.collect::<Vec<_>>(),
        [&br#"{"a":1}"#[..], &br#"{"b":2}"#[..]]
    );
}

#[test]
fn a_publication_names_the_client_with_what_the_hooks_have_stated() {
    let mut hooked = Hooked::new(hooked());
    let (id, _) = hooked.connect_with(&json!({"user": "42", "info": {"name": "ann"}}));
    let subscribe = r#"{"id":2,"subscribe":{"channel":"news"}}"#;
    hooked.reply(
        id,
        subscribe,
        &json!({"result": {"info": {"role": "author"}}}),
    );
    let publish = r#"{"id":3,"publish":{"channel":"news","data":1}}"#;
    hooked.reply(id, publish, &json!({"result": {}}));
    let sender = hooked.0.senders.remove(0).expect("the client is named");
    assert_eq!(&*sender.user, "42");
    assert_eq!(sender.conn_info.as_deref(), Some(&br#"{"name":"ann"}"#[..]));
    assert_eq!(
        sender.chan_info.as_deref(),
        Some(&br#"{"role":"author"}"#[..])
    );
}

#[test]
fn rpc_without_a_hook_is_not_available() {
    let mut config = hooked();
    config.auth.hooks.rpc.endpoint = None;
    let mut hooked = Hooked::new(config);
    let id = hooked.connect();
    hooked.0.send_text(id, r#"{"id":2,"rpc":{"method":"m"}}"#);
    hooked.assert_no_question();
    let error = r#"{"id":2,"error":{"code":108,"message":"not available"}}"#;
    assert_eq!(hooked.0.read_texts(id), [error]);
}
