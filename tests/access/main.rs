//! Tokens and permissions. This file tests the algorithms with tokens that `PyJWT` made, the keys,
//! and what is remembered. `claims` tests what tokens contain, `tricks` tokens that must be
//! refused, `key_sets` keys that an issuer publishes, and `rules` the permissions of namespaces.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod claims;
mod key_sets;
mod rules;
mod support;
mod tricks;

use fanfare::access::{InvalidToken, TokenFault, TokenKind, UnverifiedToken, Verifier};
use fanfare::config::{AuthConfig, HmacSecret};
use fanfare::limits;
use serde_json::json;

use support::{NOW, ecdsa, ed25519, fixture, fixtures, hmac, invalid, rsa, signed_with, token};

/// Returns the configuration with the key for each algorithm.
fn configurations() -> [(&'static str, AuthConfig); 12] {
    [
        ("HS256", hmac()),
        ("HS384", hmac()),
        ("HS512", hmac()),
        ("RS256", rsa()),
        ("RS384", rsa()),
        ("RS512", rsa()),
        ("PS256", rsa()),
        ("PS384", rsa()),
        ("PS512", rsa()),
        ("ES256", ecdsa("p256")),
        ("ES384", ecdsa("p384")),
        ("EdDSA", ed25519()),
    ]
}

#[test]
fn tokens_of_another_implementation_are_valid() {
    let tokens = fixtures()["tokens"].as_object().unwrap().len();
    assert_eq!(tokens, configurations().len());
    for (algorithm, mut auth) in configurations() {
        auth.token.audience = "fanfare".into();
        auth.token.issuer = "back end".into();
        let mut verifier = Verifier::new(&auth);
        // The second time, the signature may be remembered.
        for _ in 0..2 {
            let token = verifier.connection(&fixture(algorithm), NOW).unwrap();
            assert_eq!(&*token.user, "ann", "{algorithm}");
            assert_eq!(token.expires_at_s, Some(2_000_000_000));
            let info = r#"{"name":"\u00c4nn","n":[1,2.5,null]}"#;
            assert_eq!(token.info.as_deref(), Some(info.as_bytes()));
            let topics: Vec<_> = token
                .subscriptions
                .iter()
                .map(|each| &*each.topic)
                .collect();
            assert_eq!(topics, ["news", "chat:lobby"]);
        }
    }
}

#[test]
fn only_the_key_of_its_own_algorithm_verifies_a_token() {
    for (algorithm, _) in configurations() {
        for (other, auth) in configurations() {
            let family = |name: &str| name[..2].replace("PS", "RS");
            let is_same = algorithm == other || family(algorithm) == family(other);
            let is_same = is_same && (family(algorithm) != "ES" || algorithm == other);
            let verified = Verifier::new(&auth).connection(&fixture(algorithm), NOW);
            match verified {
                Ok(_) => assert!(is_same, "{algorithm} is valid with the key for {other}"),
                Err(fault) => {
                    assert!(!is_same, "{algorithm} is not valid: {fault}");
                    assert_eq!(fault, TokenFault::Invalid(InvalidToken::Algorithm));
                }
            }
        }
    }
}

#[test]
fn a_changed_token_is_never_valid() {
    for (algorithm, auth) in configurations() {
        let original = fixture(algorithm);
        let mut verifier = Verifier::new(&auth);
        verifier.connection(&original, NOW).unwrap();
        for at in 0..original.len() {
            let mut changed = original.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let result = verifier.connection(&changed, NOW);
            assert!(result.is_err(), "{algorithm}: byte {at}: {changed}");
        }
        verifier.connection(&original, NOW).unwrap();
    }
}

#[test]
fn the_previous_secret_is_accepted_until_its_end() {
    let previous = "the previous secret, 32 bytes long";
    let old = signed_with(previous.as_bytes(), support::HS256, r#"{"sub":"bob"}"#);
    assert_eq!(invalid(&hmac(), &old), InvalidToken::Signature);

    let mut auth = hmac();
    auth.token.hmac_previous_secret_key = Some(HmacSecret::parse(previous).unwrap());
    let mut verifier = Verifier::new(&auth);
    assert_eq!(&*verifier.connection(&old, u64::MAX).unwrap().user, "bob");

    auth.token.hmac_previous_secret_key_valid_until = NOW;
    let mut verifier = Verifier::new(&auth);
    assert!(verifier.connection(&old, NOW - 1).is_ok());
    let fault = TokenFault::Invalid(InvalidToken::Signature);
    assert_eq!(verifier.connection(&old, NOW), Err(fault));
    let new = token(&json!({}));
    assert!(verifier.connection(&new, NOW).is_ok());
}

#[test]
fn subscription_tokens_may_have_keys_of_their_own() {
    let mut auth = hmac();
    let token = token(&json!({"channel": "news"}));
    let subscription = Verifier::new(&auth).subscription(&token, NOW).unwrap();
    let found = (&*subscription.user, &*subscription.topic);
    assert_eq!(found, ("ann", "news"));

    let other = "another secret that is 32 bytes long";
    auth.subscription_token.hmac_secret_key = Some(HmacSecret::parse(other).unwrap());
    let mut verifier = Verifier::new(&auth);
    let fault = TokenFault::Invalid(InvalidToken::Signature);
    assert_eq!(verifier.subscription(&token, NOW), Err(fault));
    let claims = r#"{"sub":"ann","channel":"news"}"#;
    let token = signed_with(other.as_bytes(), support::HS256, claims);
    assert!(verifier.subscription(&token, NOW).is_ok());
    assert_eq!(verifier.connection(&token, NOW), Err(fault));
}

#[test]
fn only_the_first_verification_of_a_public_key_is_expensive() {
    for (algorithm, auth) in configurations() {
        let mut verifier = Verifier::new(&auth);
        let token = fixture(algorithm);
        let cost_us = verifier.cost_us(&UnverifiedToken::read(&token), TokenKind::Connection);
        let is_hmac = algorithm.starts_with("HS");
        assert!(cost_us > limits::TOKEN_MINIMUM_US, "{algorithm}: {cost_us}");
        assert_eq!(is_hmac, cost_us == limits::HMAC_VERIFY_US, "{algorithm}");
        verifier.connection(&token, NOW).unwrap();
        let again_us = verifier.cost_us(&UnverifiedToken::read(&token), TokenKind::Connection);
        let expected_us = if is_hmac {
            cost_us
        } else {
            limits::TOKEN_MINIMUM_US
        };
        assert_eq!(again_us, expected_us, "{algorithm}");
        // Without the key, and in a new verifier, it is not remembered.
        assert_eq!(
            Verifier::new(&auth).cost_us(&UnverifiedToken::read(&token), TokenKind::Subscription),
            cost_us
        );
    }
    let mut verifier = Verifier::new(&rsa());
    for token in ["", "a.b.c", &fixture("ES256")] {
        let minimum_us = limits::TOKEN_MINIMUM_US;
        assert_eq!(
            verifier.cost_us(&UnverifiedToken::read(token), TokenKind::Connection),
            minimum_us
        );
        assert!(verifier.connection(token, NOW).is_err());
    }
}

#[test]
fn a_remembered_token_expires_too() {
    let mut verifier = Verifier::new(&ecdsa("p256"));
    let token = fixture("ES256");
    assert!(verifier.connection(&token, 1_999_999_999).is_ok());
    for unix_s in [2_000_000_000, u64::MAX] {
        assert_eq!(
            verifier.connection(&token, unix_s),
            Err(TokenFault::Expired)
        );
    }
}

#[test]
fn a_new_verifier_with_another_key_refuses_a_remembered_token() {
    let token = fixture("ES256");
    assert!(
        Verifier::new(&ecdsa("p256"))
            .connection(&token, NOW)
            .is_ok()
    );
    assert_eq!(invalid(&ecdsa("p384"), &token), InvalidToken::Algorithm);
    assert_eq!(
        invalid(&AuthConfig::default(), &token),
        InvalidToken::Algorithm
    );
}
