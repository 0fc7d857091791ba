//! Tokens for tests, and configurations that demand them.

use fanfare::config::{Config, HmacSecret, PublicKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;

/// The time of the wall clock in tests, in seconds since 1970.
pub const NOW_S: u64 = 1_700_000_000;

pub const SECRET: &str = "a secret of tests with at least 32 bytes";
/// Keys of tests. Nothing else uses them.
const PRIVATE_KEY: &str = include_str!("../fixtures/tokens/ecdsa_private.pem");
const PUBLIC_KEY: &str = include_str!("../fixtures/tokens/ecdsa_public.pem");

/// Demands tokens that are signed with a secret.
pub fn demand(config: &mut Config) {
    config.auth.token.hmac_secret_key = Some(HmacSecret::parse(SECRET).unwrap());
}

/// Demands tokens whose verification takes long.
pub fn demand_expensive(config: &mut Config) {
    config.auth.token.hmac_secret_key = None;
    config.auth.token.ecdsa_public_key = Some(PublicKey::ecdsa(PUBLIC_KEY).unwrap());
}

/// Returns a token for [`demand`].
pub fn token(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), claims, &key).unwrap()
}

/// Returns a token for [`demand_expensive`].
pub fn expensive_token(claims: &Value) -> String {
    let key = EncodingKey::from_ec_pem(PRIVATE_KEY.as_bytes()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key).unwrap()
}
