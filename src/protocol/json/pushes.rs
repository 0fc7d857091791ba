//! Pushes in JSON: one line carries a publication to all subscribers, or a change of a subscription
//! to one client. The ingest core makes publications once for all shards; shard cores make the
//! others.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::escape;
use crate::config::PayloadKind;
use crate::protocol::ClientInfo;
use crate::protocol::reply::{Expiry, Push};

const BEFORE_TOPIC: &[u8] = b"{\"push\":{\"channel\":";
const BEFORE_DATA: &[u8] = b",\"pub\":{\"data\":";
const AFTER_DATA: &[u8] = b"}}}";
const INFO: &[u8] = b",\"info\":{\"user\":";
const CLIENT: &[u8] = b",\"client\":";
const CONN_INFO: &[u8] = b",\"conn_info\":";
const CHAN_INFO: &[u8] = b",\"chan_info\":";
const AFTER_INFO: &[u8] = b"}";

/// Appends the push of a publication.
///
/// The caller has checked the payload: JSON without line ends is embedded unchanged, UTF-8 text
/// becomes a JSON string, and bytes become a padded base64 string (RFC 4648, section 4). `info` is
/// the client that has sent the publication.
pub fn publication(
    out: &mut Vec<u8>,
    topic: &str,
    payload: &[u8],
    kind: PayloadKind,
    info: Option<&ClientInfo>,
) {
    out.reserve(publication_len_hint(topic, payload, kind, info));
    out.extend_from_slice(BEFORE_TOPIC);
    escape::string(out, topic);
    out.extend_from_slice(BEFORE_DATA);
    match kind {
        PayloadKind::Json => out.extend_from_slice(payload),
        // Lossless, because ingest has checked that a text payload is UTF-8.
        PayloadKind::Text => escape::string(out, &String::from_utf8_lossy(payload)),
        PayloadKind::Binary => base64(out, payload),
    }
    if let Some(info) = info {
        client_info(out, info);
    }
    out.extend_from_slice(AFTER_DATA);
}

fn client_info(out: &mut Vec<u8>, info: &ClientInfo) {
    out.extend_from_slice(INFO);
    escape::string(out, &info.user);
    out.extend_from_slice(CLIENT);
    escape::string(out, &info.client);
    for (name, value) in [(CONN_INFO, &info.conn_info), (CHAN_INFO, &info.chan_info)] {
        if let Some(value) = value {
            out.extend_from_slice(name);
            out.extend_from_slice(value);
        }
    }
    out.extend_from_slice(AFTER_INFO);
}

/// Returns the number of bytes that [`publication`] appends. The number is exact unless the topic,
/// a text or the user contains characters to escape.
pub fn publication_len_hint(
    topic: &str,
    payload: &[u8],
    kind: PayloadKind,
    info: Option<&ClientInfo>,
) -> usize {
    let data = match kind {
        PayloadKind::Json => payload.len(),
        PayloadKind::Text => payload.len() + 2,
        PayloadKind::Binary => payload.len().div_ceil(3) * 4 + 2,
    };
    let around = BEFORE_TOPIC.len() + BEFORE_DATA.len() + AFTER_DATA.len();
    around + topic.len() + 2 + data + info.map_or(0, client_info_len_hint)
}

fn client_info_len_hint(info: &ClientInfo) -> usize {
    let optional = [(CONN_INFO, &info.conn_info), (CHAN_INFO, &info.chan_info)];
    let names = optional.iter().filter(|(_, value)| value.is_some());
    let names: usize = names.map(|(name, _)| name.len()).sum();
    INFO.len() + 2 + CLIENT.len() + 2 + names + AFTER_INFO.len() + info.bytes()
}

/// Appends a push to one connection.
pub fn append(out: &mut Vec<u8>, push: &Push<'_>) {
    match *push {
        Push::Subscribe { channel, data } => {
            out.extend_from_slice(BEFORE_TOPIC);
            escape::string(out, channel);
            out.extend_from_slice(b",\"subscribe\":{");
            if let Some(data) = data {
                out.extend_from_slice(b"\"data\":");
                out.extend_from_slice(data);
            }
            out.extend_from_slice(b"}}}");
        }
        Push::Unsubscribe { channel, code } => {
            out.extend_from_slice(BEFORE_TOPIC);
            escape::string(out, channel);
            let (code, reason) = (code.code(), code.reason());
            write(
                out,
                format_args!(",\"unsubscribe\":{{\"code\":{code},\"reason\":\"{reason}\"}}}}}}"),
            );
        }
        Push::Refresh {
            expiry: Some(Expiry { ttl_s }),
        } => write(
            out,
            format_args!("{{\"push\":{{\"refresh\":{{\"expires\":true,\"ttl\":{ttl_s}}}}}}}"),
        ),
        Push::Refresh { expiry: None } => out.extend_from_slice(b"{\"push\":{\"refresh\":{}}}"),
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    STANDARD
        .encode_slice(bytes, &mut out[start..])
        .expect("sized for padded base64");
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::codes::UnsubscribeCode;

    fn push(topic: &str, payload: &[u8], kind: PayloadKind) -> String {
        let mut out = Vec::new();
        publication(&mut out, topic, payload, kind, None);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn kinds() {
        let cases = [
            (
                PayloadKind::Json,
                br#"{"a": [1,2]}"#.as_slice(),
                r#"{"a": [1,2]}"#,
            ),
            (PayloadKind::Json, b"null", "null"),
            (PayloadKind::Text, b"line\n\"two\"", r#""line\n\"two\"""#),
            (PayloadKind::Text, b"", r#""""#),
            (PayloadKind::Binary, b"\x00\xff\n", r#""AP8K""#),
            (PayloadKind::Binary, b"\xff", r#""/w==""#),
            (PayloadKind::Binary, b"", r#""""#),
        ];
        for (kind, payload, data) in cases {
            let expected = format!(r#"{{"push":{{"channel":"news:1","pub":{{"data":{data}}}}}}}"#);
            assert_eq!(push("news:1", payload, kind), expected);
        }
    }

    #[test]
    fn topics_are_escaped() {
        assert_eq!(
            push(r#"a"b\c"#, b"1", PayloadKind::Json),
            r#"{"push":{"channel":"a\"b\\c","pub":{"data":1}}}"#
        );
    }

    #[test]
    fn a_publication_names_the_client_that_has_sent_it() {
        let line = |info: &ClientInfo| {
            let mut out = Vec::new();
            publication(&mut out, "a", b"1", PayloadKind::Json, Some(info));
            (
                publication_len_hint("a", b"1", PayloadKind::Json, Some(info)),
                String::from_utf8(out).unwrap(),
            )
        };
        let anonymous = ClientInfo {
            user: "".into(),
            client: "9f3c".into(),
            conn_info: None,
            chan_info: None,
        };
        let pushed =
            r#"{"push":{"channel":"a","pub":{"data":1,"info":{"user":"","client":"9f3c"}}}}"#;
        assert_eq!(line(&anonymous), (pushed.len(), pushed.into()));
        let full = ClientInfo {
            user: "ann".into(),
            conn_info: Some((*b"{\"n\":1}").into()),
            chan_info: Some((*b"[2]").into()),
            ..anonymous
        };
        let pushed = concat!(
            r#"{"push":{"channel":"a","pub":{"data":1,"info":{"user":"ann","client":"9f3c","#,
            r#""conn_info":{"n":1},"chan_info":[2]}}}}"#
        );
        assert_eq!(line(&full), (pushed.len(), pushed.into()));
        let hostile = ClientInfo {
            user: "\"}\n\u{0}".into(),
            ..full
        };
        let value: Value = serde_json::from_str(&line(&hostile).1).unwrap();
        assert_eq!(value["push"]["pub"]["info"]["user"], "\"}\n\u{0}");
    }

    #[test]
    fn changes_of_subscriptions() {
        let line = |push: &Push<'_>| {
            let mut out = Vec::new();
            append(&mut out, push);
            String::from_utf8(out).unwrap()
        };
        let subscribe = |data| {
            line(&Push::Subscribe {
                channel: "a\"b",
                data,
            })
        };
        assert_eq!(
            subscribe(None),
            r#"{"push":{"channel":"a\"b","subscribe":{}}}"#
        );
        assert_eq!(
            subscribe(Some(b"[1]")),
            r#"{"push":{"channel":"a\"b","subscribe":{"data":[1]}}}"#
        );
        let refresh = |expiry| line(&Push::Refresh { expiry });
        assert_eq!(
            refresh(Some(Expiry { ttl_s: 60 })),
            r#"{"push":{"refresh":{"expires":true,"ttl":60}}}"#
        );
        assert_eq!(refresh(None), r#"{"push":{"refresh":{}}}"#);
        for code in UnsubscribeCode::ALL {
            let unsubscribe = json!({"code": code.code(), "reason": code.reason()});
            let expected = json!({"push": {"channel": "a\"b", "unsubscribe": unsubscribe}});
            let push = Push::Unsubscribe {
                channel: "a\"b",
                code,
            };
            assert_eq!(
                serde_json::from_str::<Value>(&line(&push)).unwrap(),
                expected
            );
        }
        let expired = Push::Unsubscribe {
            channel: "news",
            code: UnsubscribeCode::Expired,
        };
        assert_eq!(
            line(&expired),
            r#"{"push":{"channel":"news","unsubscribe":{"code":2501,"reason":"subscription expired"}}}"#
        );
    }

    proptest! {
        #[test]
        fn text_and_bytes_come_back(
            topic in "\\PC{1,40}",
            text in any::<String>(),
            bytes in any::<Vec<u8>>(),
        ) {
            let pushed = push(&topic, text.as_bytes(), PayloadKind::Text);
            let value: Value = serde_json::from_str(&pushed).unwrap();
            prop_assert_eq!(value, json!({"push": {"channel": topic, "pub": {"data": text}}}));
            let pushed = push(&topic, &bytes, PayloadKind::Binary);
            let value: Value = serde_json::from_str(&pushed).unwrap();
            let data = value["push"]["pub"]["data"].as_str().unwrap();
            prop_assert_eq!(STANDARD.decode(data).unwrap(), bytes);
        }

        #[test]
        fn the_hint_is_exact_without_escapes(topic in "[a-z:]{1,40}", text in "[a-zé ]{0,90}") {
            for kind in [PayloadKind::Json, PayloadKind::Text, PayloadKind::Binary] {
                let hint = publication_len_hint(&topic, text.as_bytes(), kind, None);
                prop_assert_eq!(push(&topic, text.as_bytes(), kind).len(), hint);
            }
        }
    }
}
