//! Tests of the answers of hooks: each kind, and each way in which one can be wrong.

use super::super::results::{
    ConnectResult, PublishResult, RefreshResult, RpcResult, SubscribeResult,
};
use super::*;
use crate::config::StatusMapping;

fn complete(body: impl AsRef<[u8]>) -> HookResponse {
    HookResponse::Complete {
        status: 200,
        body: body.as_ref().to_vec(),
    }
}

fn answer<T: HookResult>(body: &str) -> Result<HookAnswer<T>, HookFault> {
    read(&complete(body), &HooksConfig::default(), DataForm::Json)
}

fn result<T: HookResult>(body: &str) -> T {
    match answer(body) {
        Ok(HookAnswer::Result(result)) => result,
        _ => panic!("no result: {body}"),
    }
}

#[allow(clippy::unnecessary_wraps)] // Members are optional.
fn bytes(text: &str) -> Option<Box<[u8]>> {
    Some(text.as_bytes().into())
}

#[test]
fn a_connect_result_has_all_its_members() {
    let connect: ConnectResult = result(
        r#"{"result":{"user":"4\u0032","expire_at":1700000000,"info":{"a": 1},"data":[ 1 ],
        "channels":["a","b","a"],"subs":{"a":{"data":{"n":1},"b64info":"MQ=="}},
        "meta":{"k": "v"},"caps":[],"unknown":7},"error":null}"#,
    );
    assert_eq!(
        (&*connect.user, connect.expires_at_s),
        ("42", Some(1_700_000_000))
    );
    assert_eq!(connect.info, bytes(r#"{"a":1}"#));
    assert_eq!(connect.data, bytes("[1]"));
    assert_eq!(connect.meta, bytes(r#"{"k":"v"}"#));
    let [a, b] = &connect.subscriptions[..] else {
        panic!("two topics: {connect:?}");
    };
    assert_eq!(
        (&*a.topic, &a.data, &a.info),
        ("a", &bytes(r#"{"n":1}"#), &bytes("1"))
    );
    assert_eq!((&*b.topic, &b.data, &b.info), ("b", &None, &None));
}

#[test]
fn an_empty_result_grants_what_needs_no_member() {
    let connect: ConnectResult = result(r#"{"result":{}}"#);
    assert_eq!((&*connect.user, connect.expires_at_s), ("", None));
    let refresh: RefreshResult = result(r#"{"result":{"expire_at":0}}"#);
    assert_eq!((refresh.is_expired, refresh.expires_at_s), (false, None));
    let refresh: RefreshResult = result(r#"{"result":{"expired":true,"expire_at":-1}}"#);
    assert_eq!((refresh.is_expired, refresh.expires_at_s), (true, None));
    assert_eq!(
        result::<SubscribeResult>(r#"{"result":{"expire_at":7.9}}"#).expires_at_s,
        Some(7)
    );
    assert_eq!(result::<PublishResult>(r#"{"result":{}}"#).data, None);
}

#[test]
fn data_is_json_for_clients_that_speak_json() {
    let body = r#"{"result":{"data":1,"b64data":"eyJhIjogMX0="}}"#;
    assert_eq!(result::<RpcResult>(body).data, bytes(r#"{"a":1}"#));
    let binary = r#"{"result":{"b64data":"/wA="}}"#;
    let fault = HookFault::Member("result.b64data");
    assert_eq!(answer::<RpcResult>(binary), Err(fault));
    let read = read::<RpcResult>(&complete(binary), &HooksConfig::default(), DataForm::Bytes);
    let data = Some(Box::from(&b"\xff\x00"[..]));
    assert_eq!(read, Ok(HookAnswer::Result(RpcResult { data })));
    // Ingest checks the payload of a publication.
    assert!(answer::<PublishResult>(binary).is_ok());
}

#[test]
fn a_disconnect_counts_before_an_error_and_an_error_before_a_result() {
    let error = HookError {
        code: 1000,
        message: "no".into(),
        temporary: true,
    };
    let body = r#"{"result":{},"error":{"code":1000,"message":"no","temporary":true}}"#;
    assert_eq!(answer::<RpcResult>(body), Ok(HookAnswer::Error(error)));
    let disconnect = |code, reason: &str| {
        Ok(HookAnswer::<RpcResult>::Disconnect(HookDisconnect {
            code,
            reason: reason.into(),
        }))
    };
    let body = r#"{"error":{"code":1},"disconnect":{"code":4501,"reason":"bye","reconnect":true}}"#;
    assert_eq!(answer(body), disconnect(4501, "bye"));
    for (code, sent) in [
        ("2999", 3000),
        ("5000", 3000),
        ("1e9", 3000),
        ("4999", 4999),
    ] {
        let body = format!(r#"{{"disconnect":{{"code":{code}}}}}"#);
        assert_eq!(answer(&body), disconnect(sent, ""));
    }
    assert_eq!(answer(r#"{"disconnect":{}}"#), disconnect(3000, ""));
}

#[test]
fn long_texts_are_cut_between_characters() {
    let long = "ä".repeat(4_000);
    let body = format!(r#"{{"error":{{"code":1,"message":"{long}"}}}}"#);
    let Ok(HookAnswer::Error(error)) = answer::<RpcResult>(&body) else {
        panic!("an error");
    };
    assert_eq!(error.message.len(), HOOK_MESSAGE_BYTES);
    let body = format!(r#"{{"disconnect":{{"code":3000,"reason":"{long}"}}}}"#);
    let Ok(HookAnswer::Disconnect(disconnect)) = answer::<RpcResult>(&body) else {
        panic!("a disconnect");
    };
    assert_eq!(disconnect.reason.len(), CLOSE_REASON_BYTES - 1);
}

#[test]
fn a_status_other_than_200_is_a_fault_unless_it_is_mapped() {
    let mappings = ["404 error 1404 not found", "503 disconnect 4503 later"];
    let hooks = HooksConfig {
        status_to_code: mappings
            .map(|text| StatusMapping::parse(text).unwrap())
            .into(),
        ..HooksConfig::default()
    };
    let read = |status| {
        let body = br#"{"result":{}}"#.to_vec();
        read::<RpcResult>(
            &HookResponse::Complete { status, body },
            &hooks,
            DataForm::Json,
        )
    };
    assert!(matches!(
        read(404),
        Ok(HookAnswer::Error(HookError { code: 1404, .. }))
    ));
    let disconnect = HookDisconnect {
        code: 4503,
        reason: "later".into(),
    };
    assert_eq!(read(503), Ok(HookAnswer::Disconnect(disconnect)));
    assert_eq!(read(500), Err(HookFault::Status(500)));
    assert_eq!(read(201), Err(HookFault::Status(201)));
}

#[test]
fn garbage_is_a_fault() {
    let deep = format!(
        r#"{{"result":{{"info":{}1{}}}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let cases = [
        ("", HookFault::NotAnObject),
        ("null", HookFault::NotAnObject),
        ("[]", HookFault::NotAnObject),
        (r#"{"result":{}"#, HookFault::NotAnObject),
        (r#"{"result":{},"result":{}}"#, HookFault::NotAnObject),
        (&deep, HookFault::NotAnObject),
        ("{}", HookFault::Empty),
        (r#"{"result":null}"#, HookFault::Empty),
        (r#"{"result":[]}"#, HookFault::Member("result")),
        (
            r#"{"result":{"user":"a","user":"b"}}"#,
            HookFault::Member("result"),
        ),
        (r#"{"error":7}"#, HookFault::Member("error")),
        (r#"{"error":{}}"#, HookFault::Member("error.code")),
        (r#"{"error":{"code":0}}"#, HookFault::Member("error.code")),
        (
            r#"{"error":{"code":4294967296}}"#,
            HookFault::Member("error.code"),
        ),
        (r#"{"error":{"code":1.5}}"#, HookFault::Member("error.code")),
        (r#"{"error":{"code":"1"}}"#, HookFault::Member("error.code")),
        (
            r#"{"error":{"code":1,"message":2}}"#,
            HookFault::Member("error.message"),
        ),
        (
            r#"{"error":{"code":1,"temporary":1}}"#,
            HookFault::Member("error.temporary"),
        ),
        (r#"{"disconnect":"no"}"#, HookFault::Member("disconnect")),
        (
            r#"{"disconnect":{"code":-1}}"#,
            HookFault::Member("disconnect.code"),
        ),
    ];
    for (body, fault) in cases {
        assert_eq!(answer::<ConnectResult>(body), Err(fault), "{body}");
    }
}

#[test]
fn a_result_with_a_wrong_member_is_a_fault() {
    let cases = [
        (
            r#"{"result":{"user":42}}"#,
            HookFault::Member("result.user"),
        ),
        (
            r#"{"result":{"user":"\ud800"}}"#,
            HookFault::Member("result.user"),
        ),
        (
            r#"{"result":{"expire_at":"1"}}"#,
            HookFault::Member("result.expire_at"),
        ),
        (
            r#"{"result":{"expire_at":1e300}}"#,
            HookFault::Member("result.expire_at"),
        ),
        (
            r#"{"result":{"b64info":"?"}}"#,
            HookFault::Member("result.b64info"),
        ),
        (
            r#"{"result":{"b64info":"/w=="}}"#,
            HookFault::Member("result.b64info"),
        ),
        (
            r#"{"result":{"channels":["a",1]}}"#,
            HookFault::Member("result.channels"),
        ),
        (
            r#"{"result":{"channels":[""]}}"#,
            HookFault::Member("result.channels"),
        ),
        (
            r#"{"result":{"channels":["fanfare.canary"]}}"#,
            HookFault::Member("result.channels"),
        ),
        (
            r#"{"result":{"subs":["a"]}}"#,
            HookFault::Member("result.subs"),
        ),
        (
            r#"{"result":{"subs":{"a":1}}}"#,
            HookFault::Member("result.subs"),
        ),
    ];
    for (body, fault) in cases {
        assert_eq!(answer::<ConnectResult>(body), Err(fault), "{body}");
    }
}

#[test]
fn bytes_that_are_not_text_and_a_failed_call_are_faults() {
    let invalid = read::<RpcResult>(
        &complete(b"{\"result\":{\"data\":\"\xff\"}}"),
        &HooksConfig::default(),
        DataForm::Bytes,
    );
    assert_eq!(invalid, Err(HookFault::NotAnObject));
    let failed = read::<RpcResult>(
        &HookResponse::Failed,
        &HooksConfig::default(),
        DataForm::Json,
    );
    assert_eq!(failed, Err(HookFault::Failed));
}

#[test]
fn what_stays_in_memory_is_bounded() {
    let long = "x".repeat(crate::limits::HOOK_KEPT_BYTES + 1);
    for name in ["user", "info", "meta"] {
        let body = format!(r#"{{"result":{{"{name}":"{long}"}}}}"#);
        assert!(answer::<ConnectResult>(&body).is_err(), "{name}");
    }
}
