//! Any bytes as a client's message: there is no panic, every accepted command is also valid for
//! `serde_json`, and a command is nested too deep exactly if a scan finds it so.
#![allow(unreachable_pub, reason = "each runner includes this file as a module")]

use fanfare::config::PayloadKind;
use fanfare::limits;
use fanfare::protocol::command::{Command, CommandError, ErrorEffect, PublishData, Request};
use fanfare::protocol::json::{Parser, lines, pushes};
use fanfare::protocol::topic;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::depth;

/// Parses one input as a message of several commands.
pub fn commands(data: &[u8]) {
    let mut parser = Parser::new();
    for line in lines(data) {
        assert!(!line.contains(&b'\n'));
        let mut fresh = Parser::new();
        let parsed = parser.parse(line);
        assert_eq!(
            parsed,
            fresh.parse(line),
            "the result does not depend on earlier lines"
        );
        match parsed {
            Ok(request) => check_request(&request, line),
            Err(error) => {
                assert!(!error.name().is_empty() && !error.to_string().is_empty());
                if let CommandError::TooDeep { .. } = error {
                    let raw: &RawValue = serde_json::from_slice(line).expect("JSON");
                    assert!(depth(raw.get()) > limits::COMMAND_DEPTH);
                }
                if let ErrorEffect::Reply { id, .. } = error.effect() {
                    assert_ne!(id, 0, "a reply needs an id");
                }
            }
        }
    }
}

fn check_request(request: &Request<'_>, line: &[u8]) {
    let raw: &RawValue = serde_json::from_slice(line).expect("a command is JSON");
    assert!(raw.get().starts_with('{'));
    assert!(depth(raw.get()) <= limits::COMMAND_DEPTH);
    let has_no_reply = matches!(request.command, Command::Pong | Command::Send);
    assert!(request.id != 0 || has_no_reply);
    // Lone surrogates and huge numbers are valid JSON, but serde_json cannot represent them as
    // values.
    let value: Option<Value> = serde_json::from_slice(line).ok();
    if let Some(value) = &value {
        assert_eq!(value["id"].as_u64().unwrap_or(0), u64::from(request.id));
    }
    let member = |method: &str, name: &str| value.as_ref().map(|value| value[method][name].clone());
    let check_channel = |method, channel: &str| {
        assert_eq!(topic::check(channel.as_bytes()), Ok(channel));
        if let Some(written) = member(method, "channel") {
            assert_eq!(written, channel);
        }
    };
    let check_token = |method, token: &str| {
        if let Some(written) = member(method, "token") {
            let is_absent = token.is_empty() && written.is_null();
            assert!(is_absent || written == token);
        }
    };
    match &request.command {
        Command::Connect { token } => check_token("connect", token),
        Command::Refresh { token } => check_token("refresh", token),
        Command::Subscribe { channel, token } => {
            check_channel("subscribe", channel);
            check_token("subscribe", token);
        }
        Command::SubRefresh { channel, token } => {
            check_channel("sub_refresh", channel);
            check_token("sub_refresh", token);
        }
        Command::Unsubscribe { channel } => check_channel("unsubscribe", channel),
        Command::Publish {
            channel,
            data: PublishData::Json(data),
        } => {
            check_channel("publish", channel);
            let raw: &RawValue = serde_json::from_slice(data).expect("data is JSON");
            assert!(depth(raw.get()) <= limits::JSON_DEPTH);
            assert_eq!(
                raw.get().as_bytes(),
                data,
                "the payload has no surrounding whitespace"
            );
            if let Some(written) = member("publish", "data") {
                assert_eq!(
                    written,
                    serde_json::from_slice::<Value>(data).expect("the payload is a value")
                );
            }
            let mut out = Vec::new();
            pushes::publication(&mut out, channel, data, PayloadKind::Json, None);
            assert!(!out.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
            serde_json::from_slice::<&RawValue>(&out).expect("a push is JSON");
        }
        _ => {}
    }
}
