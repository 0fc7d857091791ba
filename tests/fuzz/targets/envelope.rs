//! Any bytes as a publisher's message: there is no panic, a JSON payload is accepted exactly if it
//! is well-formed for `serde_json`, and every accepted payload can be embedded in a push.
//!
//! The first byte selects the kind of the rest: `t` a text payload, `b` a binary one, `m` parts
//! joined by `|`, `r` a router's frames joined by `|`, anything else a JSON payload.
#![allow(unreachable_pub, reason = "each runner includes this file as a module")]

use fanfare::config::{Config, Namespace, PayloadKind};
use fanfare::fabric::Rejection;
use fanfare::ingest::envelope::{Checker, Publication, split_router};
use fanfare::limits;
use fanfare::protocol::json::pushes;
use serde::Deserialize;
use serde_json::value::RawValue;

const MAX_PAYLOAD: usize = 64 * 1024;

/// Checks one input.
pub fn envelope(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let frames: Vec<&[u8]> = rest.split(|byte| *byte == b'|').collect();
    match first {
        b't' => payload("text:x", rest, PayloadKind::Text),
        b'b' => payload("binary:x", rest, PayloadKind::Binary),
        b'm' => parts(&frames),
        b'r' => {
            let routed = split_router(&frames);
            match routed.parts {
                Ok(inner) => {
                    assert_eq!([routed.route, inner].concat(), frames);
                    parts(inner);
                }
                Err(rejection) => assert_eq!(rejection, Rejection::NoDelimiter),
            }
        }
        _ => payload("x", rest, PayloadKind::Json),
    }
}

fn checker() -> Checker {
    let kinds = [("text", PayloadKind::Text), ("binary", PayloadKind::Binary)];
    let mut config = Config::default();
    let default = config.namespaces[0].clone();
    config
        .namespaces
        .extend(kinds.map(|(name, payload)| Namespace {
            name: name.into(),
            payload,
            ..default.clone()
        }));
    config.ingest.max_payload = MAX_PAYLOAD;
    Checker::new(&config)
}

fn parts(parts: &[&[u8]]) {
    let mut checker = checker();
    match checker.check(parts) {
        Ok(publication) => embed(&publication),
        Err(rejection) => assert!(Rejection::ALL.contains(&rejection)),
    }
}

fn payload(topic: &str, payload: &[u8], kind: PayloadKind) {
    let well_formed = match kind {
        PayloadKind::Json => {
            let raw = serde_json::from_slice::<&RawValue>(payload);
            raw.is_ok_and(|raw| depth(raw.get()) <= limits::JSON_DEPTH)
        }
        PayloadKind::Text => str::from_utf8(payload).is_ok(),
        PayloadKind::Binary => true,
    };
    let mut checker = checker();
    let parts = [topic.as_bytes(), payload];
    let result = checker.check(&parts);
    assert_eq!(
        result.is_ok(),
        well_formed && payload.len() <= MAX_PAYLOAD,
        "{result:?}"
    );
    if let Ok(publication) = result {
        assert_eq!(
            (publication.topic, publication.rules.payload_kind),
            (topic, kind)
        );
        assert_eq!(publication.payload.len(), payload.len());
        embed(&publication);
    }
}

/// Checks that the push of a publication is one line of JSON with the payload of the publisher.
fn embed(publication: &Publication<'_>) {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        push: Push<'a>,
    }
    #[derive(Deserialize)]
    struct Push<'a> {
        channel: String,
        #[serde(rename = "pub", borrow)]
        publication: Data<'a>,
    }
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let Publication {
        topic,
        payload,
        rules,
        ..
    } = publication;
    let mut out = Vec::new();
    pushes::publication(&mut out, topic, payload, rules.payload_kind, None);
    assert!(!out.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
    let line: Line<'_> = serde_json::from_slice(&out).expect("a push is JSON");
    assert_eq!(line.push.channel, *topic);
    let data = line.push.publication.data.get();
    match rules.payload_kind {
        PayloadKind::Json => assert_eq!(data.as_bytes(), payload.trim_ascii()),
        PayloadKind::Text => {
            let text: String = serde_json::from_str(data).expect("a string");
            assert_eq!(text.as_bytes(), payload.as_ref());
        }
        PayloadKind::Binary => {
            let text: &str = serde_json::from_str(data).expect("a string without escapes");
            assert_eq!(text.len(), payload.len().div_ceil(3) * 4);
        }
    }
}

/// Returns the depth of nesting of well-formed JSON.
pub fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
