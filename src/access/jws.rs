//! The parts of a token: a JSON Web Signature in its compact form (RFC 7515). Shard threads.

use std::cell::OnceCell;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, crypto};

use super::fault::InvalidToken;
use super::members::Members;
use super::verified::TokenDigest;
use crate::config::SignatureKey;
use crate::limits;

/// A token whose signature has not been verified.
pub(super) struct Jws<'a> {
    token: &'a str,
    /// Computed when it is first needed.
    digest: OnceCell<TokenDigest>,
    /// The algorithm that the header names. Only a key that belongs to it may verify the token.
    pub(super) algorithm: Algorithm,
    /// The name of the key in a key set. It has no effect on keys of the configuration.
    pub(super) key_id: Option<Box<str>>,
    /// The header and the claims as they were signed.
    message: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    /// Parses a token. Of the header, only `alg`, `crit` and `kid` are read: members that contain a
    /// key or the address of one (`jku`, `jwk`, `x5u`, `x5c`) have no effect.
    pub(super) fn parse(token: &'a str) -> Result<Self, InvalidToken> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(InvalidToken::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(InvalidToken::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(InvalidToken::Malformed)?;
        if claims.contains('.') {
            return Err(InvalidToken::Malformed);
        }
        let header = decode(header)?;
        let header = Members::parse(&header).ok_or(InvalidToken::Header)?;
        if header.has("crit") {
            return Err(InvalidToken::Critical);
        }
        let algorithm = header.text("alg").map_err(|_| InvalidToken::Header)?;
        let algorithm = algorithm.ok_or(InvalidToken::Header)?.parse();
        Ok(Self {
            token,
            digest: OnceCell::new(),
            algorithm: algorithm.map_err(|_| InvalidToken::Algorithm)?,
            key_id: header.text("kid").ok().flatten().map(Into::into),
            message,
            claims,
            signature,
        })
    }

    /// Returns the digest of the whole token.
    pub(super) fn digest(&self) -> &TokenDigest {
        self.digest.get_or_init(|| TokenDigest::of(self.token))
    }

    /// Checks whether the signature was made with this key.
    pub(super) fn check(&self, key: &SignatureKey) -> Result<(), InvalidToken> {
        let message = self.message.as_bytes();
        let is_right = match key {
            SignatureKey::Encoded(key) => {
                crypto::verify(self.signature, message, key, self.algorithm)
                    .map_err(|_| InvalidToken::Malformed)?
            }
            SignatureKey::Hmac(key) => hmac::verify(key, message, &decode(self.signature)?).is_ok(),
            SignatureKey::Ecdsa(key) => key.verify_sig(message, &decode(self.signature)?).is_ok(),
        };
        if is_right {
            Ok(())
        } else {
            Err(InvalidToken::Signature)
        }
    }

    /// Returns the text of the claims.
    pub(super) fn claims(&self) -> Result<Vec<u8>, InvalidToken> {
        decode(self.claims)
    }
}

/// Decodes base64url. Padding, whitespace and bits beyond the last byte are not accepted, so that
/// there is one text for each token.
fn decode(part: &str) -> Result<Vec<u8>, InvalidToken> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| InvalidToken::Malformed)
}
