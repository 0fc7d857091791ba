//! Connection tokens: signs them, and configures fanfare with the key that verifies them. Main
//! thread.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::error::BenchError;

/// Seconds until a token expires: longer than any run.
const LIFETIME_S: u64 = 24 * 3600;

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TokenAlgorithm {
    /// A shared secret, HMAC with SHA-256
    Hs256,
    /// A key pair, ECDSA with P-256 and SHA-256
    Es256,
}

impl TokenAlgorithm {
    /// Returns the name of the option's value.
    pub fn label(self) -> &'static str {
        match self {
            Self::Hs256 => "hs256",
            Self::Es256 => "es256",
        }
    }
}

/// Signs tokens with a key that is made for this run.
pub struct TokenSigner {
    header: Header,
    key: EncodingKey,
    expires_s: u64,
    /// The setting of the server with the key that verifies.
    setting: String,
}

impl TokenSigner {
    /// Creates a key.
    pub fn new(algorithm: TokenAlgorithm) -> Result<Self, BenchError> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        let expires_s = unix.map_or(0, |since| since.as_secs()) + LIFETIME_S;
        let (header, key, setting) = match algorithm {
            TokenAlgorithm::Hs256 => {
                let secret = secret()?;
                let key = EncodingKey::from_secret(secret.as_bytes());
                let setting = format!("auth.token.hmac_secret_key={secret}");
                (Algorithm::HS256, key, setting)
            }
            TokenAlgorithm::Es256 => {
                let (key, public) = key_pair()?;
                let setting = format!("auth.token.ecdsa_public_key={public}");
                (Algorithm::ES256, key, setting)
            }
        };
        Ok(Self {
            header: Header::new(header),
            key,
            expires_s,
            setting,
        })
    }

    /// Returns the settings of a server that requires these tokens and allows their users to
    /// subscribe.
    pub fn settings(&self) -> [String; 2] {
        let namespace = "namespace..allow_subscribe_for_client=true".to_owned();
        [self.setting.clone(), namespace]
    }

    /// Returns the connection token of a user.
    pub fn token(&self, user: usize) -> Result<String, BenchError> {
        let claims = json!({ "sub": user.to_string(), "exp": self.expires_s });
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key);
        token.map_err(|error| BenchError::Token(error.to_string()))
    }
}

fn secret() -> Result<String, BenchError> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|error| BenchError::Token(error.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

/// Creates a key pair. Returns the private key, and the public key in PEM.
fn key_pair() -> Result<(EncodingKey, String), BenchError> {
    let error = |text: String| BenchError::Token(text);
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new());
    let document = document.map_err(|unspecified| error(unspecified.to_string()))?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref());
    let pair = pair.map_err(|rejected| error(rejected.to_string()))?;
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key());
    let public = public.map_err(|unspecified| error(unspecified.to_string()))?;
    let public = STANDARD.encode(public.as_ref());
    let (first, second) = public.split_at(public.len().min(64));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{first}\n{second}\n-----END PUBLIC KEY-----");
    Ok((EncodingKey::from_ec_der(document.as_ref()), pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_three_parts_and_differ_by_user() {
        for algorithm in [TokenAlgorithm::Hs256, TokenAlgorithm::Es256] {
            let signer = TokenSigner::new(algorithm).unwrap();
            let [one, other] = [1, 2].map(|user| signer.token(user).unwrap());
            assert!(one.split('.').count() == 3 && one != other);
            assert!(signer.settings()[0].starts_with("auth.token."));
        }
    }
}
