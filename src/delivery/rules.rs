//! What the data path needs to know of a topic's namespace. Every core.

use crate::config::{Namespace, PayloadKind, SlowPolicy};

/// What a topic's namespace says about its broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceRules {
    pub kind: PayloadKind,
    /// They may be compressed.
    pub deflates: bool,
    /// Publications that came together may share one.
    pub joins: bool,
}

impl From<&Namespace> for NamespaceRules {
    fn from(namespace: &Namespace) -> Self {
        Self {
            kind: namespace.payload,
            deflates: namespace.deflate,
            // Of a topic that conflates each publication must be able to go by itself.
            joins: namespace.slow != SlowPolicy::Conflate,
        }
    }
}
