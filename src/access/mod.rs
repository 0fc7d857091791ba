//! Access of clients: tokens state who a client is, and the permissions of namespaces what it may
//! do. No clock, no IO. Used by shard threads.
//!
//! ```text
//! verifier   verifies tokens with the keys of the configuration
//! keys       the keys for one kind of token     verified  signatures that were right before
//! key_set    a key set of an issuer    fetched_keys  the key set that a shard holds
//! jws        the parts of a token               members   JSON objects
//! claims     the claims of a token              token     what a verified token contains
//! fault      why a token is refused
//! rules      who may subscribe and publish  service   questions to hooks and key sets
//! hooks      calls and answers of hooks     values    what tokens and answers share
//! ```

mod claims;
mod fault;
mod fetched_keys;
pub mod hooks;
mod jws;
mod key_set;
mod keys;
mod members;
pub mod rules;
mod service;
mod token;
mod values;
mod verified;
mod verifier;

pub use crate::config::HookKind;
pub use fault::{InvalidToken, TokenFault};
pub use key_set::{KeySet, KeySetFault, SkippedKey};
pub use rules::TokenPresence;
pub use service::{
    HookCall, HookResponse, KeySetAnswer, KeySetQuestion, KeySetResponse, ServiceAnswer,
    ServiceQuestion,
};
pub use token::{ConnectionToken, SubscriptionToken, TokenSubscription};
pub use verifier::{TokenKind, UnverifiedToken, Verifier};
