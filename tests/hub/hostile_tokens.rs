//! Hostile tokens at every place where a client can send one. Each ends with the code that
//! docs/ACCESS.md names for the place, and nothing of it stays in the hub or reaches a report.

use std::fmt::Write as _;
use std::time::Duration;

use fanfare::config::{Config, PublicKey};
use fanfare::hub::ConnectionId;
use fanfare::limits::{REQUEST_TARGET_BYTES, TOKEN_BYTES};
use serde_json::{Value, json};

use crate::harness::{HubHarness, SECOND_US};
use crate::token_tricks::{ANN, ECDSA_PUBLIC_KEY, HS256, Hostile, all, claims_with, signed};
use crate::tokens::{self, NOW_S, SECRET, token};
use crate::upstream::config;
use crate::wire::ServerFrame;

/// Returns a hub with an HMAC secret and an ECDSA key.
fn harness() -> HubHarness {
    let mut config: Config = config();
    tokens::demand(&mut config);
    config.auth.token.ecdsa_public_key = Some(PublicKey::ecdsa(ECDSA_PUBLIC_KEY).unwrap());
    config.ws.ping = Duration::from_secs(3_600);
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    harness
}

/// Sends a command and runs turns until it is not parked. Returns the code of the error or of the
/// close, or 0.
fn code_of(harness: &mut HubHarness, id: ConnectionId, command: &Value) -> u64 {
    harness.send_text(id, &command.to_string());
    let _ = harness.hub.resume_parked(harness.now_us);
    match &harness.read_frames(id)[..] {
        [ServerFrame::Close(code)] => code.expect("a code").into(),
        [ServerFrame::Text(text)] => {
            let reply: Value = serde_json::from_str(text).unwrap();
            reply["error"]["code"].as_u64().unwrap_or(0)
        }
        frames => panic!("{frames:?}"),
    }
}

/// Connects user `ann`, with a subscription to each topic.
fn connect(harness: &mut HubHarness, topics: &[&str]) -> ConnectionId {
    let id = harness.open_websocket("/connection/websocket");
    let claims = json!({"sub": "ann", "channels": topics, "exp": NOW_S + 3_600});
    let command = json!({"id": 1, "connect": {"token": token(&claims)}});
    assert_eq!(code_of(harness, id, &command), 0);
    id
}

/// Returns the target of a raw connection with this token in the query.
fn raw_target(token: &str) -> String {
    let mut target = "/raw?topic=a&token=".to_owned();
    for byte in token.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                target.push(byte.into());
            }
            _ => write!(target, "%{byte:02x}").unwrap(),
        }
    }
    target
}

/// Returns the code of each place: connect, subscribe, refresh, `sub_refresh` and `/raw`.
fn codes(harness: &mut HubHarness, hostile: &Hostile) -> [u64; 5] {
    let (token, subscription) = (&hostile.connection, &hostile.subscription);
    let fresh = harness.open_websocket("/connection/websocket");
    let subscribing = connect(harness, &[]);
    let [refreshing, renewing] = [(); 2].map(|()| connect(harness, &["a"]));
    let connect = json!({"id": 1, "connect": {"token": token}});
    let subscribe = json!({"id": 2, "subscribe": {"channel": "a", "token": subscription}});
    let refresh = json!({"id": 2, "refresh": {"token": token}});
    let renew = json!({"id": 2, "sub_refresh": {"channel": "a", "token": subscription}});
    // A target is shorter than the longest token, and a header cannot have every character.
    let is_long = token.len() > REQUEST_TARGET_BYTES / 2;
    let (_, raw) = if is_long {
        let header = format!("Authorization: Bearer {token}\r\n");
        harness.request_upgrade_with("/raw?topic=a", &header)
    } else {
        harness.request_upgrade(&raw_target(token))
    };
    [
        code_of(harness, fresh, &connect),
        code_of(harness, subscribing, &subscribe),
        code_of(harness, refreshing, &refresh),
        code_of(harness, renewing, &renew),
        raw.into(),
    ]
}

/// Returns the status of `/raw` for a token that ends with `status` if the head can contain it.
fn raw_status(token: &str, status: u64) -> u64 {
    if token.len() > TOKEN_BYTES {
        431
    } else {
        status
    }
}

#[test]
fn a_good_token_is_accepted_at_every_place() {
    let good = Hostile::new("good", ANN, |claims| {
        signed(SECRET, HS256, claims.as_bytes())
    });
    let mut harness = harness();
    let codes = codes(&mut harness, &good);
    // The namespace does not allow the topic, and the token does not list it.
    assert_eq!(codes, [0, 0, 0, 0, 403]);
}

#[test]
fn every_hostile_token_ends_with_the_code_of_its_place() {
    for hostile in all() {
        let (name, token) = (&hostile.name, &hostile.connection);
        let mut harness = harness();
        let before = harness.counts().tokens_invalid;
        let expected = [3500, 103, 3500, 3500, raw_status(token, 401)];
        assert_eq!(codes(&mut harness, &hostile), expected, "{name}");
        let invalid = harness.counts().tokens_invalid - before;
        assert!((4..=5).contains(&invalid), "{name}: {invalid} are counted");
        while let Some(report) = harness.hub.poll_refused_handshake() {
            for part in token.split('.').filter(|part| part.len() > 8) {
                assert!(!report.text.contains(part), "{name}: {}", report.text);
            }
        }
        // One connection is left: its subscribe command was answered with an error.
        harness.advance_clock(60 * SECOND_US);
        let counts = harness.counts();
        let left = (counts.connections, counts.subscriptions, counts.parked);
        assert_eq!(left, (1, 0, 0), "{name}");
    }
}

#[test]
fn every_expired_token_ends_with_the_code_of_its_place() {
    for (member, error) in [
        (format!(r#""exp":{NOW_S}"#), 109),
        (r#""exp":0"#.to_owned(), 109),
        (r#""exp":0.5"#.to_owned(), 109),
        (r#""exp":1e3"#.to_owned(), 109),
        (format!(r#""nbf":{}"#, NOW_S + 1), 109),
        (r#""nbf":9007199254740992"#.to_owned(), 109),
        (format!(r#""exp":{NOW_S},"expire_at":0"#), 109),
        // The token is valid, but what it grants has expired.
        (format!(r#""expire_at":{NOW_S}"#), 110),
    ] {
        let claims = claims_with(&member);
        let expired = Hostile::new(&member, &claims, |claims| {
            signed(SECRET, HS256, claims.as_bytes())
        });
        let mut harness = harness();
        let id = connect(&mut harness, &["a"]);
        // The subscription ends with a push, and the reply follows.
        let command = json!({"channel": "a", "token": expired.subscription});
        harness.send_text(id, &json!({"id": 2, "sub_refresh": command}).to_string());
        let texts = harness.read_texts(id).join("\n");
        assert!(texts.contains(r#""code":2501"#), "{member}: {texts}");
        let command = json!({"id": 3, "subscribe": command});
        assert_eq!(code_of(&mut harness, id, &command), error, "{member}");
        let refresh = json!({"id": 4, "refresh": {"token": expired.connection}});
        assert_eq!(code_of(&mut harness, id, &refresh), 3005, "{member}");
        let id = harness.open_websocket("/connection/websocket");
        let command = json!({"id": 1, "connect": {"token": expired.connection}});
        assert_eq!(code_of(&mut harness, id, &command), error, "{member}");
        let (_, raw) = harness.request_upgrade(&raw_target(&expired.connection));
        assert_eq!(raw, 401, "{member}");
    }
}

#[test]
fn a_token_with_more_topics_than_a_connection_may_have_is_refused() {
    let names: Vec<_> = (0..129).map(|number| format!("t{number}")).collect();
    let subs: serde_json::Map<_, _> = names.iter().map(|name| (name.clone(), json!({}))).collect();
    for claims in [
        json!({"sub": "ann", "subs": subs}),
        json!({"sub": "ann", "channels": names}),
    ] {
        let mut harness = harness();
        let id = harness.open_websocket("/connection/websocket");
        let command = json!({"id": 1, "connect": {"token": token(&claims)}});
        assert_eq!(code_of(&mut harness, id, &command), 3505);
        assert!(!harness.wants("t0"));
    }
}
