//! Who a client is and what it may do: tokens, and the permissions of namespaces. No clock, no IO.
//! Used by shard threads.
//!
//! ```text
//! verifier   verifies tokens with the keys of the configuration
//! token      what a verified token contains    fault   why a token is refused
//! rules      who may subscribe and publish
//! ```

mod fault;
pub mod rules;
mod token;
mod verifier;

pub use fault::{InvalidToken, TokenFault};
pub use rules::TokenPresence;
pub use token::{ConnectionToken, SubscriptionToken, TokenSubscription};
pub use verifier::{TokenKind, Verifier};
