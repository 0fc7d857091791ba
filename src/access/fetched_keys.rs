//! The key set that a shard holds, how old it is, and when the shard asks for it again. Shard
//! threads.

use std::sync::Arc;

use super::fault::{InvalidToken, TokenFault};
use super::jws::Jws;
use super::key_set::KeySet;
use super::service::{KeySetAnswer, KeySetQuestion, KeySetResponse};
use crate::config::{HttpUrl, PublicKey};
use crate::limits::{KEY_ID_BYTES, KEY_SET_AGE, KEY_SET_AGE_MAX, KEY_SET_ASK_INTERVAL};

/// The key set of one URL. Tokens name its keys by `kid`.
pub(super) struct FetchedKeys {
    url: HttpUrl,
    held: Option<HeldKeySet>,
}

/// Times are Unix seconds, as those of tokens. If the clock is set back, the shard asks again.
#[derive(Clone)]
struct HeldKeySet {
    key_set: Arc<KeySet>,
    fetched_at_s: u64,
    /// When the shard asks again, whatever key a token names.
    ask_at_s: u64,
}

/// Whether an answer has changed the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyChange {
    None,
    Changed,
}

impl KeyChange {
    pub(super) fn is_changed(self) -> bool {
        self == Self::Changed
    }
}

impl FetchedKeys {
    pub(super) fn new(url: HttpUrl) -> Self {
        Self { url, held: None }
    }

    /// Takes over what was fetched before a reload, if the URL is the same.
    pub(super) fn keep(&mut self, before: &Self) {
        if self.url == before.url && self.held.is_none() {
            self.held.clone_from(&before.held);
        }
    }

    pub(super) fn is_at(&self, url: &HttpUrl) -> bool {
        self.url == *url
    }

    /// Checks that the key set that is held may be used and has the key that a token names.
    pub(super) fn check_key(&self, jws: &Jws<'_>, unix_s: u64) -> Result<(), TokenFault> {
        let id = key_id(jws).ok_or(InvalidToken::KeyId)?;
        let held = self.held.as_ref().ok_or(TokenFault::KeyNeeded)?;
        let is_recent = (held.fetched_at_s..held.ask_at_s).contains(&unix_s);
        if is_recent && held.key_set.contains(id) {
            Ok(())
        } else {
            Err(TokenFault::KeyNeeded)
        }
    }

    /// Returns the keys that may verify a token.
    pub(super) fn of(&self, jws: &Jws<'_>) -> impl Iterator<Item = &PublicKey> {
        let held = self.held.as_ref().zip(key_id(jws));
        let keys = held.map(|(held, id)| held.key_set.keys_of(id));
        let algorithm = jws.algorithm;
        keys.into_iter()
            .flatten()
            .filter(move |key| key.algorithms().contains(&algorithm))
    }

    pub(super) fn question(&self, jws: &Jws<'_>) -> Option<KeySetQuestion> {
        Some(KeySetQuestion {
            url: self.url.clone(),
            key_id: key_id(jws)?.into(),
        })
    }

    /// Takes an answer for this URL.
    pub(super) fn accept(&mut self, answer: &KeySetAnswer, unix_s: u64) -> KeyChange {
        if answer.url != self.url {
            return KeyChange::None;
        }
        match &answer.response {
            KeySetResponse::Fetched { key_set, age } | KeySetResponse::Paused { key_set, age } => {
                let fetched_at_s = unix_s.saturating_sub(age.as_secs());
                let before = self.held.replace(HeldKeySet {
                    key_set: Arc::clone(key_set),
                    fetched_at_s,
                    ask_at_s: fetched_at_s + KEY_SET_AGE.as_secs(),
                });
                match before {
                    Some(before) if before.key_set == *key_set => KeyChange::None,
                    Some(_) | None => KeyChange::Changed,
                }
            }
            KeySetResponse::Unavailable => self.keep_for_now(unix_s),
        }
    }

    /// Uses the key set some more time, if it is not too old.
    fn keep_for_now(&mut self, unix_s: u64) -> KeyChange {
        let Some(held) = &mut self.held else {
            return KeyChange::None;
        };
        let end_s = held.fetched_at_s + KEY_SET_AGE_MAX.as_secs();
        if !(held.fetched_at_s..end_s).contains(&unix_s) {
            self.held = None;
            return KeyChange::Changed;
        }
        let ask_at_s = (unix_s + KEY_SET_ASK_INTERVAL.as_secs()).min(end_s);
        held.ask_at_s = held.ask_at_s.max(ask_at_s);
        KeyChange::None
    }
}

/// Returns the key id of a token, if a key can have it.
fn key_id<'a>(jws: &'a Jws<'_>) -> Option<&'a str> {
    let id = jws.key_id.as_deref()?;
    (1..=KEY_ID_BYTES).contains(&id.len()).then_some(id)
}
