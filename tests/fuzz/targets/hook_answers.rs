//! Any bytes as the response of a hook: there is no panic, a response that is accepted is an object
//! in JSON for `serde_json`, and what is accepted makes a reply that is JSON, or a close frame.
//!
//! The first byte selects the hook: `c`, `r`, `s`, `p`, or anything else for `rpc`.
#![allow(unreachable_pub, reason = "each runner includes this file as a module")]

use fanfare::access::HookResponse;
use fanfare::access::hooks::{
    ConnectResult, DataForm, HookAnswer, HookResult, PublishResult, RefreshResult, RpcResult,
    SubscribeResult, read,
};
use fanfare::config::HooksConfig;
use fanfare::limits;
use fanfare::protocol::json::replies;
use fanfare::protocol::reply::{Reply, ServerSubscription};
use serde_json::Value;
use serde_json::value::RawValue;

/// Checks one input.
pub fn hook_answers(data: &[u8]) {
    let Some((first, body)) = data.split_first() else {
        return;
    };
    match first {
        b'c' => check::<ConnectResult>(body, connect),
        b'r' => check::<RefreshResult>(body, |result| kept(result.info.as_deref())),
        b's' => check::<SubscribeResult>(body, |result| {
            kept(result.info.as_deref());
            let data = result.data.as_deref();
            reply(&Reply::Subscribe { expiry: None, data });
        }),
        // The payload may be of any kind; ingest checks it.
        b'p' => check::<PublishResult>(body, |_| {}),
        _ => check::<RpcResult>(body, |result| {
            let data = result.data.as_deref();
            reply(&Reply::Rpc { data });
        }),
    }
}

fn check<T: HookResult>(body: &[u8], check_result: impl Fn(&T)) {
    let response = HookResponse::Complete {
        status: 200,
        body: body.to_vec(),
    };
    let hooks = HooksConfig::default();
    let answer = read::<T>(&response, &hooks, DataForm::Json);
    // Any bytes are data for clients that speak Protobuf, so they accept no less.
    assert!(answer.is_err() || read::<T>(&response, &hooks, DataForm::Bytes).is_ok());
    let Ok(answer) = answer else {
        return;
    };
    let text = str::from_utf8(body).expect("JSON is text");
    let raw: &RawValue = serde_json::from_str(text).expect("the answer is JSON");
    assert!(raw.get().starts_with('{'));
    match answer {
        HookAnswer::Result(result) => check_result(&result),
        HookAnswer::Error(error) => {
            assert!(error.code > 0 && error.message.len() <= limits::HOOK_MESSAGE_BYTES);
            reply(&Reply::CustomError {
                code: error.code,
                message: &error.message,
                temporary: error.temporary,
            });
        }
        HookAnswer::Disconnect(disconnect) => {
            assert!((3000..5000).contains(&disconnect.code));
            assert!(disconnect.reason.len() <= limits::CLOSE_REASON_BYTES);
        }
    }
}

fn connect(result: &ConnectResult) {
    kept(result.info.as_deref());
    kept(result.meta.as_deref());
    assert!(result.user.len() <= limits::HOOK_KEPT_BYTES);
    let subscriptions = result.subscriptions.iter().map(|each| ServerSubscription {
        topic: &each.topic,
        expiry: None,
        data: each.data.as_deref(),
    });
    let subscriptions: Vec<_> = subscriptions.collect();
    let mut topics: Vec<_> = subscriptions.iter().map(|each| each.topic).collect();
    topics.sort_unstable();
    assert!(topics.windows(2).all(|pair| pair[0] != pair[1]));
    reply(&Reply::Connect {
        client: "c",
        version: "v",
        ping_s: 25,
        expiry: None,
        subscriptions: &subscriptions,
        data: result.data.as_deref(),
    });
}

/// Checks what the hub keeps of a client.
fn kept(json: Option<&[u8]>) {
    if let Some(json) = json {
        assert!(json.len() <= limits::HOOK_KEPT_BYTES);
        serde_json::from_slice::<&RawValue>(json).expect("it is JSON");
    }
}

/// Checks that a reply is one line of JSON.
fn reply(reply: &Reply<'_>) {
    let mut out = Vec::new();
    replies::append(&mut out, 1, reply);
    assert!(!out.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
    // Values that serde_json cannot represent, such as huge numbers, are JSON too.
    let raw: &RawValue = serde_json::from_slice(&out).expect("a reply is JSON");
    if let Ok(value) = serde_json::from_str::<Value>(raw.get()) {
        assert_eq!(value["id"], 1);
    }
}
