//! The keys for one kind of token, and which algorithm each of them belongs to. Shard threads.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

use super::claims::ClaimRules;
use super::fault::InvalidToken;
use super::jws::Jws;
use super::verified::{TokenDigest, VerifiedTokens};
use crate::config::{HmacSecret, PublicKey, TokenKeys};
use crate::limits;

/// The keys of one table of the configuration, the signatures that they have verified, and what the
/// claims must contain.
pub(super) struct KeySet {
    keys: Vec<VerificationKey>,
    verified: VerifiedTokens,
    pub(super) rules: ClaimRules,
}

/// A key with the algorithms that it may verify. They follow from the type of the key, so that the
/// header of a token cannot make a public key an HMAC secret.
struct VerificationKey {
    algorithms: &'static [Algorithm],
    key: DecodingKey,
    /// Unix seconds from which the key is no longer accepted, or 0 for no end.
    until_s: u64,
}

impl VerificationKey {
    fn is_for(&self, algorithm: Algorithm, unix_s: u64) -> bool {
        let is_accepted = self.until_s == 0 || unix_s < self.until_s;
        is_accepted && self.algorithms.contains(&algorithm)
    }
}

impl KeySet {
    pub(super) fn new(config: TokenKeys<'_>) -> Self {
        const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        let secret = |secret: &HmacSecret, until_s| VerificationKey {
            algorithms: HMAC,
            key: DecodingKey::from_secret(secret.as_bytes()),
            until_s,
        };
        let public = |key: &PublicKey| VerificationKey {
            algorithms: key.algorithms(),
            key: key.key().clone(),
            until_s: 0,
        };
        let until_s = config.hmac_previous_until_s;
        let current = config.hmac_secret.map(|each| secret(each, 0));
        let previous = config
            .hmac_previous_secret
            .map(|each| secret(each, until_s));
        let public_keys = [config.rsa, config.ecdsa, config.ed25519];
        let public_keys = public_keys.into_iter().flatten().map(public);
        let secrets = current.into_iter().chain(previous);
        Self {
            keys: secrets.chain(public_keys).collect(),
            verified: VerifiedTokens::new(),
            rules: ClaimRules::new(config),
        }
    }

    /// Verifies the signature of a token. Returns the text of the claims.
    pub(super) fn verify(&mut self, token: &str, unix_s: u64) -> Result<Vec<u8>, InvalidToken> {
        let jws = Jws::parse(token)?;
        if jws.algorithm.family() == AlgorithmFamily::Hmac {
            // SHA-256 of the token would take as long as the signature.
            self.check(&jws, unix_s)?;
        } else {
            let digest = TokenDigest::of(token);
            if !self.verified.contains(&digest) {
                self.check(&jws, unix_s)?;
            }
            self.verified.add(digest);
        }
        jws.claims()
    }

    /// Checks the signature with the keys that belong to the algorithm.
    fn check(&self, jws: &Jws<'_>, unix_s: u64) -> Result<(), InvalidToken> {
        let mut result = Err(InvalidToken::Algorithm);
        for each in &self.keys {
            if result.is_err() && each.is_for(jws.algorithm, unix_s) {
                result = jws.check(&each.key);
            }
        }
        result
    }

    /// Returns the estimated time of [`verify`](Self::verify).
    pub(super) fn cost_us(&self, token: &str) -> u32 {
        let Ok(jws) = Jws::parse(token) else {
            return limits::TOKEN_MINIMUM_US;
        };
        let is_for = |key: &&VerificationKey| key.algorithms.contains(&jws.algorithm);
        let Some(key) = self.keys.iter().find(is_for) else {
            return limits::TOKEN_MINIMUM_US;
        };
        let is_hmac = jws.algorithm.family() == AlgorithmFamily::Hmac;
        if !is_hmac && self.verified.contains(&TokenDigest::of(token)) {
            return limits::TOKEN_MINIMUM_US;
        }
        cost_of_signature_us(jws.algorithm, &key.key)
    }
}

fn cost_of_signature_us(algorithm: Algorithm, key: &DecodingKey) -> u32 {
    match algorithm.family() {
        AlgorithmFamily::Hmac => limits::HMAC_VERIFY_US,
        AlgorithmFamily::Rsa => {
            // The time grows with the square of the length of the key.
            let bits = key.try_get_as_bytes().map_or(0, <[u8]>::len) * 8;
            let factor = (bits as u32 / limits::RSA_KEY_BITS_MIN).max(1);
            limits::RSA_2048_VERIFY_US * factor * factor
        }
        AlgorithmFamily::Ec if algorithm == Algorithm::ES384 => limits::ES384_VERIFY_US,
        AlgorithmFamily::Ec => limits::ES256_VERIFY_US,
        AlgorithmFamily::Ed => limits::ED25519_VERIFY_US,
    }
}
