//! Keys and tokens for the tests.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fanfare::access::{InvalidToken, TokenFault, Verifier};
use fanfare::config::{AuthConfig, HmacSecret, PublicKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A time at which the tokens of `tokens.json` are valid.
pub const NOW: u64 = 1_800_000_000;

/// Returns the file that `make_tokens.py` wrote.
pub fn fixtures() -> Value {
    serde_json::from_str(include_str!("tokens.json")).unwrap()
}

/// Returns a part of a key in the file.
pub fn key(name: &str, part: &str) -> String {
    fixtures()["keys"][name][part].as_str().unwrap().to_owned()
}

/// Returns a token of the file.
pub fn fixture(algorithm: &str) -> String {
    fixtures()["tokens"][algorithm].as_str().unwrap().to_owned()
}

pub fn secret() -> String {
    key("hmac", "secret")
}

/// Returns a configuration with the HMAC secret only.
pub fn hmac() -> AuthConfig {
    let mut auth = AuthConfig::default();
    auth.token.hmac_secret_key = Some(HmacSecret::parse(&secret()).unwrap());
    auth
}

/// Returns a configuration with the RSA key only.
pub fn rsa() -> AuthConfig {
    let mut auth = AuthConfig::default();
    auth.token.rsa_public_key = Some(PublicKey::rsa(&key("rsa", "public")).unwrap());
    auth
}

/// Returns a configuration with an ECDSA key only.
pub fn ecdsa(name: &str) -> AuthConfig {
    let mut auth = AuthConfig::default();
    auth.token.ecdsa_public_key = Some(PublicKey::ecdsa(&key(name, "public")).unwrap());
    auth
}

/// Returns a configuration with the Ed25519 key only.
pub fn ed25519() -> AuthConfig {
    let mut auth = AuthConfig::default();
    let pem = key("ed25519", "public");
    auth.token.ed25519_public_key = Some(PublicKey::ed25519(&pem).unwrap());
    auth
}

/// Returns a token of the user `ann` with these claims, signed with the HMAC secret.
pub fn token(claims: &Value) -> String {
    let mut all = json!({"sub": "ann"});
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let key = EncodingKey::from_secret(secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &all, &key).unwrap()
}

/// Returns a token with this header and these claims as text, signed with the HMAC secret.
pub fn signed(header: &str, claims: &str) -> String {
    signed_with(secret().as_bytes(), header, claims)
}

/// Returns a token with this header and these claims as text, signed with HS256.
pub fn signed_with(secret: &[u8], header: &str, claims: &str) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

pub const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

pub fn base64(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// Returns the fault of a connection token.
#[track_caller]
pub fn fault(auth: &AuthConfig, token: &str) -> TokenFault {
    let verified = Verifier::new(auth).connection(token, NOW);
    verified.expect_err("the token is refused")
}

/// Returns the fault of a connection token that can never be valid.
#[track_caller]
pub fn invalid(auth: &AuthConfig, token: &str) -> InvalidToken {
    match fault(auth, token) {
        TokenFault::Invalid(fault) => fault,
        fault => panic!("{fault}"),
    }
}
