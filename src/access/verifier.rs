//! Verifies tokens with the keys of the configuration. Shard threads.

use std::mem;

use super::claims::Claims;
use super::fault::{InvalidToken, TokenFault};
use super::jws::Jws;
use super::keys::Keyring;
use super::service::{KeySetAnswer, ServiceQuestion};
use super::token::{ConnectionToken, SubscriptionToken};
use crate::config::{AuthConfig, HttpUrl};
use crate::limits::TOKEN_MINIMUM_US;

/// Which keys verify a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Connection,
    Subscription,
}

/// A token that was read and not verified.
pub struct UnverifiedToken<'a>(Result<Jws<'a>, InvalidToken>);

impl<'a> UnverifiedToken<'a> {
    /// Reads a token. One that is malformed is refused when it is verified.
    pub fn read(token: &'a str) -> Self {
        Self(Jws::parse(token))
    }

    fn jws(&self) -> Result<&Jws<'a>, InvalidToken> {
        self.0.as_ref().map_err(|fault| *fault)
    }
}

/// Verifies tokens with the keys of one configuration. Each shard has its own. It remembers which
/// signatures were right, so a changed configuration needs a new one.
pub struct Verifier {
    connection: Keyring,
    /// `None` if connection tokens and subscription tokens have the same keys.
    subscription: Option<Keyring>,
}

impl Verifier {
    /// Creates a verifier. The keys were checked when the configuration was loaded.
    pub fn new(config: &AuthConfig) -> Self {
        Self {
            connection: Keyring::new(config.connection_keys()),
            subscription: config.subscription_keys().map(Keyring::new),
        }
    }

    /// Takes the keys of another configuration. A key set that was fetched is kept if its URL is
    /// the same, because the issuer may not respond now. All signatures are checked again.
    pub fn reconfigure(&mut self, config: &AuthConfig) {
        let old = mem::replace(self, Self::new(config));
        let new = [Some(&mut self.connection), self.subscription.as_mut()];
        for keys in new.into_iter().flatten() {
            keys.keep_key_set(&old.connection);
            if let Some(subscription) = &old.subscription {
                keys.keep_key_set(subscription);
            }
        }
    }

    /// Returns the estimated time of a verification, by the algorithm that the header names: 1 us
    /// for a token that is malformed or was verified before.
    pub fn cost_us(&self, token: &UnverifiedToken<'_>, kind: TokenKind) -> u32 {
        let jws = token.jws();
        jws.map_or(TOKEN_MINIMUM_US, |jws| self.keys(kind).cost_us(jws))
    }

    /// Returns the question to ask for a token with the fault [`TokenFault::KeyNeeded`].
    pub fn question(
        &self,
        token: &UnverifiedToken<'_>,
        kind: TokenKind,
    ) -> Option<ServiceQuestion> {
        let question = self.keys(kind).question(token.jws().ok()?);
        question.map(ServiceQuestion::KeySet)
    }

    /// Takes the answer to a question at the time `unix_s`. Tokens are then verified again; if one
    /// still needs a key, [`TokenFault::after`] is its fault.
    pub fn accept(&mut self, answer: &KeySetAnswer, unix_s: u64) {
        self.connection.accept(answer, unix_s);
        if let Some(keys) = &mut self.subscription {
            keys.accept(answer, unix_s);
        }
    }

    /// Returns whether the key set at `url` verifies connection tokens or subscription tokens.
    pub fn has_key_set(&self, url: &HttpUrl) -> bool {
        let mut keyrings = [Some(&self.connection), self.subscription.as_ref()].into_iter();
        keyrings.any(|keys| keys.is_some_and(|keys| keys.has_key_set(url)))
    }

    fn keys(&self, kind: TokenKind) -> &Keyring {
        match kind {
            TokenKind::Connection => &self.connection,
            TokenKind::Subscription => self.subscription.as_ref().unwrap_or(&self.connection),
        }
    }

    /// Reads and verifies a connection token. See [`verify_connection`](Self::verify_connection).
    pub fn connection(&mut self, token: &str, unix_s: u64) -> Result<ConnectionToken, TokenFault> {
        self.verify_connection(&UnverifiedToken::read(token), unix_s)
    }

    /// Reads and verifies a subscription token.
    pub fn subscription(
        &mut self,
        token: &str,
        unix_s: u64,
    ) -> Result<SubscriptionToken, TokenFault> {
        self.verify_subscription(&UnverifiedToken::read(token), unix_s)
    }

    /// Verifies a connection token at the time `unix_s`. Other faults are returned before the
    /// expiry, because a client fetches another token if its token has expired.
    pub fn verify_connection(
        &mut self,
        token: &UnverifiedToken<'_>,
        unix_s: u64,
    ) -> Result<ConnectionToken, TokenFault> {
        let keys = &mut self.connection;
        let json = keys.verify(token.jws()?, unix_s)?;
        let claims = Claims::parse(&json, &keys.rules)?;
        let in_time = claims.check_time(unix_s);
        let token = claims.connection()?;
        in_time.map(|()| token)
    }

    /// Verifies a subscription token at the time `unix_s`.
    pub fn verify_subscription(
        &mut self,
        token: &UnverifiedToken<'_>,
        unix_s: u64,
    ) -> Result<SubscriptionToken, TokenFault> {
        let keys = self.subscription.as_mut().unwrap_or(&mut self.connection);
        let json = keys.verify(token.jws()?, unix_s)?;
        let claims = Claims::parse(&json, &keys.rules)?;
        let in_time = claims.check_time(unix_s);
        let token = claims.subscription()?;
        in_time.map(|()| token)
    }
}
