//! The limit on open client sockets of the process. Shards count, any thread reads.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::hub::SocketAdmission;
use crate::limits::REFUSAL_SOCKETS;

/// Counter of the open sockets of all shards.
#[derive(Debug)]
pub struct SocketLimit {
    open: AtomicUsize,
    max_connections: usize,
}

impl SocketLimit {
    pub(super) fn new(max_connections: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            max_connections,
        }
    }

    /// Counts an accepted socket, unless it is refused.
    pub fn add(&self) -> SocketAdmission {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        if before >= self.max_connections + REFUSAL_SOCKETS {
            self.remove();
            SocketAdmission::Refused
        } else if before >= self.max_connections {
            SocketAdmission::OverLimit
        } else {
            SocketAdmission::Admitted
        }
    }

    /// Subtracts a socket that was counted and is closed.
    pub fn remove(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns the number of open sockets.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns the limit on connections.
    pub fn max_connections(&self) -> usize {
        self.max_connections
    }

    /// Returns whether the limit on connections is reached.
    pub fn is_reached(&self) -> bool {
        self.open() >= self.max_connections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_over_the_limit_are_admitted_for_a_refusal_up_to_a_bound() {
        let limit = SocketLimit::new(2);
        let outcomes: Vec<_> = (0..=2 + REFUSAL_SOCKETS).map(|_| limit.add()).collect();
        assert_eq!(outcomes[..2], [SocketAdmission::Admitted; 2]);
        assert_eq!(
            outcomes[2..2 + REFUSAL_SOCKETS],
            [SocketAdmission::OverLimit; REFUSAL_SOCKETS]
        );
        assert_eq!(outcomes.last(), Some(&SocketAdmission::Refused));
        assert_eq!(
            limit.open(),
            2 + REFUSAL_SOCKETS,
            "a refused socket is not counted"
        );
        for _ in 0..=REFUSAL_SOCKETS {
            limit.remove();
        }
        assert!(!limit.is_reached());
        assert_eq!(limit.add(), SocketAdmission::Admitted);
    }
}
