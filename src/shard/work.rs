//! The outcome of a part of a turn. Used on the shard thread.

/// Whether a part of a turn found work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Done,
    None,
}
