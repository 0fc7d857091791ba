//! The outcome of a part of a turn. Shard thread.

/// Whether a part of a turn had something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Done,
    None,
}
