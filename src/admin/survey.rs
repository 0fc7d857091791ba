//! Asks all shards for their connections with the most pending bytes. Each shard examines a page of
//! its connections per turn and replies when it has examined all of them. Control thread.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{self, Instant};

use crate::fabric::{Fabric, ShardRequest};
use crate::hub::SlowConnection;

/// The receiver of a shard's reply.
type Reply = oneshot::Receiver<Vec<SlowConnection>>;

/// Makes one survey at a time.
pub(super) struct Surveyor {
    pub(super) fabric: Arc<Fabric>,
    /// How long a survey waits for the shards. Also how long it waits for an earlier survey.
    pub(super) timeout: Duration,
    /// The outstanding reply of each shard. A shard with an outstanding reply gets no further
    /// request, so that requests to a shard that has stopped do not fill its queue.
    outstanding: Mutex<Vec<Option<Reply>>>,
}

/// The results of all shards.
#[derive(Default)]
pub(super) struct SurveyResult {
    /// Connections with the index of their shard.
    pub(super) found: Vec<(usize, SlowConnection)>,
    /// Shards that did not reply, ascending.
    pub(super) silent: Vec<usize>,
}

/// Why no survey was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SurveyError {
    /// Earlier surveys have not ended in time.
    Busy,
}

impl Surveyor {
    pub(super) fn new(fabric: Arc<Fabric>, timeout: Duration) -> Self {
        let outstanding = fabric.shards.iter().map(|_| None).collect();
        Self {
            fabric,
            timeout,
            outstanding: Mutex::new(outstanding),
        }
    }

    /// Asks each shard for at most `limit` connections.
    pub(super) async fn survey(&self, limit: usize) -> Result<SurveyResult, SurveyError> {
        let locked = time::timeout(self.timeout, self.outstanding.lock()).await;
        let mut outstanding = locked.map_err(|_| SurveyError::Busy)?;
        let mut result = SurveyResult::default();
        let mut asked = Vec::new();
        for (shard, reply) in outstanding.iter_mut().enumerate() {
            if reply.as_mut().is_some_and(is_outstanding) {
                result.silent.push(shard);
                continue;
            }
            *reply = self.request(shard, limit);
            asked.push(shard);
        }
        let deadline = Instant::now() + self.timeout;
        for shard in asked {
            let Some(reply) = &mut outstanding[shard] else {
                result.silent.push(shard); // Its request queue is full.
                continue;
            };
            match time::timeout_at(deadline, reply).await {
                Ok(Ok(found)) => {
                    result.add(shard, found);
                    outstanding[shard] = None;
                }
                // The shard has ended.
                Ok(Err(_)) => {
                    result.silent.push(shard);
                    outstanding[shard] = None;
                }
                // The reply remains outstanding.
                Err(_) => result.silent.push(shard),
            }
        }
        result.silent.sort_unstable();
        Ok(result)
    }

    /// Sends the request to one shard. Returns `None` if the shard does not take it.
    fn request(&self, shard: usize, limit: usize) -> Option<Reply> {
        let (reply, receiver) = oneshot::channel();
        let request = ShardRequest::Survey { limit, reply };
        self.fabric.shards[shard].lane.request(request).ok()?;
        Some(receiver)
    }
}

impl SurveyResult {
    fn add(&mut self, shard: usize, found: Vec<SlowConnection>) {
        let found = found.into_iter().map(|connection| (shard, connection));
        self.found.extend(found);
    }
}

/// Returns whether a shard may still reply. A reply that was too late for its survey is discarded.
fn is_outstanding(reply: &mut Reply) -> bool {
    reply.try_recv() == Err(TryRecvError::Empty)
}
