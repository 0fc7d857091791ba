//! Signatures that were verified before, by the digests of their tokens. Shard threads.

use std::collections::HashSet;
use std::mem;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::limits;

/// The SHA-256 digest of a whole token, with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenDigest([u8; SHA256_OUTPUT_LEN]);

impl TokenDigest {
    pub(super) fn of(token: &str) -> Self {
        let digest = digest(&SHA256, token.as_bytes());
        let bytes = digest.as_ref().try_into();
        Self(bytes.expect("the digest has the length of SHA-256"))
    }
}

/// The tokens whose signatures were right. Only a token that the back end has signed gets in, so
/// clients cannot replace the tokens of others. The claims are not kept: they are read and their
/// times are checked at every use, so that no token is valid beyond its `exp`.
pub(super) struct VerifiedTokens {
    newer: DigestSet,
    /// Replaced by `newer` as a whole when that is full.
    older: DigestSet,
    /// Maximum number of tokens in each of the two sets.
    half: usize,
}

type DigestSet = HashSet<TokenDigest, foldhash::fast::RandomState>;

impl VerifiedTokens {
    pub(super) fn new() -> Self {
        Self::with_capacity(limits::VERIFIED_TOKENS)
    }

    fn with_capacity(tokens: usize) -> Self {
        Self {
            newer: DigestSet::default(),
            older: DigestSet::default(),
            half: tokens / 2,
        }
    }

    pub(super) fn contains(&self, token: &TokenDigest) -> bool {
        self.newer.contains(token) || self.older.contains(token)
    }

    /// Adds a token, or makes it one of the newer tokens.
    pub(super) fn add(&mut self, token: TokenDigest) {
        if self.newer.len() >= self.half && !self.newer.contains(&token) {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_tokens_are_forgotten_first_and_used_tokens_stay() {
        let digest = |number: usize| TokenDigest::of(&number.to_string());
        let mut verified = VerifiedTokens::with_capacity(8);
        for number in 0..100 {
            verified.add(digest(number));
            verified.add(digest(0));
            assert!(verified.contains(&digest(0)), "{number}");
            assert!(verified.contains(&digest(number)), "{number}");
            assert!(verified.newer.len() + verified.older.len() <= 8);
        }
        assert!(!verified.contains(&digest(1)));
    }
}
