//! Key sets: the public keys of an issuer of tokens, as a document in JSON (RFC 7517, RFC 8037).
//! Parsed on the service thread, used by shard threads.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::members::Members;
use crate::config::PublicKey;
use crate::limits::{KEY_ID_BYTES, KEY_SET_KEYS};

/// The usable keys of one document. A key belongs to the algorithms that follow from its type, or
/// to one of them if the key names it, whatever the header of a token names.
#[derive(Clone)]
pub struct KeySet {
    keys: Vec<KeyOfSet>,
    /// Of the document. Another document counts as a change of the keys.
    digest: [u8; SHA256_OUTPUT_LEN],
}

#[derive(Clone)]
struct KeyOfSet {
    id: Box<str>,
    key: PublicKey,
}

/// Why a document is not a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    #[error("it is not a JSON object with the list `keys`")]
    Malformed,
    #[error("it has {0} keys, more than {KEY_SET_KEYS}")]
    TooManyKeys(usize),
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// The position in the document, from 0.
    pub index: usize,
    /// Completes the sentence "the key ...".
    pub fault: &'static str,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// Parses a document. Keys that cannot be used are returned with the reason, because an issuer
    /// may publish keys for other purposes in the same document.
    pub fn parse(document: &[u8]) -> Result<(Self, Vec<SkippedKey>), KeySetFault> {
        let Document { keys: found } =
            serde_json::from_slice(document).map_err(|_| KeySetFault::Malformed)?;
        if found.len() > KEY_SET_KEYS {
            return Err(KeySetFault::TooManyKeys(found.len()));
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, json) in found.into_iter().enumerate() {
            match parse_key(json.get().as_bytes()) {
                Ok(key) => keys.push(key),
                Err(fault) => skipped.push(SkippedKey { index, fault }),
            }
        }
        let digest = digest(&SHA256, document);
        let digest = digest.as_ref().try_into();
        let digest = digest.expect("the digest has the length of SHA-256");
        Ok((Self { keys, digest }, skipped))
    }

    /// Returns the number of keys that can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns whether there is a key with this id.
    pub fn contains(&self, id: &str) -> bool {
        self.keys_of(id).next().is_some()
    }

    /// Returns the keys with this id. Keys of different types may have the same one.
    pub(super) fn keys_of(&self, id: &str) -> impl Iterator<Item = &PublicKey> {
        let keys = self.keys.iter().filter(move |key| *key.id == *id);
        keys.map(|key| &key.key)
    }
}

/// Compares the documents.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for KeySet {}

impl fmt::Debug for KeySet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} keys", self.keys.len())
    }
}

/// Parses a key. The error completes the sentence "the key ...".
fn parse_key(json: &[u8]) -> Result<KeyOfSet, &'static str> {
    let members = Members::parse(json).ok_or("is not a JSON object, or names a member twice")?;
    let text = |name| {
        members
            .text(name)
            .map_err(|_| "has a member that is not text")
    };
    let id = text("kid")?.unwrap_or_default();
    if id.is_empty() || id.len() > KEY_ID_BYTES {
        return Err("has no `kid`, or one of more than 256 bytes");
    }
    if text("use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("is not for signatures (`use` is not `sig`)");
    }
    let bytes = |name| {
        let text = text(name)?.ok_or("lacks a member of its type")?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes());
        bytes.map_err(|_| "has a member that is not base64url without padding")
    };
    let kind = text("kty")?.unwrap_or_default();
    let curve = text("crv")?.unwrap_or_default();
    let key = match (&*kind, &*curve) {
        ("RSA", _) => PublicKey::from_rsa_numbers(&bytes("n")?, &bytes("e")?)?,
        ("EC", "P-256" | "P-384") => PublicKey::from_ecdsa_point(&bytes("x")?, &bytes("y")?)?,
        ("OKP", "Ed25519") => PublicKey::from_ed25519_bytes(&bytes("x")?)?,
        _ => return Err("has a type that is not supported (RSA, EC P-256, EC P-384, OKP Ed25519)"),
    };
    let key = match text("alg")? {
        None => key,
        Some(name) => {
            let algorithm: Option<Algorithm> = name.parse().ok();
            let key = algorithm.and_then(|algorithm| key.only_for(algorithm));
            key.ok_or("has an `alg` that does not belong to its type")?
        }
    };
    Ok(KeyOfSet { id: id.into(), key })
}
