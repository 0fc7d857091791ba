//! Questions to services outside the process: HTTP hooks and key sets. Shard threads ask, the
//! service thread answers.

use crate::config::HookKind;

/// A question whose answer needs a request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceQuestion {
    /// Call a hook of the back end.
    Hook(HookCall),
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
        }
    }
}

/// The answer to a [`ServiceQuestion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceAnswer {
    Hook(HookResponse),
}

impl ServiceAnswer {
    /// Returns the bytes that the answer keeps allocated.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Hook(HookResponse::Complete { body, .. }) => body.len(),
            Self::Hook(HookResponse::Failed) => 0,
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
