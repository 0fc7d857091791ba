//! Key sets: documents, and the verification of tokens with the keys that they have.

use std::sync::Arc;
use std::time::Duration;

use fanfare::access::{
    InvalidToken, KeySet, KeySetAnswer, KeySetFault, KeySetQuestion, KeySetResponse,
    ServiceQuestion, TokenFault, TokenKind, UnverifiedToken, Verifier,
};
use fanfare::config::{AuthConfig, HttpUrl};
use fanfare::limits;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::{NOW, key};

const HOUR_S: u64 = 60 * 60;

fn fixtures() -> Value {
    serde_json::from_str(include_str!("key_set.json")).unwrap()
}

/// Returns a token that names its key by `kid`.
fn fixture(algorithm: &str) -> String {
    fixtures()["tokens"][algorithm].as_str().unwrap().to_owned()
}

/// Returns a key of the key set, by its name.
fn jwk(name: &str) -> Value {
    let keys = fixtures()["key_set"]["keys"].as_array().unwrap().clone();
    let mut found = keys.into_iter().filter(|key| key["kid"] == name);
    found.next().unwrap()
}

fn document(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn all_keys() -> Vec<Value> {
    ["rsa", "p256", "p384", "ed25519"].map(jwk).into()
}

fn url() -> HttpUrl {
    HttpUrl::parse("https://issuer.example/keys").unwrap()
}

fn verifier() -> Verifier {
    let mut auth = AuthConfig::default();
    auth.token.jwks_public_endpoint = Some(url());
    Verifier::new(&auth)
}

/// Gives a key set to a verifier, which was fetched at the time `fetched_at_s`.
fn give(verifier: &mut Verifier, keys: &[Value], fetched_at_s: u64, now_s: u64) {
    let (key_set, skipped) = KeySet::parse(&document(keys)).unwrap();
    assert_eq!(skipped, []);
    let response = KeySetResponse::Fetched {
        key_set: Arc::new(key_set),
        age: Duration::from_secs(now_s - fetched_at_s),
    };
    verifier.accept(
        &KeySetAnswer {
            url: url(),
            response,
        },
        now_s,
    );
}

fn fail(verifier: &mut Verifier, now_s: u64) {
    let response = KeySetResponse::Unavailable;
    verifier.accept(
        &KeySetAnswer {
            url: url(),
            response,
        },
        now_s,
    );
}

/// Returns a token with this header for the key `rsa`.
fn with_header(header: &Value) -> String {
    let mut all = Header::new(Algorithm::RS256);
    all.kid = header["kid"].as_str().map(Into::into);
    all.jku = header["jku"].as_str().map(Into::into);
    let key = EncodingKey::from_rsa_pem(key("rsa", "private").as_bytes()).unwrap();
    jsonwebtoken::encode(&all, &json!({"sub": "ann"}), &key).unwrap()
}

#[test]
fn tokens_of_another_implementation_are_valid_with_its_key_set() {
    let mut verifier = verifier();
    give(&mut verifier, &all_keys(), NOW, NOW);
    let tokens = fixtures()["tokens"].as_object().unwrap().clone();
    assert_eq!(tokens.len(), 9);
    for (algorithm, token) in &tokens {
        let token = token.as_str().unwrap();
        let cost_us = verifier.cost_us(&UnverifiedToken::read(token), TokenKind::Connection);
        assert!(cost_us > limits::HMAC_VERIFY_US, "{algorithm}");
        for _ in 0..2 {
            let claims = verifier.connection(token, NOW).unwrap();
            assert_eq!(&*claims.user, "ann", "{algorithm}");
        }
        let again_us = verifier.cost_us(&UnverifiedToken::read(token), TokenKind::Connection);
        assert_eq!(again_us, limits::TOKEN_MINIMUM_US, "{algorithm}");
        let changed = format!("{}A", &token[..token.len() - 1]);
        if changed != *token {
            let fault = verifier.connection(&changed, NOW).unwrap_err();
            assert!(
                matches!(fault, TokenFault::Invalid(_)),
                "{algorithm}: {fault}"
            );
        }
    }
}

#[test]
fn a_missing_key_is_asked_for_by_its_id() {
    let (mut verifier, token) = (verifier(), fixture("RS256"));
    let needed = Err(TokenFault::KeyNeeded);
    assert_eq!(verifier.connection(&token, NOW), needed);
    assert_eq!(
        verifier.cost_us(&UnverifiedToken::read(&token), TokenKind::Connection),
        limits::TOKEN_MINIMUM_US
    );
    let question = KeySetQuestion {
        url: url(),
        key_id: "rsa".into(),
    };
    let question = Some(ServiceQuestion::KeySet(question));
    assert_eq!(
        verifier.question(&UnverifiedToken::read(&token), TokenKind::Connection),
        question
    );
    assert_eq!(
        verifier.question(&UnverifiedToken::read(&token), TokenKind::Subscription),
        question
    );

    // An answer without the key, none at all, and one with the key.
    give(&mut verifier, &[jwk("p256")], NOW, NOW);
    assert_eq!(verifier.connection(&token, NOW), needed);
    fail(&mut verifier, NOW);
    assert_eq!(verifier.connection(&token, NOW), needed);
    give(&mut verifier, &all_keys(), NOW, NOW);
    assert!(verifier.connection(&token, NOW).is_ok());

    let unavailable = KeySetResponse::Unavailable;
    assert_eq!(
        TokenFault::after(Some(&unavailable)),
        TokenFault::KeysUnavailable
    );
    assert_eq!(TokenFault::after(None), TokenFault::KeysUnavailable);
    let (key_set, _) = KeySet::parse(&document(&[])).unwrap();
    let fetched = KeySetResponse::Fetched {
        key_set: Arc::new(key_set),
        age: Duration::ZERO,
    };
    let unknown = TokenFault::Invalid(InvalidToken::UnknownKey);
    assert_eq!(TokenFault::after(Some(&fetched)), unknown);
}

#[test]
fn a_key_that_vanishes_verifies_no_token_that_was_verified_before() {
    let (mut verifier, token) = (verifier(), fixture("ES256"));
    give(&mut verifier, &all_keys(), NOW, NOW);
    assert!(verifier.connection(&token, NOW).is_ok());
    // The id has another key now.
    let mut other = jwk("p384");
    other["kid"] = "p256".into();
    give(&mut verifier, &[other], NOW, NOW);
    let algorithm = Err(TokenFault::Invalid(InvalidToken::Algorithm));
    assert_eq!(verifier.connection(&token, NOW), algorithm);
    give(&mut verifier, &[jwk("rsa")], NOW, NOW);
    assert_eq!(verifier.connection(&token, NOW), Err(TokenFault::KeyNeeded));
    give(&mut verifier, &[], NOW, NOW);
    assert_eq!(verifier.connection(&token, NOW), Err(TokenFault::KeyNeeded));
}

#[test]
fn a_key_set_is_asked_for_again_after_an_hour_and_used_for_four_hours_without_an_answer() {
    let (mut verifier, token) = (verifier(), fixture("RS256"));
    give(&mut verifier, &all_keys(), NOW, NOW + 100);
    assert!(verifier.connection(&token, NOW + HOUR_S - 1).is_ok());
    let needed = Err(TokenFault::KeyNeeded);
    assert_eq!(verifier.connection(&token, NOW + HOUR_S), needed);
    // The clock was set back.
    assert_eq!(verifier.connection(&token, NOW - 1), needed);

    let mut now_s = NOW + HOUR_S;
    let mut asked = 0;
    while now_s < NOW + 4 * HOUR_S {
        if verifier.connection(&token, now_s).is_err() {
            fail(&mut verifier, now_s);
            assert!(verifier.connection(&token, now_s).is_ok(), "{now_s}");
            asked += 1;
        }
        now_s += 7;
    }
    assert!(
        (150..=180).contains(&asked),
        "{asked} questions in three hours"
    );
    let end_s = NOW + 4 * HOUR_S;
    assert_eq!(verifier.connection(&token, end_s), needed);
    fail(&mut verifier, end_s);
    assert_eq!(verifier.connection(&token, end_s), needed);
    give(&mut verifier, &all_keys(), end_s, end_s);
    assert!(verifier.connection(&token, end_s).is_ok());
}

#[test]
fn the_header_chooses_a_key_of_the_key_set_and_nothing_else() {
    let mut verifier = verifier();
    give(&mut verifier, &all_keys(), NOW, NOW);
    let missing = Err(TokenFault::Invalid(InvalidToken::KeyId));
    let long = "x".repeat(limits::KEY_ID_BYTES + 1);
    for header in [json!({}), json!({"kid": ""}), json!({"kid": long})] {
        assert_eq!(verifier.connection(&with_header(&header), NOW), missing);
    }
    for id in ["../rsa", "rsa' OR '1'='1", "RSA", "rsa\u{0}", "/dev/null"] {
        let token = with_header(&json!({"kid": id}));
        assert_eq!(
            verifier.connection(&token, NOW),
            Err(TokenFault::KeyNeeded),
            "{id}"
        );
    }
    // Another key, of the same and of another type.
    let token = with_header(&json!({"kid": "p256"}));
    let algorithm = Err(TokenFault::Invalid(InvalidToken::Algorithm));
    assert_eq!(verifier.connection(&token, NOW), algorithm);
    let jku = with_header(&json!({"kid": "rsa", "jku": "https://attacker.example/"}));
    assert!(verifier.connection(&jku, NOW).is_ok());
    let question = verifier.question(&UnverifiedToken::read(&jku), TokenKind::Connection);
    assert!(matches!(question, Some(ServiceQuestion::KeySet(it)) if it.url == url()));
    // The public key as an HMAC secret.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("rsa".into());
    let secret = key("rsa", "public");
    for secret in [
        secret.as_bytes(),
        jwk("rsa")["n"].as_str().unwrap().as_bytes(),
    ] {
        let secret = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&header, &json!({"sub": "ann"}), &secret).unwrap();
        assert_eq!(verifier.connection(&token, NOW), algorithm);
    }
}

#[test]
fn a_key_set_replaces_the_keys_of_its_table_only() {
    let mut auth = crate::support::hmac();
    let token = crate::support::token(&json!({"channel": "news"}));
    auth.subscription_token.jwks_public_endpoint = Some(url());
    let mut verifier = Verifier::new(&auth);
    let kid = Err(TokenFault::Invalid(InvalidToken::KeyId));
    assert_eq!(verifier.subscription(&token, NOW), kid);
    assert!(
        verifier
            .question(&UnverifiedToken::read(&token), TokenKind::Connection)
            .is_none()
    );
    auth.token.jwks_public_endpoint = Some(url());
    auth.subscription_token = AuthConfig::default().subscription_token;
    let fault = Verifier::new(&auth).connection(&token, NOW).unwrap_err();
    assert_eq!(fault, TokenFault::Invalid(InvalidToken::KeyId));
}

#[test]
fn an_algorithm_that_a_key_names_is_the_only_one() {
    let mut rsa = jwk("rsa");
    rsa["alg"] = "RS512".into();
    let mut verifier = verifier();
    give(&mut verifier, &[rsa], NOW, NOW);
    assert!(verifier.connection(&fixture("RS512"), NOW).is_ok());
    for algorithm in ["RS256", "PS512"] {
        let fault = verifier.connection(&fixture(algorithm), NOW).unwrap_err();
        assert_eq!(fault, TokenFault::Invalid(InvalidToken::Algorithm));
    }
}

#[test]
fn keys_that_cannot_be_used_are_skipped() {
    let change = |name: &str, member: &str, value: Value| {
        let mut key = jwk(name);
        key[member] = value;
        key
    };
    let p521 = json!({"kty": "EC", "crv": "P-521", "kid": "a", "x": "AA", "y": "AA"});
    let cases = [
        (json!(7), "is not a JSON object"),
        (json!({}), "has no `kid`"),
        (change("rsa", "kid", json!(1)), "not text"),
        (change("rsa", "kid", json!("")), "has no `kid`"),
        (change("rsa", "kid", json!("x".repeat(257))), "has no `kid`"),
        (change("rsa", "use", json!("enc")), "is not for signatures"),
        (
            change("rsa", "alg", json!("RSA-OAEP")),
            "an `alg` that does not belong",
        ),
        (
            change("rsa", "alg", json!("HS256")),
            "an `alg` that does not belong",
        ),
        (
            change("p256", "alg", json!("ES384")),
            "an `alg` that does not belong",
        ),
        (change("rsa", "n", json!(null)), "lacks a member"),
        (change("rsa", "n", json!("a+b")), "not base64url"),
        (change("rsa", "n", json!("")), "shorter than 2048 bits"),
        (
            change("rsa", "n", json!("_".repeat(168))),
            "shorter than 2048 bits",
        ),
        (
            change("rsa", "n", json!("_".repeat(1500))),
            "longer than 8192 bits",
        ),
        (change("rsa", "e", json!("AQ")), "an exponent"),
        (change("rsa", "e", json!("AAAB")), "an exponent"),
        (change("rsa", "e", json!("BA")), "an exponent"),
        (change("rsa", "e", json!("")), "an exponent"),
        (change("rsa", "e", json!("________")), "an exponent"),
        (change("p256", "x", json!("AAAA")), "not a point"),
        (change("p256", "y", jwk("p256")["x"].clone()), "not a point"),
        (change("ed25519", "x", json!("AAAA")), "32 bytes"),
        (change("ed25519", "crv", json!("X25519")), "not supported"),
        (p521, "not supported"),
        (
            json!({"kty": "oct", "kid": "a", "k": "AAAA"}),
            "not supported",
        ),
    ];
    for (key, fault) in cases {
        let name = key.to_string();
        let (key_set, skipped) = KeySet::parse(&document(&[jwk("p256"), key])).unwrap();
        assert_eq!((key_set.len(), skipped.len()), (1, 1), "{name}");
        assert_eq!(skipped[0].index, 1);
        assert!(
            skipped[0].fault.contains(fault),
            "{name}: {}",
            skipped[0].fault
        );
    }
    let twice = br#"{"keys":[{"kty":"RSA","kty":"EC","kid":"a"}]}"#;
    assert!(KeySet::parse(twice).unwrap().0.is_empty());
}

#[test]
fn a_document_that_is_no_key_set_or_a_huge_one_is_refused() {
    for document in [
        &b""[..],
        b"{}",
        b"[]",
        b"null",
        b"{\"keys\":{}}",
        b"{\"keys\":null}",
        b"{\"keys\":[}",
        b"<html></html>",
        b"\xff",
        b"{\"keys\":[]",
    ] {
        let found = KeySet::parse(document).unwrap_err();
        assert_eq!(found, KeySetFault::Malformed);
    }
    let many = vec![jwk("ed25519"); limits::KEY_SET_KEYS];
    assert_eq!(KeySet::parse(&document(&many)).unwrap().0.len(), many.len());
    let too_many = format!("{{\"keys\":[{}7]}}", "7,".repeat(1_000_000));
    let found = KeySet::parse(too_many.as_bytes()).unwrap_err();
    assert_eq!(found, KeySetFault::TooManyKeys(1_000_001));
    // Depth costs no stack.
    let deep = format!(
        "{{\"keys\":[{}{}]}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let (key_set, skipped) = KeySet::parse(deep.as_bytes()).unwrap();
    assert_eq!((key_set.len(), skipped.len()), (0, 1));
}

#[test]
fn a_reload_keeps_the_key_set_of_the_same_url() {
    let token = fixture("RS256");
    let mut auth = AuthConfig::default();
    auth.token.jwks_public_endpoint = Some(url());
    let mut verifier = Verifier::new(&auth);
    give(&mut verifier, &all_keys(), NOW, NOW);
    assert!(verifier.connection(&token, NOW).is_ok());

    auth.token.audience = "push".into();
    verifier.reconfigure(&auth);
    let audience = TokenFault::Invalid(InvalidToken::Audience);
    assert_eq!(verifier.connection(&token, NOW), Err(audience));
    assert_eq!(
        verifier.connection(&token, NOW + HOUR_S),
        Err(TokenFault::KeyNeeded)
    );

    // The new configuration has a table for subscription tokens. Both tables have the same URL.
    auth.token.audience = String::new();
    auth.subscription_token.jwks_public_endpoint = Some(url());
    verifier.reconfigure(&auth);
    assert!(verifier.connection(&token, NOW).is_ok());
    assert_ne!(
        verifier.subscription(&token, NOW),
        Err(TokenFault::KeyNeeded)
    );

    auth.token.jwks_public_endpoint = HttpUrl::parse("https://other.example/keys").ok();
    verifier.reconfigure(&auth);
    assert_eq!(verifier.connection(&token, NOW), Err(TokenFault::KeyNeeded));
}
