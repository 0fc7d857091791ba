//! Commands, line by line: what each one becomes, or which fault it has.

use super::*;
use crate::limits;
use crate::protocol::codes::{ClientError, Disconnect};
use crate::protocol::command::ErrorEffect;
use crate::protocol::topic::TopicError;

/// Returns the id and the command of one line, or its error.
fn parse(line: &str) -> Result<(u32, String), CommandError> {
    let mut parser = Parser::new();
    let request = parser.parse(line.as_bytes())?;
    let command = match request.command {
        Command::Publish {
            channel,
            data: PublishData::Json(data),
        } => format!("publish {channel} {}", String::from_utf8(data).unwrap()),
        Command::Subscribe { channel, token: "" } => format!("subscribe {channel}"),
        Command::Unsubscribe { channel } => format!("unsubscribe {channel}"),
        other => format!("{other:?}"),
    };
    Ok((request.id, command))
}

/// The outcome of a good line.
macro_rules! ok {
    ($id:expr, $command:expr) => {
        Ok(($id, $command.to_string()))
    };
}

#[test]
fn methods() {
    let cases = [
        (
            r#"{"id":1,"connect":{}}"#,
            ok!(1, r#"Connect { token: "" }"#),
        ),
        (
            r#"{"connect":{"token":"x","data":{"a":[1]},"subs":{"a":{}}},"id":2}"#,
            ok!(2, r#"Connect { token: "x" }"#),
        ),
        (
            r#"{"id":3,"subscribe":{"channel":"news:1"}}"#,
            ok!(3, "subscribe news:1"),
        ),
        (
            r#"{"id":4,"unsubscribe":{"channel":"news:1"}}"#,
            ok!(4, "unsubscribe news:1"),
        ),
        (
            r#"{"id":5,"publish":{"channel":"a","data":{"b": [1, "c d"]}}}"#,
            ok!(5, r#"publish a {"b":[1,"c d"]}"#),
        ),
        (r#"{"id":6,"ping":{}}"#, ok!(6, "Ping")),
        (r#"{"id":7,"rpc":{"method":"x"}}"#, ok!(7, "Rpc")),
        (
            r#"{"id":7,"history":{"channel":"x"}}"#,
            ok!(7, r#"Unsupported("history")"#),
        ),
        (
            r#"{"id":7,"presence":{"channel":"x"}}"#,
            ok!(7, r#"Unsupported("presence")"#),
        ),
        (
            r#"{"id":7,"presence_stats":{}}"#,
            ok!(7, r#"Unsupported("presence_stats")"#),
        ),
        (
            r#"{"id":7,"refresh":{"token":"x"}}"#,
            ok!(7, r#"Refresh { token: "x" }"#),
        ),
        (
            r#"{"id":7,"sub_refresh":{"channel":"a","token":"x"}}"#,
            ok!(7, r#"SubRefresh { channel: "a", token: "x" }"#),
        ),
        (r#"{"send":{"data":1}}"#, ok!(0, "Send")),
        (r#"{"id":8,"send":{"data":1}}"#, ok!(8, "Send")),
        ("{}", ok!(0, "Pong")),
        (" {}\r", ok!(0, "Pong")),
        ("{ }", ok!(0, "Pong")),
        (r#"{"id":0}"#, ok!(0, "Pong")),
        (r#"{"id":4294967295,"ping":{}}"#, ok!(u32::MAX, "Ping")),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line), expected, "{line}");
    }
}

#[test]
fn tokens() {
    let cases = [
        (
            r#"{"id":1,"connect":{"token":""}}"#,
            ok!(1, r#"Connect { token: "" }"#),
        ),
        (
            r#"{"id":1,"connect":{"name":"js","token":"e\u0079J.x","version":"5"}}"#,
            ok!(1, r#"Connect { token: "eyJ.x" }"#),
        ),
        (
            r#"{"id":1,"connect":{"token":null}}"#,
            ok!(1, r#"Connect { token: "" }"#),
        ),
        // A token in an object or an array is not the token of the command.
        (
            r#"{"id":1,"connect":{"data":{"token":"a"},"later":["token","b"]}}"#,
            ok!(1, r#"Connect { token: "" }"#),
        ),
        (
            r#"{"id":1,"subscribe":{"channel":"token","token":"x"}}"#,
            ok!(1, r#"Subscribe { channel: "token", token: "x" }"#),
        ),
        (
            r#"{"id":1,"refresh":{}}"#,
            ok!(1, r#"Refresh { token: "" }"#),
        ),
        (
            r#"{"id":1,"sub_refresh":{"channel":"a"}}"#,
            ok!(1, r#"SubRefresh { channel: "a", token: "" }"#),
        ),
        (
            r#"{"id":1,"sub_refresh":{"channel":"a","token":"x","type":0}}"#,
            ok!(1, r#"SubRefresh { channel: "a", token: "x" }"#),
        ),
        // Commands without a token ignore a member with this name.
        (
            r#"{"id":1,"unsubscribe":{"channel":"a","token":1}}"#,
            ok!(1, "unsubscribe a"),
        ),
        (
            r#"{"id":1,"publish":{"channel":"a","token":1,"data":2}}"#,
            ok!(1, "publish a 2"),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line), expected, "{line}");
    }
}

#[test]
fn unknown_members_and_nulls_are_ignored() {
    let cases = [
        (
            r#"{"id":1,"connect":null,"ping":{},"later":[{}]}"#,
            ok!(1, "Ping"),
        ),
        (
            r#"{"id":1,"subscribe":{"later":{"a":[1,{"b":2}]},"channel":"x","tf":null}}"#,
            ok!(1, "subscribe x"),
        ),
        (
            r#"{"id":1,"subscribe":{"channel":"x","type":0,"flag":3,"recover":true,"epoch":"e"}}"#,
            ok!(1, "subscribe x"),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line), expected, "{line}");
    }
}

#[test]
fn features_that_a_client_would_rely_on_are_unsupported() {
    let cases = [
        (
            r#"{"id":1,"subscribe":{"channel":"x","type":4}}"#,
            "channel_type",
        ),
        (
            r#"{"id":1,"subscribe":{"channel":"x","tf":{"key":"a"}}}"#,
            "tags_filter",
        ),
        (
            r#"{"id":1,"publish":{"channel":"x","type":1,"key":"k","removed":true}}"#,
            "channel_type",
        ),
        (
            r#"{"id":1,"sub_refresh":{"channel":"x","type":1,"track":[]}}"#,
            "sub_refresh_type",
        ),
    ];
    for (line, name) in cases {
        assert_eq!(
            parse(line),
            ok!(1, &format!("Unsupported({name:?})")),
            "{line}"
        );
    }
}

#[test]
fn faults() {
    use CommandError as F;
    let cases = [
        ("", F::NotJson),
        ("{", F::NotJson),
        ("hello", F::NotJson),
        ("{}{}", F::NotJson),
        ("\x0c{}", F::NotJson),
        (r#"{"id":1,"ping":{}} x"#, F::NotJson),
        (r#"{"id":01,"ping":{}}"#, F::NotJson),
        (r#"{"id":1,"ping":{},}"#, F::NotJson),
        ("[]", F::NotAnObject),
        ("1", F::NotAnObject),
        ("null", F::NotAnObject),
        (r#""{}""#, F::NotAnObject),
        (r#"[{"id":1,"ping":{}}]"#, F::NotAnObject),
        (r#"{"connect":{}}"#, F::IdMissing),
        (r#"{"id":0,"connect":{}}"#, F::IdMissing),
        (r#"{"later":{}}"#, F::IdMissing),
        (r#"{"send":{},"connect":{}}"#, F::IdMissing),
        (r#"{"id":-1,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":-0,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":1.0,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":1e0,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":"1","ping":{}}"#, F::IdInvalid),
        (r#"{"id":null,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":[1],"ping":{}}"#, F::IdInvalid),
        (r#"{"id":4294967296,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":18446744073709551615,"ping":{}}"#, F::IdInvalid),
        (r#"{"id":1,"ping":{},"id":1}"#, F::IdInvalid),
        (r#"{"id":1}"#, F::NoMethod),
        (r#"{"id":1,"connect":null}"#, F::NoMethod),
        (
            r#"{"id":2,"method":1,"params":{}}"#,
            F::UnknownMethod { id: 2 },
        ),
        (r#"{"id":2,"Connect":{}}"#, F::UnknownMethod { id: 2 }),
        (
            r#"{"id":3,"ping":{},"connect":{}}"#,
            F::SeveralMethods { id: 3 },
        ),
        (
            r#"{"id":3,"send":{},"connect":{}}"#,
            F::SeveralMethods { id: 3 },
        ),
        (
            r#"{"ping":{},"id":3,"ping":{}}"#,
            F::SeveralMethods { id: 3 },
        ),
    ];
    for (line, fault) in cases {
        assert_eq!(parse(line), Err(fault), "{line}");
    }
}

#[test]
fn bad_parameters() {
    let bad = [
        r#"{"id":4,"connect":1}"#,
        r#"{"id":4,"connect":[]}"#,
        r#"{"id":4,"connect":{"token":1}}"#,
        r#"{"id":4,"connect":{"token":["x"]}}"#,
        r#"{"id":4,"connect":{"token":{}}}"#,
        r#"{"id":4,"connect":{"token":"x","token":"x"}}"#,
        r#"{"id":4,"refresh":"x"}"#,
        r#"{"id":4,"refresh":{"token":true}}"#,
        r#"{"id":4,"subscribe":{"channel":"x","token":1}}"#,
        r#"{"id":4,"sub_refresh":{}}"#,
        r#"{"id":4,"sub_refresh":{"token":"x"}}"#,
        r#"{"id":4,"sub_refresh":{"channel":"x","token":[]}}"#,
        r#"{"id":4,"subscribe":{}}"#,
        r#"{"id":4,"subscribe":"x"}"#,
        r#"{"id":4,"subscribe":{"channel":1}}"#,
        r#"{"id":4,"subscribe":{"channel":null}}"#,
        r#"{"id":4,"subscribe":{"channel":["x"]}}"#,
        r#"{"id":4,"subscribe":{"channel":"x","channel":"y"}}"#,
        r#"{"id":4,"unsubscribe":{"chanel":"x"}}"#,
        r#"{"id":4,"publish":{"data":1}}"#,
        r#"{"id":4,"publish":{"channel":"x"}}"#,
        r#"{"id":4,"publish":{"channel":"x","data":1,"data":2}}"#,
    ];
    for line in bad {
        assert_eq!(
            parse(line),
            Err(CommandError::BadParameters { id: 4 }),
            "{line}"
        );
    }
}

#[test]
fn channels() {
    let subscribe = |channel: &str| {
        parse(&format!(
            r#"{{"id":5,"subscribe":{{"channel":"{channel}"}}}}"#
        ))
    };
    for (written, channel) in [
        (r"caf\u00e9", "café"),
        (r"\ud83c\udfba", "🎺"),
        (r#"a\"b\\c\/"#, r#"a"b\c/"#),
        ("🎺", "🎺"),
        (&"x".repeat(255), &"x".repeat(255)),
    ] {
        assert_eq!(subscribe(written), ok!(5, &format!("subscribe {channel}")));
    }
    for (written, fault) in [
        ("", TopicError::Empty),
        (&"x".repeat(256), TopicError::TooLong),
        (r"a\u0000b", TopicError::Control),
        (r"a\n", TopicError::Control),
    ] {
        assert_eq!(
            subscribe(written),
            Err(CommandError::BadChannel { id: 5, fault })
        );
    }
    // A raw control character, even NUL, is no JSON.
    assert_eq!(subscribe("a\0b"), Err(CommandError::NotJson));
}

#[test]
fn data_keeps_its_text() {
    let publish = |data: &str| {
        parse(&format!(
            r#"{{"id":6,"publish":{{"data":{data},"channel":"x"}}}}"#
        ))
    };
    for data in [
        "null",
        "1.10",
        "1e400",
        "18446744073709551616",
        r#""\ud83c""#,
        r#""\u00e9\/""#,
        "[]",
        r#"{"a":1,"a":2}"#,
    ] {
        assert_eq!(
            publish(data),
            ok!(6, &format!("publish x {data}")),
            "{data}"
        );
    }
    assert_eq!(
        publish("[ 1 ,\r\t{ \"a b\" : 2 } ]"),
        ok!(6, r#"publish x [1,{"a b":2}]"#)
    );
    let escaped = r#"{"id":6,"\u0070ublish":{"d\u0061ta":1,"channel":"x"}}"#;
    assert_eq!(parse(escaped), ok!(6, "publish x 1"));
}

#[test]
fn data_is_as_deep_as_a_payload_may_be() {
    let deepest = limits::JSON_DEPTH;
    let arrays = |depth, inner: &str| ["[".repeat(depth), inner.into(), "]".repeat(depth)].concat();
    let objects = |depth: usize, inner: &str| {
        let inner = if inner.is_empty() { "0" } else { inner };
        ["{\"a\":".repeat(depth), inner.into(), "}".repeat(depth)].concat()
    };
    // Texts that simd-json refuses are read by another parser.
    for inner in ["", "1", "1e999", r#""\ud800""#] {
        for depth in deepest - 1..=deepest + 1 {
            for data in [arrays(depth, inner), objects(depth, inner)] {
                let expected = if depth > deepest {
                    Err(CommandError::TooDeep { id: 7 })
                } else {
                    ok!(7, &format!("publish x {data}"))
                };
                let line = format!(r#"{{"publish":{{"channel":"x","data":{data}}},"id":7}}"#);
                assert_eq!(parse(&line), expected, "{line}");
                // Data that is not published may be as deep.
                let line = format!(r#"{{"id":7,"connect":{{"data":{data}}}}}"#);
                assert_eq!(parse(&line).is_ok(), expected.is_ok(), "{line}");
            }
        }
    }
}

#[test]
fn a_command_that_is_nested_too_deep_needs_an_id_for_its_reply() {
    use CommandError as F;
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    let cases = [
        (
            r#"{"id":1,"publish":{"channel":"x","data":DEEP}}"#,
            F::TooDeep { id: 1 },
        ),
        (
            r#"{"publish":{"channel":"x","data":DEEP}, "id" : 4294967295 }"#,
            F::TooDeep { id: u32::MAX },
        ),
        (r#"{"later":DEEP,"ping":{},"id":2}"#, F::TooDeep { id: 2 }),
        (
            r#"{"a":"\ud800","b":1e999,"later":DEEP,"id":3}"#,
            F::TooDeep { id: 3 },
        ),
        (r#"{"send":{"data":DEEP}}"#, F::IdMissing),
        (r#"{"id":0,"ping":DEEP}"#, F::IdMissing),
        (r#"{"id":-1,"ping":DEEP}"#, F::IdInvalid),
        (r#"{"id":1,"ping":DEEP,"id":1}"#, F::IdInvalid),
        (r#"{"id":DEEP}"#, F::IdInvalid),
        ("DEEP", F::NotAnObject),
        (" [7,DEEP]", F::NotAnObject),
        (r#"{"id":1,"ping":DEEP"#, F::NotJson),
        (r#"{"id":1,"ping":DEEP]}"#, F::NotJson),
        (r#"{"id":1,"ping":DEEP} x"#, F::NotJson),
    ];
    for (line, fault) in cases {
        assert_eq!(parse(&line.replace("DEEP", &deep)), Err(fault), "{line}");
    }
}

#[test]
fn a_cut_emoji_elsewhere_does_not_disconnect() {
    let line = r#"{"id":1,"connect":{"data":{"text":"\ud83c","big":36893488147419103232}}}"#;
    assert_eq!(parse(line), ok!(1, r#"Connect { token: "" }"#));
}

#[test]
fn outcomes() {
    let disconnect = ErrorEffect::Disconnect(Disconnect::BadRequest);
    let reply = |error| ErrorEffect::Reply { id: 9, error };
    let cases = [
        (CommandError::NotJson, disconnect),
        (CommandError::NotAnObject, disconnect),
        (CommandError::IdMissing, disconnect),
        (CommandError::IdInvalid, disconnect),
        (CommandError::NoMethod, disconnect),
        (
            CommandError::UnknownMethod { id: 9 },
            reply(ClientError::MethodNotFound),
        ),
        (
            CommandError::SeveralMethods { id: 9 },
            reply(ClientError::BadRequest),
        ),
        (
            CommandError::BadParameters { id: 9 },
            reply(ClientError::BadRequest),
        ),
        (
            CommandError::TooDeep { id: 9 },
            reply(ClientError::BadRequest),
        ),
        (
            CommandError::BadChannel {
                id: 9,
                fault: TopicError::Control,
            },
            reply(ClientError::BadRequest),
        ),
    ];
    for (fault, outcome) in cases {
        assert_eq!(fault.effect(), outcome);
    }
}

#[test]
fn lines_skip_empty_ones() {
    let split = |message: &'static [u8]| lines(message).collect::<Vec<_>>();
    assert_eq!(split(b"{}\n{\"id\":1}\n"), [&b"{}"[..], b"{\"id\":1}"]);
    assert_eq!(split(b"\n\n{}\r\n \n"), [b"{}\r"]);
    assert_eq!(split(b"\x0c"), [b"\x0c"]);
    assert_eq!(split(b""), [[0_u8; 0]; 0]);
}

#[test]
fn one_parser_takes_many_lines() {
    let mut parser = Parser::new();
    for id in 1..1000 {
        let line = format!(r#"{{"id":{id},"subscribe":{{"channel":"\u0061{id}"}}}}"#);
        let channel = format!("a{id}");
        let request = parser.parse(line.as_bytes()).unwrap();
        assert_eq!(
            request,
            Request {
                id,
                command: Command::Subscribe {
                    channel: &channel,
                    token: ""
                }
            }
        );
        assert_eq!(parser.parse(b"[").unwrap_err(), CommandError::NotJson);
    }
}
