//! The limit on connections of each user. Shards count, each under the lock of one stripe, when a
//! client connects and when its connection ends. Without a limit nothing is counted.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

use crate::hub::UserAdmission;
use crate::limits::USER_LIMIT_STRIPES;

/// Users, and the number of their connections, at least 1.
type Counts = HashMap<Box<str>, usize, RandomState>;

/// Counter of the connections of each user on all shards. There is an entry for each user with a
/// connection, so that the number of connections bounds the memory.
#[derive(Debug)]
pub struct UserLimit {
    /// Maximum number of connections of a user; 0 if there is no limit.
    max: usize,
    hasher: RandomState,
    /// Empty if there is no limit.
    stripes: Box<[Mutex<Counts>]>,
}

impl UserLimit {
    pub(super) fn new(max: usize) -> Self {
        let stripes = if max == 0 { 0 } else { USER_LIMIT_STRIPES };
        Self {
            max,
            hasher: RandomState::default(),
            stripes: (0..stripes).map(|_| Mutex::default()).collect(),
        }
    }

    /// Counts a connection of a user, unless the user has as many as the limit allows.
    pub fn enter(&self, user: &str) -> UserAdmission {
        let Some(mut counts) = self.stripe(user) else {
            return UserAdmission::Admitted;
        };
        if let Some(count) = counts.get_mut(user) {
            if *count >= self.max {
                return UserAdmission::OverLimit;
            }
            *count += 1;
        } else {
            counts.insert(user.into(), 1);
        }
        UserAdmission::Admitted
    }

    /// Subtracts a connection that was counted and has ended.
    pub fn leave(&self, user: &str) {
        let Some(mut counts) = self.stripe(user) else {
            return;
        };
        if let Some(count) = counts.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(user);
            }
        }
        if counts.is_empty() {
            // The memory of many users is returned.
            *counts = Counts::default();
        }
    }

    /// Locks the counters that a user belongs to; `None` if there is no limit.
    fn stripe(&self, user: &str) -> Option<MutexGuard<'_, Counts>> {
        let hash = self.hasher.hash_one(user);
        let index = hash.checked_rem(self.stripes.len() as u64)?;
        let stripe = self.stripes[index as usize].lock();
        // The counters are right after each step, so that a panic of another shard does not matter.
        Some(stripe.unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn users(limit: &UserLimit) -> usize {
        let stripes = limit.stripes.iter();
        stripes.map(|stripe| stripe.lock().unwrap().len()).sum()
    }

    #[test]
    fn a_user_has_as_many_connections_as_the_limit_allows() {
        let limit = UserLimit::new(2);
        let enter = |user| limit.enter(user);
        assert_eq!([enter("ann"), enter("ann")], [UserAdmission::Admitted; 2]);
        assert_eq!(enter("ann"), UserAdmission::OverLimit);
        assert_eq!(enter("bob"), UserAdmission::Admitted);
        limit.leave("ann");
        assert_eq!(enter("ann"), UserAdmission::Admitted);
        assert_eq!(enter("ann"), UserAdmission::OverLimit);
        for user in ["ann", "ann", "bob"] {
            limit.leave(user);
        }
        assert_eq!(users(&limit), 0);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let limit = UserLimit::new(0);
        for _ in 0..1_000 {
            assert_eq!(limit.enter("ann"), UserAdmission::Admitted);
        }
        limit.leave("ann");
        assert_eq!((limit.stripes.len(), users(&limit)), (0, 0));
    }

    #[test]
    fn shards_that_count_at_the_same_time_agree() {
        const THREADS: usize = 4;
        let limit = UserLimit::new(3);
        let most = Mutex::new(HashMap::<usize, (usize, usize)>::new());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for round in 0..5_000 {
                        let user = round % 7;
                        let name = format!("user {user}");
                        if limit.enter(&name) == UserAdmission::OverLimit {
                            continue;
                        }
                        {
                            let mut most = most.lock().unwrap();
                            let (now, highest) = most.entry(user).or_default();
                            *now += 1;
                            *highest = (*highest).max(*now);
                        }
                        thread::yield_now();
                        most.lock().unwrap().entry(user).or_default().0 -= 1;
                        limit.leave(&name);
                    }
                });
            }
        });
        let most = most.into_inner().unwrap();
        assert!(
            most.values()
                .all(|(now, highest)| *now == 0 && *highest <= 3)
        );
        assert_eq!(users(&limit), 0);
    }
}
