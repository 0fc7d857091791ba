//! The meaning of the claims of a token, and values that are refused.

use fanfare::access::{ConnectionToken, InvalidToken, TokenFault, Verifier};
use fanfare::config::AuthConfig;
use serde_json::{Value, json};

use crate::support::{HS256, NOW, fault, hmac, invalid, signed, token};

#[track_caller]
fn connection(claims: &Value) -> ConnectionToken {
    let verified = Verifier::new(&hmac()).connection(&token(claims), NOW);
    verified.expect("the token is valid")
}

#[track_caller]
fn refused(claims: &Value) -> InvalidToken {
    invalid(&hmac(), &token(claims))
}

#[test]
fn times_have_no_leeway() {
    assert_eq!(connection(&json!({})).expires_at_s, None);
    assert_eq!(
        connection(&json!({"exp": NOW + 1})).expires_at_s,
        Some(NOW + 1)
    );
    for claims in [
        json!({"exp": NOW}),
        json!({"exp": NOW as f64 + 0.9}),
        json!({"exp": 0}),
        json!({"nbf": NOW + 1}),
        json!({"nbf": NOW as f64 + 0.1}),
    ] {
        assert_eq!(
            fault(&hmac(), &token(&claims)),
            TokenFault::Expired,
            "{claims}"
        );
    }
    connection(&json!({"nbf": NOW, "iat": NOW + 9}));
    let float = connection(&json!({"exp": NOW as f64 + 10.5}));
    assert_eq!(float.expires_at_s, Some(NOW + 10));
}

#[test]
fn times_that_are_not_times_are_refused() {
    for claim in ["exp", "nbf", "iat"] {
        for value in [
            "-1",
            "-0.5",
            "\"1800000000\"",
            "true",
            "[]",
            "{}",
            "1e300",
            "1e999",
            "1e16",
            "18446744073709551615",
            "9223372036854775807",
        ] {
            let token = signed(HS256, &format!(r#"{{"{claim}":{value}}}"#));
            let found = invalid(&hmac(), &token);
            assert_eq!(found, InvalidToken::Claim(claim), "{value}");
        }
        for value in ["1e999", "18446744073709551616", "-", "0x10", "NaN"] {
            let token = signed(HS256, &format!(r#"{{"{claim}":{value}}}"#));
            let found = invalid(&hmac(), &token);
            let faults = [InvalidToken::Claim(claim), InvalidToken::Claims];
            assert!(faults.contains(&found), "{value}: {found}");
        }
    }
    // The largest time that is accepted: a back end may write milliseconds.
    let largest = 1_u64 << 53;
    assert_eq!(
        connection(&json!({"exp": largest})).expires_at_s,
        Some(largest)
    );
    connection(&json!({"exp": null, "nbf": null, "iat": null}));
}

#[test]
fn the_connection_may_expire_at_another_time_than_the_token() {
    for (expire_at, expected) in [
        (json!(NOW + 5), Some(NOW + 5)),
        (json!(NOW - 5), Some(NOW - 5)),
        (json!(0), None),
        (json!(-7), None),
        (json!(7.9), Some(7)),
        (json!(null), Some(NOW + 1)),
    ] {
        let token = connection(&json!({"exp": NOW + 1, "expire_at": expire_at}));
        assert_eq!(token.expires_at_s, expected, "{expire_at}");
    }
    assert_eq!(
        refused(&json!({"expire_at": "1"})),
        InvalidToken::Claim("expire_at")
    );
}

#[test]
fn the_user_is_text_or_anonymous() {
    assert_eq!(&*connection(&json!({})).user, "ann");
    assert_eq!(&*connection(&json!({"sub": null})).user, "");
    assert_eq!(&*connection(&json!({"sub": ""})).user, "");
    assert_eq!(&*connection(&json!({"sub": "Ä \"🎺\""})).user, "Ä \"🎺\"");
    for user in [json!(42), json!(true), json!(["ann"]), json!({"id": "ann"})] {
        assert_eq!(refused(&json!({"sub": user})), InvalidToken::User);
    }
    let mut auth = hmac();
    auth.token.user_id_claim = "uid".into();
    let user = |claims| {
        let verified = Verifier::new(&auth).connection(&token(&claims), NOW);
        verified.unwrap().user.into_string()
    };
    assert_eq!(user(json!({"uid": "u42"})), "u42");
    assert_eq!(user(json!({})), "", "`sub` is not a fallback");
}

#[test]
fn audience_and_issuer_are_checked_if_configured() {
    let any = json!({"aud": 1, "iss": 2});
    connection(&any);
    let mut auth = hmac();
    auth.token.audience = "fanfare".into();
    for aud in [json!("fanfare"), json!(["x", "fanfare"])] {
        let token = token(&json!({"aud": aud}));
        assert!(
            Verifier::new(&auth).connection(&token, NOW).is_ok(),
            "{aud}"
        );
    }
    for aud in [
        json!(null),
        json!("fanfare2"),
        json!(["x"]),
        json!([]),
        json!([["fanfare"]]),
        json!(["fanfare", 1]),
        json!({"fanfare": 1}),
    ] {
        let found = invalid(&auth, &token(&json!({"aud": aud})));
        assert_eq!(found, InvalidToken::Audience, "{aud}");
    }
    let mut auth = hmac();
    auth.token.issuer = "me".into();
    let is_valid = |iss| Verifier::new(&auth).connection(&token(&json!({"iss": iss})), NOW);
    assert!(is_valid(json!("me")).is_ok());
    assert_eq!(
        invalid(&auth, &token(&json!({"iss": "you"}))),
        InvalidToken::Issuer
    );
    assert_eq!(invalid(&auth, &token(&json!({}))), InvalidToken::Issuer);
    let wrong_type = invalid(&auth, &token(&json!({"iss": ["me"]})));
    assert_eq!(wrong_type, InvalidToken::Claim("iss"));
}

#[test]
fn a_fault_is_returned_before_the_expiry() {
    let mut auth = hmac();
    auth.token.audience = "fanfare".into();
    let found = invalid(&auth, &token(&json!({"exp": 1, "aud": "x"})));
    assert_eq!(found, InvalidToken::Audience);
    let found = refused(&json!({"exp": 1, "channel": "news"}));
    assert_eq!(found, InvalidToken::NotForConnection);
}

#[test]
fn info_is_compact_json() {
    let info = |claims: &str| {
        let verified = Verifier::new(&hmac()).connection(&signed(HS256, claims), NOW);
        let info = verified.unwrap().info;
        info.map(|bytes| String::from_utf8(bytes.into()).unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(info("{}"), None);
    assert_eq!(info(r#"{"info":null}"#), None);
    let spaced = "{\"info\": { \"a b\" :\n [1.0, 1e2 ] } }";
    assert_eq!(info(spaced), some(r#"{"a b":[1.0,1e2]}"#));
    // base64 of `{ "b": 1 }` and of nothing.
    let both = r#"{"info":1,"b64info":"eyAiYiI6IDEgfQ=="}"#;
    assert_eq!(info(both), some(r#"{"b":1}"#));
    assert_eq!(info(r#"{"info":1,"b64info":""}"#), some("1"));
    for base64 in [
        "\"AAEC\"",
        "\"eyAiYiI6IDEgfQ\"",
        "\"e30=e30=\"",
        "\"W1s=\"",
        "\"/w==\"",
        "7",
    ] {
        let token = signed(HS256, &format!(r#"{{"b64info":{base64}}}"#));
        let found = invalid(&hmac(), &token);
        assert_eq!(found, InvalidToken::Claim("b64info"), "{base64}");
    }
}

#[test]
fn subscriptions_come_from_subs_or_otherwise_from_channels() {
    let topics = |claims: &Value| {
        let all = connection(claims).subscriptions.into_iter();
        all.map(|each| each.topic.into_string()).collect::<Vec<_>>()
    };
    let channels = json!(["b", "a", "b"]);
    assert_eq!(topics(&json!({"channels": channels})), ["b", "a"]);
    assert_eq!(
        topics(&json!({"channels": channels, "subs": {}})),
        ["b", "a"]
    );
    assert_eq!(
        topics(&json!({"channels": channels, "subs": {"c": {}}})),
        ["c"]
    );
    assert_eq!(
        topics(&json!({"channels": null, "subs": {"c": null}})),
        ["c"]
    );

    let subs = json!({"c": {"info": {"i": 1}, "b64data": "e30=", "override": {"presence": 1}}});
    let token = connection(&json!({"subs": subs}));
    assert_eq!(
        token.subscriptions[0].info.as_deref(),
        Some(&br#"{"i":1}"#[..])
    );
    assert_eq!(token.subscriptions[0].data.as_deref(), Some(&b"{}"[..]));

    for (claim, value) in [
        ("channels", json!("a")),
        ("channels", json!([1])),
        ("channels", json!([""])),
        ("channels", json!(["a\n"])),
        ("channels", json!(["x".repeat(256)])),
        ("channels", json!(["fanfare.canary"])),
        ("subs", json!(["a"])),
        ("subs", json!({"": {}})),
        ("subs", json!({"fanfare.canary": {}})),
        ("subs", json!({"a": 1})),
        ("subs", json!({"a": {"b64info": "!"}})),
    ] {
        let found = refused(&json!({ claim: value }));
        assert_eq!(found, InvalidToken::Claim(claim), "{value}");
    }
    let twice = signed(HS256, r#"{"subs":{"a":{},"\u0061":{}}}"#);
    assert_eq!(invalid(&hmac(), &twice), InvalidToken::Claim("subs"));
}

#[test]
fn a_subscription_token_names_a_topic_and_may_name_a_client() {
    let subscription = |auth: &AuthConfig, claims: Value| {
        let token = token(&claims);
        Verifier::new(auth).subscription(&token, NOW)
    };
    let claims = json!({"channel": "$chat:1", "client": "c1", "info": [1], "exp": NOW + 7});
    let token = subscription(&hmac(), claims).unwrap();
    assert_eq!((&*token.user, &*token.topic), ("ann", "$chat:1"));
    assert_eq!(token.client.as_deref(), Some("c1"));
    assert_eq!(token.info.as_deref(), Some(&b"[1]"[..]));
    assert_eq!(token.expires_at_s, Some(NOW + 7));
    let token = subscription(&hmac(), json!({"channel": "a", "client": ""})).unwrap();
    assert_eq!((token.client, token.expires_at_s), (None, None));

    for (claims, fault) in [
        (json!({}), InvalidToken::NotForSubscription),
        (json!({"channel": null}), InvalidToken::NotForSubscription),
        (json!({"channel": ""}), InvalidToken::Claim("channel")),
        (json!({"channel": 1}), InvalidToken::Claim("channel")),
        (
            json!({"channel": "fanfare.canary"}),
            InvalidToken::Claim("channel"),
        ),
        (
            json!({"channel": "a", "client": 1}),
            InvalidToken::Claim("client"),
        ),
    ] {
        let found = subscription(&hmac(), claims.clone());
        assert_eq!(found, Err(TokenFault::Invalid(fault)), "{claims}");
    }
    let expired = subscription(&hmac(), json!({"channel": "a", "exp": NOW}));
    assert_eq!(expired, Err(TokenFault::Expired));
}
