//! Keys that verify tokens of clients. Parsed when the configuration is read; used on shards.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
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

const ED25519_BYTES: usize = 32;

/// A key in the form in which it verifies signatures.
#[derive(Clone)]
pub enum SignatureKey {
    /// Of RSA or Ed25519.
    Encoded(DecodingKey),
    /// Of HMAC, for one hash function. It contains the hash of the secret, which is the same for
    /// all tokens.
    Hmac(Arc<hmac::Key>),
    /// Of ECDSA. The check that the point is on the curve takes one or two microseconds. It is done
    /// once, when the key is parsed.
    Ecdsa(Arc<ParsedPublicKey>),
}

/// A public key, with the algorithms that it is used with. The algorithms follow from the key, so
/// that a token cannot choose them.
#[derive(Clone)]
pub struct PublicKey {
    /// The bytes that the key was made of.
    source: Box<[u8]>,
    algorithms: &'static [Algorithm],
    key: SignatureKey,
    /// The length of an RSA key, otherwise 0.
    rsa_bits: u32,
}

const RSA_ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

impl PublicKey {
    /// Parses an RSA key. Errors of this function and the next ones complete the sentence
    /// "the key ...".
    pub fn rsa(pem: &str) -> Result<Self, &'static str> {
        check_tag(pem)?;
        let key = DecodingKey::from_rsa_pem(pem.as_bytes());
        let key = key.map_err(|_| "is not an RSA public key in PEM")?;
        let bits = RsaParameters::public_modulus_len(bytes(&key));
        let bits = bits.map_err(|_| "is not an RSA public key in PEM")?;
        check_rsa_bits(bits)?;
        let key = Self::encoded(pem.as_bytes(), RSA_ALGORITHMS, key);
        Ok(Self {
            rsa_bits: bits,
            ..key
        })
    }

    /// Creates an RSA key from the modulus and the exponent, big-endian.
    pub fn from_rsa_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, &'static str> {
        let modulus = without_zeros(modulus);
        let exponent = without_zeros(exponent);
        let unused_bits = modulus.first().map_or(0, |byte| byte.leading_zeros());
        let bits = (modulus.len() * 8) as u32 - unused_bits;
        check_rsa_bits(bits)?;
        let is_odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
        // With the exponent 1, every text is a signature of itself.
        if !is_odd || exponent == [1] || exponent.len() > size_of::<u32>() {
            return Err("has an exponent that is even, 1, or longer than 32 bits");
        }
        let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
        Ok(Self {
            rsa_bits: bits,
            ..Self::encoded(&[modulus, exponent].concat(), RSA_ALGORITHMS, key)
        })
    }

    /// Creates an ECDSA key from the coordinates of its point, whose lengths determine the curve.
    pub fn from_ecdsa_point(x: &[u8], y: &[u8]) -> Result<Self, &'static str> {
        const UNCOMPRESSED: &[u8] = &[4];
        let point = [UNCOMPRESSED, x, y].concat();
        let key = DecodingKey::from_ec_der(&point);
        Self::from_ecdsa(&key, &point, "is not a point of the curve P-256 or P-384")
    }

    /// Creates an Ed25519 key.
    pub fn from_ed25519_bytes(key: &[u8]) -> Result<Self, &'static str> {
        if key.len() != ED25519_BYTES {
            return Err("is not an Ed25519 key of 32 bytes");
        }
        let source = key;
        let key = DecodingKey::from_ed_der(key);
        Ok(Self::encoded(source, &[Algorithm::EdDSA], key))
    }

    /// Returns the key for one of its algorithms only.
    pub fn only_for(mut self, algorithm: Algorithm) -> Option<Self> {
        let index = self.algorithms.iter().position(|each| *each == algorithm)?;
        self.algorithms = &self.algorithms[index..=index];
        Some(self)
    }

    /// Parses an ECDSA key on the curve P-256 or P-384.
    pub fn ecdsa(pem: &str) -> Result<Self, &'static str> {
        check_tag(pem)?;
        let key = DecodingKey::from_ec_pem(pem.as_bytes());
        let key = key.map_err(|_| "is not an ECDSA public key in PEM")?;
        let fault = "is on a curve that is not supported; use P-256 (ES256) or P-384 (ES384)";
        Self::from_ecdsa(&key, pem.as_bytes(), fault)
    }

    fn from_ecdsa(
        key: &DecodingKey,
        source: &[u8],
        fault: &'static str,
    ) -> Result<Self, &'static str> {
        let on = |curve| ParsedPublicKey::new(curve, bytes(key));
        let (algorithms, key): (&[Algorithm], _) = if let Ok(key) = on(&ECDSA_P256_SHA256_FIXED) {
            (&[Algorithm::ES256], key)
        } else if let Ok(key) = on(&ECDSA_P384_SHA384_FIXED) {
            (&[Algorithm::ES384], key)
        } else {
            return Err(fault);
        };
        let key = SignatureKey::Ecdsa(Arc::new(key));
        Ok(Self::new(source, algorithms, key))
    }

    /// Parses an Ed25519 key.
    pub fn ed25519(pem: &str) -> Result<Self, &'static str> {
        check_tag(pem)?;
        let key = DecodingKey::from_ed_pem(pem.as_bytes()).ok();
        let key = key.filter(|key| bytes(key).len() == ED25519_BYTES);
        let key = key.ok_or("is not an Ed25519 public key in PEM")?;
        Ok(Self::encoded(pem.as_bytes(), &[Algorithm::EdDSA], key))
    }

    fn encoded(source: &[u8], algorithms: &'static [Algorithm], key: DecodingKey) -> Self {
        Self::new(source, algorithms, SignatureKey::Encoded(key))
    }

    fn new(source: &[u8], algorithms: &'static [Algorithm], key: SignatureKey) -> Self {
        Self {
            source: source.into(),
            algorithms,
            key,
            rsa_bits: 0,
        }
    }

    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }

    pub fn key(&self) -> &SignatureKey {
        &self.key
    }

    /// Returns the length of an RSA key, otherwise 0.
    pub fn rsa_bits(&self) -> u32 {
        self.rsa_bits
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.algorithms == other.algorithms && self.source == other.source
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

fn check_rsa_bits(bits: u32) -> Result<(), &'static str> {
    match bits {
        ..limits::RSA_KEY_BITS_MIN => Err("is shorter than 2048 bits; make a longer one"),
        limits::RSA_KEY_BITS_MIN..=limits::RSA_KEY_BITS_MAX => Ok(()),
        _ => Err("is longer than 8192 bits; make a shorter one"),
    }
}

/// Returns a number without leading bytes that are zero.
fn without_zeros(number: &[u8]) -> &[u8] {
    let begin = number.iter().position(|byte| *byte != 0);
    &number[begin.unwrap_or(number.len())..]
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
