//! How the file descriptors of the process are divided between its connections and everything
//! else. The engine uses it at start, the doctor for its advice.

use crate::limits::{OWN_DESCRIPTORS, OWN_DESCRIPTORS_PER_SHARD, REFUSAL_SOCKETS};

/// The descriptors that the process may open, and those of them that are not for connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorBudget {
    limit: u64,
    reserved: u64,
}

/// The descriptor limit leaves no room for a single connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "RLIMIT_NOFILE is {limit}, too few for the process itself: raise LimitNOFILE (ulimit -n) above \
     {reserved}"
)]
pub struct TooFewDescriptors {
    pub limit: u64,
    pub reserved: u64,
}

impl DescriptorBudget {
    /// Divides `limit` descriptors of a process with so many shards and at most so many requests to
    /// hooks at a time. Requests get a quarter of the descriptors at most, so that a process with
    /// few of them accepts connections too.
    pub fn new(limit: u64, shards: usize, requests: u64) -> Self {
        let reserved = Self::reserved_for(shards) + requests.min(limit / 4);
        Self { limit, reserved }
    }

    /// Returns the number of descriptors that a process with so many shards needs beside its
    /// connections.
    pub fn reserved_for(shards: usize) -> u64 {
        (OWN_DESCRIPTORS + REFUSAL_SOCKETS + shards * OWN_DESCRIPTORS_PER_SHARD) as u64
    }

    /// Returns the number of descriptors that the process may open.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns the number of descriptors that are not for connections.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Checks that at least one connection fits.
    pub fn check(&self) -> Result<(), TooFewDescriptors> {
        if self.limit > self.reserved {
            return Ok(());
        }
        let Self { limit, reserved } = *self;
        Err(TooFewDescriptors { limit, reserved })
    }

    /// Returns the number of connections that fit, at least 1.
    pub fn room(&self) -> u64 {
        self.limit.saturating_sub(self.reserved).max(1)
    }

    /// Returns the limit on connections: `configured` (`ws.max_connections`), but not more than
    /// fit.
    pub fn max_connections(&self, configured: Option<usize>) -> usize {
        let room = usize::try_from(self.room()).unwrap_or(usize::MAX);
        configured.map_or(room, |configured| configured.min(room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_get_what_the_process_does_not_need() {
        let reserved = DescriptorBudget::reserved_for(2);
        assert_eq!(reserved, 64 + 64 + 2 * 16);
        let budget = DescriptorBudget::new(reserved + 100, 2, 0);
        assert_eq!(budget.check(), Ok(()));
        assert_eq!(
            (budget.limit(), budget.reserved()),
            (reserved + 100, reserved)
        );
        let limits = [None, Some(40), Some(400)].map(|it| budget.max_connections(it));
        assert_eq!(limits, [100, 40, 100]);
    }

    #[test]
    fn requests_to_hooks_get_a_quarter_at_most() {
        let reserved = DescriptorBudget::reserved_for(1);
        let many = DescriptorBudget::new(20_000, 1, 256);
        assert_eq!(many.room(), 20_000 - reserved - 256);
        let few = DescriptorBudget::new(1_000, 1, 256);
        assert_eq!(few.room(), 750 - reserved);
    }

    #[test]
    fn too_few_descriptors_are_an_error() {
        let budget = DescriptorBudget::new(DescriptorBudget::reserved_for(1), 1, 0);
        let error = budget.check().unwrap_err().to_string();
        assert!(
            error.starts_with("RLIMIT_NOFILE is 144, too few"),
            "{error}"
        );
        assert_eq!(budget.room(), 1);
        assert_eq!(DescriptorBudget::new(u64::MAX, 1, 0).room(), u64::MAX - 144);
    }
}
