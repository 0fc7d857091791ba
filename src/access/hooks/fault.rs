//! Faults of hooks. Shard threads.

/// Why a hook has given no answer that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookFault {
    #[error("the hook has not responded")]
    Failed,
    #[error("the hook responded with status {0}; it must be 200, or in hooks.status_to_code")]
    Status(u16),
    #[error("the response of the hook is not a JSON object, or nested too deep")]
    NotAnObject,
    #[error("the response of the hook has no member result, error or disconnect")]
    Empty,
    #[error("in the response of the hook, {0} has the wrong type or a value that is not allowed")]
    Member(&'static str),
    #[error("the connect hook grants more topics than ws.max_topics allows")]
    TooManyTopics,
    #[error("the payload that the publish hook returns is longer than ingest.max_payload")]
    TooLarge,
}

impl HookFault {
    /// Returns the name by which log lines are limited.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "hook_failed",
            Self::Status(_) => "hook_status",
            Self::NotAnObject => "hook_not_an_object",
            Self::Empty => "hook_empty",
            Self::Member(_) => "hook_member",
            Self::TooManyTopics => "hook_too_many_topics",
            Self::TooLarge => "hook_too_large",
        }
    }
}
