//! The actions of the server API on the connections of users. Each turn does a bounded part of
//! them. Runs on the shard thread.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::oneshot::Sender;

use crate::hub::{ActionBudget, ActionOutcome, Hub, SurveyProgress, UserAction, UserSearch};

use super::work::Work;

/// Actions that were requested and are not complete yet, oldest first.
#[derive(Default)]
pub(super) struct UserActionQueue {
    requests: VecDeque<UserActionRequest>,
}

/// An action, and the channel on which the control thread waits for its outcome.
struct UserActionRequest {
    search: UserSearch,
    reply: Sender<ActionOutcome>,
    /// Bounds the number of requests.
    _permit: Arc<OwnedSemaphorePermit>,
}

impl UserActionQueue {
    /// Adds an action.
    pub(super) fn push(
        &mut self,
        action: Arc<UserAction>,
        reply: Sender<ActionOutcome>,
        permit: Arc<OwnedSemaphorePermit>,
    ) {
        self.requests.push_back(UserActionRequest {
            search: UserSearch::new(action),
            reply,
            _permit: permit,
        });
    }

    /// Continues with the actions, and sends the outcome of each that is complete.
    pub(super) fn step(&mut self, hub: &mut Hub, now_us: u64) -> Work {
        if self.requests.is_empty() {
            return Work::None;
        }
        let mut budget = ActionBudget::default();
        while !budget.is_exhausted()
            && let Some(mut request) = self.requests.pop_front()
        {
            if hub.act(&mut request.search, &mut budget, now_us) == SurveyProgress::InProgress {
                self.requests.push_front(request);
                break;
            }
            // Fails if the control thread no longer waits for the outcome.
            let _ = request.reply.send(request.search.outcome());
        }
        Work::Done
    }
}
