//! Verifies tokens with the keys of the configuration. Shard threads.

use super::claims::Claims;
use super::fault::TokenFault;
use super::keys::Keyring;
use super::service::{KeySetAnswer, ServiceQuestion};
use super::token::{ConnectionToken, SubscriptionToken};
use crate::config::{AuthConfig, HttpUrl};

/// Which keys verify a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    Connection,
    Subscription,
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

    /// Returns the estimated time of a verification, by the algorithm that the header names: 1 us
    /// for a token that is malformed or was verified before.
    pub fn cost_us(&self, token: &str, kind: TokenKind) -> u32 {
        self.keys(kind).cost_us(token)
    }

    /// Returns the question to ask for a token with the fault [`TokenFault::KeyNeeded`].
    pub fn question(&self, token: &str, kind: TokenKind) -> Option<ServiceQuestion> {
        let question = self.keys(kind).question(token);
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

    /// Returns whether the keys for a kind of token are in the key set at `url`.
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

    /// Verifies a connection token at the time `unix_s`. Other faults are returned before the
    /// expiry, because a client fetches another token if its token has expired.
    pub fn connection(&mut self, token: &str, unix_s: u64) -> Result<ConnectionToken, TokenFault> {
        let keys = &mut self.connection;
        let json = keys.verify(token, unix_s)?;
        let claims = Claims::parse(&json, &keys.rules)?;
        let in_time = claims.check_time(unix_s);
        let token = claims.connection()?;
        in_time.map(|()| token)
    }

    /// Verifies a subscription token at the time `unix_s`.
    pub fn subscription(
        &mut self,
        token: &str,
        unix_s: u64,
    ) -> Result<SubscriptionToken, TokenFault> {
        let keys = self.subscription.as_mut().unwrap_or(&mut self.connection);
        let json = keys.verify(token, unix_s)?;
        let claims = Claims::parse(&json, &keys.rules)?;
        let in_time = claims.check_time(unix_s);
        let token = claims.subscription()?;
        in_time.map(|()| token)
    }
}
