//! The contents of verified tokens. Shard threads.

/// A verified connection token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionToken {
    /// `""` is anonymous.
    pub user: Box<str>,
    /// Compact JSON from `info`, or the bytes of `b64info`, which need not be JSON.
    pub info: Option<Box<[u8]>>,
    /// Unix seconds at which the connection expires: `expire_at` if it is given (0 or less: never),
    /// otherwise `exp`.
    pub expires_at_s: Option<u64>,
    /// The topics of `subs`, or otherwise of `channels`. No topic is named twice.
    pub subscriptions: Vec<TokenSubscription>,
}

/// A topic that the server subscribes a connection to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSubscription {
    pub topic: Box<str>,
    pub info: Option<Box<[u8]>>,
    pub data: Option<Box<[u8]>>,
}

/// A verified subscription token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionToken {
    pub user: Box<str>,
    pub topic: Box<str>,
    /// The only connection that may use the token, if it is given.
    pub client: Option<Box<str>>,
    pub info: Option<Box<[u8]>>,
    /// Like [`ConnectionToken::expires_at_s`], for the subscription.
    pub expires_at_s: Option<u64>,
}
