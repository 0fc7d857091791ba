//! Keys that verify tokens of clients. Parsed when the configuration is read; used on shards.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RsaParameters,
};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::limits;

/// The secret of tokens that are signed with HMAC.
#[derive(Clone, PartialEq, Eq)]
pub struct HmacSecret(Box<[u8]>);

impl HmacSecret {
    /// Parses a secret. The error completes the sentence "the secret ..." and does not contain the
    /// secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is empty; remove the key, or set 32 random bytes or more");
        }
        if text.contains("-----BEGIN ") {
            return Err(
                "is a key in PEM; set it as rsa_public_key, ecdsa_public_key or ed25519_public_key",
            );
        }
        Ok(Self(text.as_bytes().into()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether guessing the secret may be feasible.
    pub fn is_short(&self) -> bool {
        self.0.len() < limits::HMAC_SECRET_BYTES
    }
}

/// Hides the secret, because the configuration may be logged.
impl fmt::Debug for HmacSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

/// A public key, with the algorithms that it is used with. The algorithms follow from the key, so
/// that a token cannot choose them.
#[derive(Clone)]
pub struct PublicKey {
    pem: Box<str>,
    algorithms: &'static [Algorithm],
    key: DecodingKey,
}

impl PublicKey {
    /// Parses an RSA key. Errors of this function and the next ones complete the sentence
    /// "the key ...".
    pub fn rsa(pem: &str) -> Result<Self, &'static str> {
        check_tag(pem)?;
        let key = DecodingKey::from_rsa_pem(pem.as_bytes());
        let key = key.map_err(|_| "is not an RSA public key in PEM")?;
        let bits = RsaParameters::public_modulus_len(bytes(&key));
        match bits.map_err(|_| "is not an RSA public key in PEM")? {
            ..limits::RSA_KEY_BITS_MIN => {
                return Err("is shorter than 2048 bits; make a longer one");
            }
            limits::RSA_KEY_BITS_MIN..=limits::RSA_KEY_BITS_MAX => {}
            _ => return Err("is longer than 8192 bits; make a shorter one"),
        }
        let algorithms = &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ];
        Ok(Self::new(pem, algorithms, key))
    }

    /// Parses an ECDSA key on the curve P-256 or P-384.
    pub fn ecdsa(pem: &str) -> Result<Self, &'static str> {
        check_tag(pem)?;
        let key = DecodingKey::from_ec_pem(pem.as_bytes());
        let key = key.map_err(|_| "is not an ECDSA public key in PEM")?;
        let is_on = |curve| ParsedPublicKey::new(curve, bytes(&key)).is_ok();
        let algorithms: &[Algorithm] = if is_on(&ECDSA_P256_SHA256_FIXED) {
            &[Algorithm::ES256]
        } else if is_on(&ECDSA_P384_SHA384_FIXED) {
            &[Algorithm::ES384]
        } else {
            return Err("is on a curve that is not supported; use P-256 (ES256) or P-384 (ES384)");
        };
        Ok(Self::new(pem, algorithms, key))
    }

    /// Parses an Ed25519 key.
    pub fn ed25519(pem: &str) -> Result<Self, &'static str> {
        const BYTES: usize = 32;
        check_tag(pem)?;
        let key = DecodingKey::from_ed_pem(pem.as_bytes()).ok();
        let key = key.filter(|key| bytes(key).len() == BYTES);
        let key = key.ok_or("is not an Ed25519 public key in PEM")?;
        Ok(Self::new(pem, &[Algorithm::EdDSA], key))
    }

    fn new(pem: &str, algorithms: &'static [Algorithm], key: DecodingKey) -> Self {
        Self {
            pem: pem.into(),
            algorithms,
            key,
        }
    }

    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }

    pub fn key(&self) -> &DecodingKey {
        &self.key
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithms == other.algorithms && self.pem == other.pem
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

fn bytes(key: &DecodingKey) -> &[u8] {
    key.try_get_as_bytes().unwrap_or_default()
}

/// Refuses PEM that holds something else than a public key.
fn check_tag(pem: &str) -> Result<(), &'static str> {
    let tag = pem.trim_start().strip_prefix("-----BEGIN ");
    let tag = tag.and_then(|rest| rest.split_once("-----"));
    match tag.map(|(tag, _)| tag) {
        Some("PUBLIC KEY" | "RSA PUBLIC KEY") => Ok(()),
        Some("CERTIFICATE") => {
            Err("is a certificate; `openssl x509 -pubkey -noout` prints the public key in it")
        }
        Some(tag) if tag.ends_with("PRIVATE KEY") => Err(
            "is a private key, which only the back end should have; `openssl pkey -pubout` prints \
             its public key",
        ),
        Some(_) | None => Err("does not begin with -----BEGIN PUBLIC KEY-----"),
    }
}
