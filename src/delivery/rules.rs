//! The rules of a namespace that the data path needs. Ingest core; carried to the shards by
//! broadcasts.

use crate::config::{Namespace, PayloadKind, SlowPolicy};

/// The rules that apply to the publications of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceRules {
    pub payload_kind: PayloadKind,
    /// Publications may be compressed.
    pub may_deflate: bool,
    /// Publications that arrive together may share a broadcast.
    pub may_join: bool,
}

impl From<&Namespace> for NamespaceRules {
    fn from(namespace: &Namespace) -> Self {
        Self {
            payload_kind: namespace.payload,
            may_deflate: namespace.deflate,
            // A topic that conflates replaces single publications in outboxes.
            may_join: namespace.slow != SlowPolicy::Conflate,
        }
    }
}
