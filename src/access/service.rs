//! Questions to services outside the process: HTTP hooks and key sets. Shard threads ask, the
//! service thread answers.

use std::sync::Arc;
use std::time::Duration;

use super::key_set::KeySet;
use crate::config::{HookKind, HttpUrl};

/// A question whose answer needs a request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceQuestion {
    /// Call a hook of the back end.
    Hook(HookCall),
    /// Get a key set, which should have a certain key.
    KeySet(KeySetQuestion),
}

impl ServiceQuestion {
    /// Returns the bytes that the question keeps allocated.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Hook(call) => {
                let headers = call.headers.iter();
                let lengths = headers.map(|(name, value)| name.len() + value.len());
                call.body.len() + lengths.sum::<usize>()
            }
            Self::KeySet(question) => question.key_id.len(),
        }
    }
}

/// The answer to a [`ServiceQuestion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAnswer {
    Hook(HookResponse),
    KeySet(KeySetAnswer),
}

impl ServiceAnswer {
    /// Returns the bytes that the answer keeps allocated.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Hook(HookResponse::Complete { body, .. }) => body.len(),
            // A key set is shared by all shards.
            Self::Hook(HookResponse::Failed) | Self::KeySet(_) => 0,
        }
    }
}

/// One call of a hook: `POST` of a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCall {
    pub kind: HookKind,
    /// The JSON document.
    pub body: Vec<u8>,
    /// Headers of the client's request that are forwarded: lower-case names, and values.
    pub headers: Vec<(Box<str>, Box<str>)>,
}

/// The response of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookResponse {
    /// A complete response over HTTP, of any status. The body is at most
    /// [`HOOK_RESPONSE_BYTES`](crate::limits::HOOK_RESPONSE_BYTES) long and not checked.
    Complete { status: u16, body: Vec<u8> },
    /// No complete response in time. The service thread has logged and counted the reason.
    Failed,
}

/// The question for a key set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetQuestion {
    pub url: HttpUrl,
    /// The key that the shard needs. If it is not in a key set that was fetched a while ago, the
    /// key set is fetched again.
    pub key_id: Box<str>,
}

/// The answer to a [`KeySetQuestion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetAnswer {
    pub url: HttpUrl,
    pub response: KeySetResponse,
}

/// The key set of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetResponse {
    /// The newest key set. It may lack the key in question.
    Fetched {
        key_set: Arc<KeySet>,
        /// The time since it was fetched.
        age: Duration,
    },
    /// The newest key set, which lacks the key in question and was fetched too recently to be
    /// fetched again. The issuer may have added the key since.
    Paused {
        key_set: Arc<KeySet>,
        /// The time since it was fetched.
        age: Duration,
    },
    /// The key set cannot be fetched. The service thread has logged and counted the reason.
    Unavailable,
}
