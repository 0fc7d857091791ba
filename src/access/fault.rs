//! Why a token is refused. Shard threads.

use super::service::KeySetResponse;

/// Why a token is refused. It contains no part of the token, so that it can be logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFault {
    /// The signature is right, but the token is not valid now (`exp`, `nbf`). The client should
    /// fetch another one.
    #[error("the token has expired or is not valid yet")]
    Expired,
    #[error(transparent)]
    Invalid(#[from] InvalidToken),
    /// The key set is not at hand or too old, or lacks the key of the token.
    /// [`Verifier::question`](super::Verifier::question) is to be asked, and the token to be
    /// verified again with the answer.
    #[error("the key of the token has to be fetched")]
    KeyNeeded,
    /// The key of the token may exist, but the key set cannot be fetched. The client may try again.
    #[error("the key set cannot be fetched, so the token cannot be verified now")]
    KeysUnavailable,
}

/// Why a token can never be valid with the keys that are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InvalidToken {
    #[error("the token is longer than {} bytes", crate::limits::TOKEN_BYTES)]
    TooLong,
    #[error("the token does not consist of three parts in base64url without padding")]
    Malformed,
    #[error("the header of the token is not a JSON object with `alg`, or names a member twice")]
    Header,
    #[error("the header of the token has `crit`, and no extension is supported")]
    Critical,
    #[error(
        "no key for the algorithm of the token is configured; set a key of [auth.token] or \
         [auth.subscription_token]"
    )]
    Algorithm,
    #[error("the signature of the token does not match a key that is configured")]
    Signature,
    #[error("the header of the token has no `kid` that names a key of the key set")]
    KeyId,
    #[error("the key set does not have the key that the token names")]
    UnknownKey,
    #[error("the claims of the token are not a JSON object, nest too deep, or name a claim twice")]
    Claims,
    #[error("the claim of the token that contains the user is not text")]
    User,
    #[error("the claim `{0}` of the token has a value that is not allowed")]
    Claim(&'static str),
    #[error("the claim `aud` of the token does not contain the audience that is configured")]
    Audience,
    #[error("the claim `iss` of the token is not the issuer that is configured")]
    Issuer,
    #[error("the token is for a subscription, not for a connection")]
    NotForConnection,
    #[error("the token is for a connection, not for a subscription: it has no claim `channel`")]
    NotForSubscription,
}

impl TokenFault {
    /// Returns the fault of a token whose key is still needed after the answer. `None` is no answer
    /// in time.
    pub fn after(answer: Option<&KeySetResponse>) -> Self {
        match answer {
            Some(KeySetResponse::Fetched { .. }) => InvalidToken::UnknownKey.into(),
            Some(KeySetResponse::Paused { .. } | KeySetResponse::Unavailable) | None => {
                Self::KeysUnavailable
            }
        }
    }

    /// Returns the name of the fault as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::KeyNeeded => "key_needed",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Invalid(fault) => fault.name(),
        }
    }
}

impl InvalidToken {
    /// Returns the name of the fault as a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Header => "header",
            Self::Critical => "critical",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::KeyId => "key_id",
            Self::UnknownKey => "unknown_key",
            Self::Claims => "claims",
            Self::User => "user",
            Self::Claim(_) => "claim",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::NotForConnection => "not_for_connection",
            Self::NotForSubscription => "not_for_subscription",
        }
    }
}
