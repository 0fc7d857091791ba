//! Key sets: no document makes the parser panic, has more keys than are allowed, or has a key that
//! makes the verification of a token panic or succeed.

use std::sync::Arc;
use std::time::Duration;

use fanfare::access::{KeySet, KeySetAnswer, KeySetResponse, TokenKind, UnverifiedToken, Verifier};
use fanfare::config::{AuthConfig, HttpUrl};
use fanfare::limits::KEY_SET_KEYS;

/// Tokens that name the key `a`, whose signature nothing has made.
const TOKENS: [&str; 4] = [
    // RS256, ES256, ES384, EdDSA
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJFUzM4NCIsImtpZCI6ImEifQ.e30.AAAA",
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
];

/// Parses a document, and verifies tokens with its keys.
pub fn key_sets(input: &[u8]) {
    let Ok((key_set, skipped)) = KeySet::parse(input) else {
        return;
    };
    assert!(key_set.len() + skipped.len() <= KEY_SET_KEYS);
    let url = HttpUrl::parse("https://issuer.example/").unwrap();
    let mut auth = AuthConfig::default();
    auth.token.jwks_public_endpoint = Some(url.clone());
    let mut verifier = Verifier::new(&auth);
    let response = KeySetResponse::Fetched {
        key_set: Arc::new(key_set),
        age: Duration::ZERO,
    };
    verifier.accept(&KeySetAnswer { url, response }, 1);
    for token in TOKENS {
        assert!(verifier.connection(token, 1).is_err());
        assert!(verifier.cost_us(&UnverifiedToken::read(token), TokenKind::Connection) > 0);
    }
}
