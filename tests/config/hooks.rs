//! `[hooks]` and the keys of namespaces that use hooks: values that are refused, what is never
//! shown, and the mode of authentication.

use std::time::Duration;

use fanfare::config::{AuthMode, Contradiction, HookKind, StatusOutcome};

use crate::loader::{contradiction, file, flags, invalid_value};

const HOOKS: &str = "\
[hooks]
timeout = '2s'
http_headers = ['Cookie', 'x-request-id']
static_headers = ['Authorization: Bearer hunter2, hunter3']
status_to_code = ['404 error 1404 not found', '503 temporary_error 1503 try later', \
                  '403 disconnect 4503 forbidden']
[hooks.connect]
endpoint = 'https://hooks.example/connect?key=hunter2'
[hooks.rpc]
endpoint = 'http://127.0.0.1:3000/rpc'
timeout = '5s'
";

#[test]
fn hooks_are_typed_values() {
    let config = file(HOOKS).config();
    assert_eq!(config.auth.mode(), AuthMode::Enforced);
    let hooks = &config.auth.hooks;
    let connect = hooks.get(HookKind::Connect).expect("the hook is on");
    assert_eq!(connect.timeout, Duration::from_secs(2));
    let uri = connect.endpoint.uri().to_string();
    assert_eq!(uri, "https://hooks.example/connect?key=hunter2");
    let rpc = hooks.get(HookKind::Rpc).expect("the hook is on");
    assert_eq!(rpc.timeout, Duration::from_secs(5));
    assert!(hooks.get(HookKind::Publish).is_none());
    assert_eq!(hooks.http_headers, ["cookie", "x-request-id"]);
    let header = &hooks.static_headers[0];
    assert_eq!(header.name(), "authorization");
    assert_eq!(header.value(), "Bearer hunter2, hunter3");
    let not_found = StatusOutcome::Error {
        code: 1404,
        message: "not found".into(),
    };
    let try_later = StatusOutcome::TemporaryError {
        code: 1503,
        message: "try later".into(),
    };
    let forbidden = StatusOutcome::Disconnect {
        code: 4503,
        reason: "forbidden".into(),
    };
    assert_eq!(hooks.outcome_of(404), Some(&not_found));
    assert_eq!(hooks.outcome_of(503), Some(&try_later));
    assert_eq!(hooks.outcome_of(403), Some(&forbidden));
    assert_eq!(hooks.outcome_of(500), None);
}

#[test]
fn secrets_in_urls_and_headers_are_never_shown() {
    let config = file(HOOKS).config();
    let shown = format!("{config:?} {:?}", config.auth);
    assert!(!shown.contains("hunter"), "{shown}");
    for line in [
        "hooks.static_headers = [\"authorization: ***\"]",
        "hooks.connect.endpoint = https://hooks.example/connect?***",
        "hooks.status_to_code = [\"404 error 1404 not found\", \
         \"503 temporary_error 1503 try later\", \"403 disconnect 4503 forbidden\"]",
    ] {
        assert!(config.differences().contains(&line.to_owned()), "{shown}");
    }
    for (key, value) in [
        ("hooks.connect.endpoint", "https://user:hunter2@a/"),
        ("hooks.connect.endpoint", "hunter2"),
        ("hooks.static_headers", "hunter2"),
        ("hooks.static_headers", "a: b,c: d,A: hunter2"),
        ("auth.token.jwks_public_endpoint", "ftp://a/?key=hunter2"),
    ] {
        let text = flags(&[&format!("{key}={value}")]).text();
        assert!(text.contains(key) && !text.contains("hunter"), "{text}");
    }
}

#[test]
fn wrong_values_are_refused_with_advice() {
    for (key, value, fault) in [
        (
            "hooks.http_headers",
            "Content-Length",
            "belongs to the connection",
        ),
        (
            "hooks.http_headers",
            "sec-websocket-key",
            "belongs to the connection",
        ),
        (
            "hooks.http_headers",
            "a b",
            "a name of a header cannot have",
        ),
        ("hooks.http_headers", "a,A", "is named twice"),
        (
            "hooks.static_headers",
            "host: a",
            "belongs to the connection",
        ),
        ("hooks.static_headers", "a", "entry 1 has no `:`"),
        ("hooks.static_headers", "[\"a: b\\nc\"]", "cannot carry"),
        (
            "hooks.static_headers",
            "a: b,A: c",
            "entry 2 sets `a` again",
        ),
        ("hooks.status_to_code", "200 error 1000 a", "other than 200"),
        (
            "hooks.status_to_code",
            "600 error 1000 a",
            "from 100 to 599",
        ),
        (
            "hooks.status_to_code",
            "404 error 1000",
            "STATUS error CODE MESSAGE",
        ),
        ("hooks.status_to_code", "404 error 99 a", "is no error"),
        (
            "hooks.status_to_code",
            "404 temporary_error 2000 a",
            "is no error",
        ),
        (
            "hooks.status_to_code",
            "404 disconnect 1000 a",
            "cannot close",
        ),
        (
            "hooks.status_to_code",
            "404 disconnect 5000 a",
            "cannot close",
        ),
        ("hooks.status_to_code", "404 close 4000 a", "has an outcome"),
        ("hooks.status_to_code", "404 error 1000 ä", "than ASCII"),
        (
            "hooks.status_to_code",
            "404 error 400 a,404 error 401 a",
            "again",
        ),
        ("hooks.rpc.endpoint", "rpc", "does not begin with http://"),
    ] {
        let text = invalid_value(key, value);
        assert!(text.contains(fault), "{key}={value}: {text}");
    }
}

#[test]
fn texts_times_and_numbers_are_bounded() {
    let long = "x".repeat(124);
    let text = invalid_value("hooks.status_to_code", &format!("404 error 1000 {long}"));
    assert!(text.contains("longer than 123 bytes"), "{text}");
    for text in [
        "hooks.timeout=61s",
        "hooks.rpc.timeout=61s",
        "hooks.max_concurrent=4097",
    ] {
        let found = contradiction(&[text]);
        assert!(matches!(found, Contradiction::Ceiling { .. }), "{text}");
    }
    for text in ["hooks.timeout=0", "hooks.max_concurrent=0"] {
        let found = contradiction(&[text]);
        assert!(matches!(found, Contradiction::Zero { .. }), "{text}");
    }
}

#[test]
fn a_namespace_uses_only_hooks_that_are_on() {
    for (flag, endpoint) in [
        ("subscribe_hook", "hooks.subscribe.endpoint"),
        ("publish_hook", "hooks.publish.endpoint"),
        ("sub_refresh_hook", "hooks.sub_refresh.endpoint"),
    ] {
        let flag = format!("namespace.chat.{flag}=true");
        let text = contradiction(&["auth.allow_anonymous=true", &flag]).to_string();
        assert!(text.contains(&format!("but {endpoint} is empty")), "{text}");
        let endpoint = format!("{endpoint}=http://127.0.0.1/");
        flags(&["auth.allow_anonymous=true", &flag, &endpoint]).config();
    }
}

#[test]
fn a_connect_hook_or_a_key_set_is_a_way_to_connect() {
    let rpc = "hooks.rpc.endpoint=http://127.0.0.1/";
    assert_eq!(flags(&[rpc]).config().auth.mode(), AuthMode::Open);
    let connect = "hooks.connect.endpoint=http://127.0.0.1/";
    let delay = "auth.expired_close_delay=30s";
    for settings in [&[connect][..], &[connect, rpc], &[connect, delay]] {
        assert_eq!(flags(settings).config().auth.mode(), AuthMode::Enforced);
    }
    let insecure = flags(&[connect, "auth.insecure=true"]).config();
    assert_eq!(insecure.auth.mode(), AuthMode::Open);
    let exposure = flags(&[connect]).config().exposure();
    assert!(exposure.contains("by tokens or by a hook"), "{exposure}");

    let key_set = "auth.token.jwks_public_endpoint=https://a/keys";
    let config = flags(&[key_set]).config();
    assert_eq!(config.auth.mode(), AuthMode::Enforced);
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    let secret = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";
    let warnings = flags(&[key_set, secret]).config().warnings();
    assert!(
        warnings.len() == 1 && warnings[0].contains("are not used"),
        "{warnings:?}"
    );
}
