//! The keys for one kind of token, and which algorithm each of them belongs to. Shard threads.

use std::sync::Arc;

use aws_lc_rs::hmac;
use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::claims::ClaimRules;
use super::fault::{InvalidToken, TokenFault};
use super::fetched_keys::FetchedKeys;
use super::jws::Jws;
use super::service::{KeySetAnswer, KeySetQuestion};
use super::verified::VerifiedTokens;
use crate::config::{HmacSecret, HttpUrl, PublicKey, SignatureKey, TokenKeys};
use crate::limits;

/// The keys of one table of the configuration, the signatures that they have verified, and what the
/// claims must contain.
pub(super) struct Keyring {
    keys: KeySource,
    verified: VerifiedTokens,
    pub(super) rules: ClaimRules,
}

enum KeySource {
    Configuration(Vec<VerificationKey>),
    KeySet(FetchedKeys),
}

/// A key with the algorithms that it may verify. They follow from the type of the key, so that the
/// header of a token cannot make a public key an HMAC secret.
struct VerificationKey {
    algorithms: &'static [Algorithm],
    key: SignatureKey,
    rsa_bits: u32,
    /// Unix seconds from which the key is no longer accepted, or 0 for no end.
    until_s: u64,
}

impl VerificationKey {
    fn is_for(&self, algorithm: Algorithm, unix_s: u64) -> bool {
        let is_accepted = self.until_s == 0 || unix_s < self.until_s;
        is_accepted && self.algorithms.contains(&algorithm)
    }
}

impl Keyring {
    pub(super) fn new(config: TokenKeys<'_>) -> Self {
        let keys = match config.key_set {
            Some(url) => KeySource::KeySet(FetchedKeys::new(url.clone())),
            None => KeySource::Configuration(configured(config)),
        };
        Self {
            keys,
            verified: VerifiedTokens::new(),
            rules: ClaimRules::new(config),
        }
    }

    /// Takes over the key set of the keys before a reload, if it is at the same URL.
    pub(super) fn keep_key_set(&mut self, before: &Self) {
        if let (KeySource::KeySet(keys), KeySource::KeySet(before)) = (&mut self.keys, &before.keys)
        {
            keys.keep(before);
        }
    }

    /// Verifies the signature of a token. Returns the text of the claims.
    pub(super) fn verify(&mut self, jws: &Jws<'_>, unix_s: u64) -> Result<Vec<u8>, TokenFault> {
        if let KeySource::KeySet(keys) = &self.keys {
            keys.check_key(jws, unix_s)?;
        }
        if jws.algorithm.family() == AlgorithmFamily::Hmac {
            // SHA-256 of the token would take as long as the signature.
            self.check(jws, unix_s)?;
        } else {
            if !self.verified.contains(jws.digest()) {
                self.check(jws, unix_s)?;
            }
            self.verified.add(*jws.digest());
        }
        Ok(jws.claims()?)
    }

    /// Checks the signature with the keys that belong to the algorithm.
    fn check(&self, jws: &Jws<'_>, unix_s: u64) -> Result<(), InvalidToken> {
        let mut result = Err(InvalidToken::Algorithm);
        let mut check = |key: &SignatureKey| {
            if result.is_err() {
                result = jws.check(key);
            }
        };
        match &self.keys {
            KeySource::Configuration(keys) => keys
                .iter()
                .filter(|each| each.is_for(jws.algorithm, unix_s))
                .for_each(|each| check(&each.key)),
            KeySource::KeySet(keys) => keys.of(jws).for_each(|each| check(each.key())),
        }
        result
    }

    pub(super) fn has_key_set(&self, url: &HttpUrl) -> bool {
        matches!(&self.keys, KeySource::KeySet(keys) if keys.is_at(url))
    }

    /// Returns the question whose answer may bring the key of a token.
    pub(super) fn question(&self, jws: &Jws<'_>) -> Option<KeySetQuestion> {
        match &self.keys {
            KeySource::Configuration(_) => None,
            KeySource::KeySet(keys) => keys.question(jws),
        }
    }

    /// Takes the answer to a question. If the keys have changed, signatures that were right before
    /// are checked again.
    pub(super) fn accept(&mut self, answer: &KeySetAnswer, unix_s: u64) {
        if let KeySource::KeySet(keys) = &mut self.keys
            && keys.accept(answer, unix_s).is_changed()
        {
            self.verified = VerifiedTokens::new();
        }
    }

    /// Returns the estimated time of [`verify`](Self::verify).
    pub(super) fn cost_us(&self, jws: &Jws<'_>) -> u32 {
        let rsa_bits = match &self.keys {
            KeySource::Configuration(keys) => {
                let mut keys = keys.iter();
                let key = keys.find(|key| key.algorithms.contains(&jws.algorithm));
                key.map(|key| key.rsa_bits)
            }
            KeySource::KeySet(keys) => keys.of(jws).next().map(PublicKey::rsa_bits),
        };
        let Some(rsa_bits) = rsa_bits else {
            return limits::TOKEN_MINIMUM_US;
        };
        let is_hmac = jws.algorithm.family() == AlgorithmFamily::Hmac;
        if !is_hmac && self.verified.contains(jws.digest()) {
            return limits::TOKEN_MINIMUM_US;
        }
        cost_of_signature_us(jws.algorithm, rsa_bits)
    }
}

/// Returns the keys that are in the configuration itself.
fn configured(config: TokenKeys<'_>) -> Vec<VerificationKey> {
    let hmac = |secret: &HmacSecret, until_s| {
        let hashes: [(&[Algorithm], _); 3] = [
            (&[Algorithm::HS256], hmac::HMAC_SHA256),
            (&[Algorithm::HS384], hmac::HMAC_SHA384),
            (&[Algorithm::HS512], hmac::HMAC_SHA512),
        ];
        hashes.map(|(algorithms, hash)| VerificationKey {
            algorithms,
            key: SignatureKey::Hmac(Arc::new(hmac::Key::new(hash, secret.as_bytes()))),
            rsa_bits: 0,
            until_s,
        })
    };
    let public = |key: &PublicKey| VerificationKey {
        algorithms: key.algorithms(),
        key: key.key().clone(),
        rsa_bits: key.rsa_bits(),
        until_s: 0,
    };
    let until_s = config.hmac_previous_until_s;
    let current = config.hmac_secret.map(|secret| hmac(secret, 0));
    let previous = config
        .hmac_previous_secret
        .map(|secret| hmac(secret, until_s));
    let public_keys = [config.rsa, config.ecdsa, config.ed25519];
    let public_keys = public_keys.into_iter().flatten().map(public);
    let secrets = current.into_iter().chain(previous).flatten();
    secrets.chain(public_keys).collect()
}

fn cost_of_signature_us(algorithm: Algorithm, rsa_bits: u32) -> u32 {
    match algorithm.family() {
        AlgorithmFamily::Hmac => limits::HMAC_VERIFY_US,
        AlgorithmFamily::Rsa => {
            // The time grows with the square of the length of the key.
            let factor = (rsa_bits / limits::RSA_KEY_BITS_MIN).max(1);
            limits::RSA_2048_VERIFY_US * factor * factor
        }
        AlgorithmFamily::Ec if algorithm == Algorithm::ES384 => limits::ES384_VERIFY_US,
        AlgorithmFamily::Ec => limits::ES256_VERIFY_US,
        AlgorithmFamily::Ed => limits::ED25519_VERIFY_US,
    }
}
