//! Tests of the client protocol and of publishers' messages: commands of the SDKs, malicious input,
//! and the properties of the fuzz targets on generated JSON and on its mutations.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fanfare::limits;
use fanfare::protocol::codec::ClientCodec;
use fanfare::protocol::codes::UnsubscribeCode;
use fanfare::protocol::command::{Command, CommandError, ErrorEffect, PublishData, Request};
use fanfare::protocol::json::{Parser, lines, replies};
use fanfare::protocol::reply::{Expiry, Push, Reply, ServerSubscription};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

#[path = "fuzz/targets/commands.rs"]
mod commands;
#[path = "fuzz/targets/envelope.rs"]
mod envelope;

use commands::commands;
use envelope::envelope;

fn parse_all(message: &str) -> Vec<(u32, String)> {
    let mut parser = Parser::new();
    let mut show = |line| {
        let request = parser.parse(line).expect("a command");
        (request.id, format!("{:?}", request.command))
    };
    lines(message.as_bytes()).map(&mut show).collect()
}

fn connect_with(token: &str) -> String {
    format!("{:?}", Command::Connect { token })
}

fn subscribe_with(channel: &str, token: &str) -> String {
    format!("{:?}", Command::Subscribe { channel, token })
}

/// Parses commands as centrifuge 5 (npm) writes them: first the method, then the id.
#[test]
fn commands_of_the_javascript_sdk_are_parsed() {
    let connect =
        r#"{"connect":{"token":"t","data":{"a":1},"name":"js","headers":{"h":"1"}},"id":1}"#;
    assert_eq!(parse_all(connect), [(1, connect_with("t"))]);
    let resubscribe = concat!(
        r#"{"subscribe":{"channel":"news:1","flag":1},"id":2}"#,
        "\n",
        r#"{"subscribe":{"channel":"news:2","positioned":true,"recoverable":true,"flag":1,"recover":true,"offset":7,"epoch":"e"},"id":3}"#,
    );
    assert_eq!(
        parse_all(resubscribe),
        [
            (2, subscribe_with("news:1", "")),
            (3, subscribe_with("news:2", ""))
        ]
    );
    let with_token = r#"{"subscribe":{"channel":"$news:1","token":"st","flag":1},"id":5}"#;
    assert_eq!(
        parse_all(with_token),
        [(5, subscribe_with("$news:1", "st"))]
    );
    let refresh = concat!(
        r#"{"refresh":{"token":"t2"},"id":6}"#,
        "\n",
        r#"{"sub_refresh":{"channel":"$news:1","token":"st2"},"id":7}"#,
    );
    let sub_refresh = Command::SubRefresh {
        channel: "$news:1",
        token: "st2",
    };
    assert_eq!(
        parse_all(refresh),
        [
            (6, format!("{:?}", Command::Refresh { token: "t2" })),
            (7, format!("{sub_refresh:?}")),
        ]
    );
    let unsubscribe = r#"{"unsubscribe":{"channel":"news:1"},"id":4}"#;
    assert_eq!(
        parse_all(unsubscribe),
        [(4, r#"Unsubscribe { channel: "news:1" }"#.to_owned())]
    );
    assert_eq!(parse_all("{}"), [(0, "Pong".to_owned())]);
    assert_eq!(
        parse_all(r#"{"send":{"data":{}}}"#),
        [(0, "Send".to_owned())]
    );
}

/// Parses commands as centrifuge-python writes them: first the id, spaces after colons, and escapes
/// for characters that are not ASCII.
#[test]
fn commands_of_the_python_sdk_are_parsed() {
    let message = concat!(
        r#"{"id": 1, "connect": {"name": "python", "version": "1.0"}}"#,
        "\n",
        r#"{"id": 2, "subscribe": {"channel": "caf\u00e9", "recover": true, "epoch": "", "offset": 0, "flag": 1}}"#,
        "\n",
        r#"{"id": 3, "publish": {"channel": "chat", "data": {"text": "a b", "n": 1.0}}}"#,
    );
    let data = Command::Publish {
        channel: "chat",
        data: PublishData::Json(br#"{"text":"a b","n":1.0}"#.to_vec()),
    };
    assert_eq!(
        parse_all(message),
        [
            (1, connect_with("")),
            (2, subscribe_with("café", "")),
            (3, format!("{data:?}")),
        ]
    );
}

/// Parses commands as centrifuge-go writes them: without whitespace, members in the order of the
/// schema.
#[test]
fn commands_of_the_go_sdk_are_parsed() {
    let message = "{\"id\":1,\"connect\":{\"name\":\"go\"}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a<b\",\"flag\":1}}\n{}";
    assert_eq!(
        parse_all(message),
        [
            (1, connect_with("")),
            (2, subscribe_with("a<b", "")),
            (0, "Pong".to_owned()),
        ]
    );
}

/// Checks that each reply is one line with the id of its command.
#[test]
fn replies_have_the_id_of_the_command() {
    let message = "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"ping\":{}}\n{\"id\":4,\"nope\":{}}";
    let mut parser = Parser::new();
    let mut out = Vec::new();
    for line in lines(message.as_bytes()) {
        if !out.is_empty() {
            out.push(b'\n');
        }
        match parser.parse(line).map_err(|fault| fault.effect()) {
            Ok(Request {
                id,
                command: Command::Connect { .. },
            }) => {
                let reply = Reply::Connect {
                    client: "c",
                    version: "v",
                    ping_s: 25,
                    expiry: None,
                    subscriptions: &[],
                    data: None,
                };
                replies::append(&mut out, id, &reply);
            }
            Ok(Request {
                id,
                command: Command::Subscribe { .. },
            }) => replies::append(
                &mut out,
                id,
                &Reply::Subscribe {
                    expiry: None,
                    data: None,
                },
            ),
            Ok(Request {
                id,
                command: Command::Ping,
            }) => replies::append(&mut out, id, &Reply::Ping),
            Err(ErrorEffect::Reply { id, error }) => {
                replies::append(&mut out, id, &Reply::Error(error));
            }
            other => panic!("{other:?}"),
        }
    }
    let replies: Vec<serde_json::Value> = out
        .split(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let ids: Vec<_> = replies
        .iter()
        .map(|reply| reply["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(replies[0]["connect"]["pong"], true);
    assert!(replies[1]["subscribe"].is_object() && replies[2]["ping"].is_object());
    assert_eq!(replies[3]["error"]["code"], 104);
}

/// Checks that replies and pushes that share a message are lines of their own.
#[test]
fn replies_and_pushes_share_a_message() {
    let mut message = Vec::new();
    let codec = ClientCodec::Json;
    let code = UnsubscribeCode::Server;
    codec.append_push(
        &mut message,
        &Push::Subscribe {
            channel: "a",
            data: None,
        },
    );
    codec.append_reply(&mut message, 1, &Reply::Ping);
    codec.append_push(&mut message, &Push::Unsubscribe { channel: "a", code });
    let expected = concat!(
        r#"{"push":{"channel":"a","subscribe":{}}}"#,
        "\n",
        r#"{"id":1,"ping":{}}"#,
        "\n",
        r#"{"push":{"channel":"a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}"#,
    );
    assert_eq!(String::from_utf8(message).unwrap(), expected);
}

#[test]
fn malicious_commands_are_errors() {
    let mut parser = Parser::new();
    let long_channel = format!(
        r#"{{"id":1,"subscribe":{{"channel":"{}"}}}}"#,
        "x".repeat(64 * 1024)
    );
    let many_members = format!(r#"{{{}"id":1}}"#, r#""a":0,"#.repeat(10_000));
    let many_methods = format!(r#"{{{}"id":7}}"#, r#""ping":{},"#.repeat(5_000));
    let long_number = format!(r#"{{"id":{}}}"#, "9".repeat(60_000));
    // The id of the error reply. Without an id, the connection is closed.
    let cases: [(&[u8], Option<u32>); 9] = [
        (&vec![b'['; 64 * 1024], None),
        (&b"{\"a\":".repeat(13_000), None),
        (&vec![b'"'; 64 * 1024], None),
        (&vec![0; 64 * 1024], None),
        (&vec![b' '; 64 * 1024], None),
        (long_channel.as_bytes(), Some(1)),
        (many_members.as_bytes(), Some(1)),
        (many_methods.as_bytes(), Some(7)),
        (long_number.as_bytes(), None),
    ];
    for (line, replied) in cases {
        match parser.parse(line).expect_err("hostile").effect() {
            ErrorEffect::Reply { id, .. } => assert_eq!(replied, Some(id)),
            ErrorEffect::Disconnect(reason) => assert_eq!((replied, reason.code()), (None, 3501)),
        }
    }
    assert_eq!(
        parser.parse(&vec![b'['; 64 * 1024]),
        Err(CommandError::NotAnObject)
    );
    let deep = ["[".repeat(32 * 1024), "]".repeat(32 * 1024)].concat();
    let deep = format!(r#"{{"publish":{{"channel":"x","data":{deep}}},"id":7}}"#);
    assert_eq!(
        parser.parse(deep.as_bytes()),
        Err(CommandError::TooDeep { id: 7 })
    );
    let next = parser.parse(b"{\"id\":1,\"ping\":{}}");
    assert_eq!(
        next,
        Ok(Request {
            id: 1,
            command: Command::Ping
        })
    );
}

#[test]
fn the_seed_inputs_pass_the_fuzz_targets() {
    for (name, target) in [("commands", commands as fn(&[u8])), ("envelope", envelope)] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz/corpus")
            .join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(directory).expect("the corpus is in the repository") {
            target(&fs::read(entry.unwrap().path()).unwrap());
            inputs += 1;
        }
        assert!(inputs > 10, "{name}");
    }
}

/// Generates JSON text with whitespace, escapes and numbers that serializers do not write.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?",
        "\"([ !#-\\[\\]-~]|[\u{7f}-\u{10ffff}]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}|\\\\ud[89ab][0-9a-f]{2}){0,20}\"",
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        let item = ("[ \t\r\n]{0,3}", inner, "[ \t\r\n]{0,2}")
            .prop_map(|(before, value, after)| format!("{before}{value}{after}"));
        let member =
            ("[a-c]{0,2}", item.clone()).prop_map(|(name, value)| format!("\"{name}\":{value}"));
        prop_oneof![
            prop::collection::vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6)
                .prop_map(|items| format!("{{{}}}", items.join(","))),
        ]
    })
}

/// Generates mutations that may make JSON invalid: replaced, inserted and removed bytes, and
/// repeated pieces.
fn mutated(text: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"{}[]\",:\\ \n\t0129-+.eEutfnd\0\x0c\x1f\x7f\xc3\xff".to_vec()),
        any::<u8>(),
    ];
    let edit = (0..4_u8, any::<prop::sample::Index>(), byte);
    (text, prop::collection::vec(edit, 1..4)).prop_map(|(text, edits)| {
        let mut bytes = text.into_bytes();
        for (kind, place, byte) in edits {
            let at = place.index(bytes.len() + 1);
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.extend_from_within(at..),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

fn prefixed(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind], bytes].concat()
}

/// The expiry and the subscriptions in the reply to a connect command. The members of a
/// subscription are texts as they are written.
#[derive(Deserialize)]
struct ConnectReply {
    connect: ConnectResult,
}

#[derive(Deserialize)]
struct ConnectResult {
    ttl: Option<u32>,
    #[serde(default)]
    subs: BTreeMap<String, BTreeMap<String, Box<RawValue>>>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn json_payloads_are_accepted_if_serde_json_accepts_them(text in json_text()) {
        envelope(&prefixed(b'j', text.as_bytes()));
    }

    #[test]
    fn mutated_payloads_are_accepted_if_serde_json_accepts_them(bytes in mutated(json_text())) {
        envelope(&prefixed(b'j', &bytes));
    }

    #[test]
    fn any_bytes_are_a_publication_or_a_rejection(
        bytes in any::<Vec<u8>>(),
        kind in prop::sample::select(b"jtbmr".to_vec()),
    ) {
        envelope(&prefixed(kind, &bytes));
    }

    #[test]
    fn any_bytes_are_commands_or_errors(bytes in any::<Vec<u8>>()) {
        commands(&bytes);
    }

    #[test]
    fn any_json_in_a_command_is_parsed(text in json_text(), id in 1..=u32::MAX) {
        let text = text.replace(['\n', '\r'], " ");
        let line = format!(r#"{{"connect":{{"data":{text}}},"id":{id}}}"#);
        commands(line.as_bytes());
        let mut parser = Parser::new();
        let connect = Request { id, command: Command::Connect { token: "" } };
        prop_assert_eq!(parser.parse(line.as_bytes()), Ok(connect));
        let line = format!(r#"{{"publish":{{"data":{text},"channel":"x"}},"id":{id}}}"#);
        commands(line.as_bytes());
        let published = parser.parse(line.as_bytes());
        let command = published.map(|request| request.command);
        let is_publish = matches!(command, Ok(Command::Publish { channel: "x", .. }));
        prop_assert!(is_publish);
    }

    #[test]
    fn any_token_is_read(token in any::<String>(), channel in "[a-z:$]{1,20}", id in 1..=u32::MAX) {
        let (channel, token) = (&*channel, &*token);
        let token_member = format!(r#""token":{}"#, serde_json::to_string(token).unwrap());
        let both_members = format!(r#"{token_member},"channel":"{channel}""#);
        let cases = [
            ("connect", &token_member, Command::Connect { token }),
            ("refresh", &token_member, Command::Refresh { token }),
            ("subscribe", &both_members, Command::Subscribe { channel, token }),
            ("sub_refresh", &both_members, Command::SubRefresh { channel, token }),
        ];
        let mut parser = Parser::new();
        for (method, parameters, command) in cases {
            let line = format!(r#"{{"id":{id},"{method}":{{{parameters}}}}}"#);
            commands(line.as_bytes());
            prop_assert_eq!(parser.parse(line.as_bytes()), Ok(Request { id, command }));
        }
    }

    #[test]
    fn any_server_side_subscriptions_are_json(
        generated in prop::collection::btree_map(
            any::<String>(),
            (any::<Option<u32>>(), prop::option::of(json_text())),
            0..5,
        ),
        ttl_s in any::<Option<u32>>(),
    ) {
        let expiry = |ttl_s: Option<u32>| ttl_s.map(|ttl_s| Expiry { ttl_s });
        let subscriptions: Vec<_> = generated
            .iter()
            .map(|(topic, (ttl_s, data))| ServerSubscription {
                topic,
                expiry: expiry(*ttl_s),
                data: data.as_ref().map(String::as_bytes),
            })
            .collect();
        let reply = Reply::Connect {
            client: "c",
            version: "v",
            ping_s: 25,
            expiry: expiry(ttl_s),
            subscriptions: &subscriptions,
            data: None,
        };
        let mut out = Vec::new();
        replies::append(&mut out, 1, &reply);
        let read: ConnectReply = serde_json::from_slice(&out).expect("a reply is JSON");
        prop_assert_eq!(read.connect.ttl, ttl_s);
        prop_assert_eq!(read.connect.subs.len(), generated.len());
        for (topic, (ttl_s, data)) in generated {
            let mut members = BTreeMap::new();
            if let Some(ttl_s) = ttl_s {
                members.insert("expires".to_owned(), "true".to_owned());
                members.insert("ttl".to_owned(), ttl_s.to_string());
            }
            if let Some(data) = data {
                members.insert("data".to_owned(), data.trim().to_owned());
            }
            let read = read.connect.subs[&topic].iter();
            let read: BTreeMap<_, _> = read
                .map(|(name, value)| (name.clone(), value.get().to_owned()))
                .collect();
            prop_assert_eq!(read, members);
        }
    }

    #[test]
    fn mutated_commands_are_commands_or_errors(bytes in mutated(prop::sample::select(vec![
        r#"{"connect":{"name":"js","token":"e\u0079J.a-_"},"id":1}"#.to_owned(),
        r#"{"id":2,"subscribe":{"channel":"news:1","token":"t","flag":1,"recover":true}}"#.to_owned(),
        r#"{"id":6,"refresh":{"token":"t"}}"#.to_owned(),
        r#"{"id":7,"sub_refresh":{"channel":"news:1","token":"t","type":0}}"#.to_owned(),
        r#"{"id": 3, "publish": {"channel": "chat", "data": {"a": [1, "\u00e9"]}}}"#.to_owned(),
        "{\"id\":4,\"unsubscribe\":{\"channel\":\"a\"}}\n{}\n{\"id\":5,\"ping\":{}}".to_owned(),
    ]))) {
        commands(&bytes);
    }

    #[test]
    fn the_limit_of_depth_is_exact(depth in 1..2 * limits::JSON_DEPTH, inner in json_text()) {
        let data = format!("{}{inner}{}", "[".repeat(depth), "]".repeat(depth));
        envelope(&prefixed(b'j', data.as_bytes()));
        let data = data.replace(['\n', '\r'], " ");
        commands(format!(r#"{{"id":1,"publish":{{"channel":"x","data":{data}}}}}"#).as_bytes());
    }
}
