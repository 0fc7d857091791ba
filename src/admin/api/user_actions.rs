//! Sends an action on the connections of a user to every shard, and waits until all have carried it
//! out. Control thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{self, Instant};

use crate::fabric::{Fabric, ShardRequest};
use crate::hub::{ActionOutcome, UserAction};
use crate::limits::USER_ACTION_CALLS;
use crate::protocol::codes::ClientError;

use super::answers::ApiError;

/// Carries out some actions at the same time.
pub(super) struct UserActor {
    fabric: Arc<Fabric>,
    /// How long an action waits for the shards. Also how long it waits for earlier actions.
    timeout: Duration,
    /// One permit for each action that a shard has not completed, so that requests to a shard that
    /// has stopped do not fill its queue.
    permits: Arc<Semaphore>,
}

/// Why an action is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ActionError {
    #[error("others act on users; try again")]
    Busy,
    #[error("shard {shard} did not answer in time; the call may take effect later; try again")]
    Silent { shard: usize },
    #[error(
        "{connections} connections have as many topics as ws.max_topics allows; the others are \
         subscribed"
    )]
    Full { connections: u64 },
}

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        let kind = match error {
            ActionError::Busy => ClientError::TooManyRequests,
            ActionError::Silent { .. } => ClientError::Internal,
            ActionError::Full { .. } => ClientError::LimitExceeded,
        };
        Self::new(kind, error.to_string())
    }
}

impl UserActor {
    pub(super) fn new(fabric: Arc<Fabric>, timeout: Duration) -> Self {
        Self {
            fabric,
            timeout,
            permits: Arc::new(Semaphore::new(USER_ACTION_CALLS)),
        }
    }

    /// Carries out an action on every shard.
    pub(super) async fn carry_out(&self, action: UserAction) -> Result<(), ActionError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = match time::timeout(self.timeout, permit).await {
            Ok(Ok(permit)) => Arc::new(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => return Err(ActionError::Busy),
        };
        let action = Arc::new(action);
        let mut replies = Vec::with_capacity(self.fabric.shards.len());
        for shard in &self.fabric.shards {
            let (reply, receiver) = oneshot::channel();
            let request = ShardRequest::ActOnUser {
                action: Arc::clone(&action),
                reply,
                permit: Arc::clone(&permit),
            };
            replies.push(shard.lane.request(request).is_ok().then_some(receiver));
        }
        drop(permit);
        let deadline = Instant::now() + self.timeout;
        let mut outcome = ActionOutcome::default();
        let mut silent = None;
        for (shard, reply) in replies.into_iter().enumerate() {
            let Some(reply) = reply else {
                silent.get_or_insert(shard);
                continue;
            };
            match time::timeout_at(deadline, reply).await {
                Ok(Ok(ActionOutcome { done, full })) => {
                    outcome.done += done;
                    outcome.full += full;
                }
                Ok(Err(_)) => {} // The shard has ended, and its connections with it.
                Err(_) => {
                    silent.get_or_insert(shard);
                }
            }
        }
        match (silent, outcome.full) {
            (Some(shard), _) => Err(ActionError::Silent { shard }),
            (None, 0) => Ok(()),
            (None, connections) => Err(ActionError::Full { connections }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::thread;

    use crate::fabric::Wake;
    use crate::hub::UserEffect;

    use super::*;

    /// Returns an actor of two shards without a thread.
    fn actor(timeout_ms: u64) -> Arc<UserActor> {
        let wake = || {
            let null = OpenOptions::new().write(true).open("/dev/null");
            Wake::new(null.unwrap())
        };
        let fabric = Fabric::new(vec![wake(), wake()], wake(), 10);
        let timeout = Duration::from_millis(timeout_ms);
        Arc::new(UserActor::new(Arc::new(fabric), timeout))
    }

    fn act(actor: &UserActor) -> Result<(), ActionError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let action = UserAction {
            user: Some("ann".into()),
            client: None,
            effect: UserEffect::Expire,
        };
        runtime.unwrap().block_on(actor.carry_out(action))
    }

    /// Waits for a request to a shard, and returns the sender of its reply.
    fn take(actor: &UserActor, shard: usize) -> oneshot::Sender<ActionOutcome> {
        loop {
            match actor.fabric.shards[shard].lane.pop_request() {
                Some(ShardRequest::ActOnUser { reply, .. }) => return reply,
                Some(other) => panic!("not an action: {other:?}"),
                None => thread::yield_now(),
            }
        }
    }

    #[test]
    fn every_shard_is_asked_and_connections_with_too_many_topics_are_reported() {
        let actor = actor(10_000);
        for (full, expected) in [
            ([0, 0], Ok(())),
            ([1, 2], Err(ActionError::Full { connections: 3 })),
        ] {
            let shards = {
                let actor = Arc::clone(&actor);
                thread::spawn(move || {
                    for (shard, full) in full.into_iter().enumerate() {
                        let reply = take(&actor, shard);
                        reply.send(ActionOutcome { done: 1, full }).unwrap();
                    }
                })
            };
            assert_eq!(act(&actor), expected);
            shards.join().unwrap();
        }
    }

    #[test]
    fn a_shard_that_has_ended_has_no_connections() {
        let actor = actor(10_000);
        let shards = {
            let actor = Arc::clone(&actor);
            thread::spawn(move || (0..2).for_each(|shard| drop(take(&actor, shard))))
        };
        assert_eq!(act(&actor), Ok(()));
        shards.join().unwrap();
    }

    #[test]
    fn a_silent_shard_gets_a_bounded_number_of_requests() {
        let actor = actor(1);
        let silent = Err(ActionError::Silent { shard: 0 });
        for _ in 0..USER_ACTION_CALLS {
            assert_eq!(act(&actor), silent);
        }
        assert_eq!(act(&actor), Err(ActionError::Busy));
        let requests = |shard: usize| {
            let lane = &actor.fabric.shards[shard].lane;
            std::iter::from_fn(|| lane.pop_request()).count()
        };
        assert_eq!([requests(0), requests(1)], [USER_ACTION_CALLS; 2]);
        assert_eq!(act(&actor), silent, "the permits are back");
    }
}
