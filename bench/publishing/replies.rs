//! The replies of the server to publications. Publishing thread.

/// Counts of replies so far. Without `--acknowledged` there are none.
#[derive(Debug, Default)]
pub struct ReplyCounts {
    /// Replies received.
    pub received: u64,
    /// Negative replies, and replies that were not received in time.
    pub rejected: u64,
}
