//! Requests to one shard. The control thread sends them, the shard handles them in order at the
//! beginning of a turn.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::hub::{ActionOutcome, DrainScope, SlowConnection, TopicPage, UserAction};
use crate::limits::SHARD_REQUESTS;

/// A request to one shard.
#[derive(Debug)]
pub enum ShardRequest {
    /// Close the connections of the scope, spread evenly over `period_us`. With
    /// [`DrainScope::All`] the shard also stops accepting after the period, and ends when its last
    /// connection has ended.
    Drain { scope: DrainScope, period_us: u64 },
    /// Find the connections with the most pending bytes, at most `limit` of them. The shard
    /// examines a page of its connections in each turn and replies when it has examined all.
    Survey {
        limit: usize,
        reply: oneshot::Sender<Vec<SlowConnection>>,
    },
    /// List the topics from a place in the table on, and reply with one page of them.
    ListTopics {
        from: usize,
        reply: oneshot::Sender<TopicPage>,
    },
    /// Act on the connections of a user. The shard visits a page of its connections in each turn
    /// and replies when it has visited all.
    ActOnUser {
        action: Arc<UserAction>,
        reply: oneshot::Sender<ActionOutcome>,
        /// Dropped when the shard has carried out the request.
        permit: Arc<OwnedSemaphorePermit>,
    },
    /// Serve an internal connection: a stream socket whose other end this process holds too. The
    /// limit on connections does not apply to it.
    AcceptInternal(OwnedFd),
    /// End without closing the connections.
    Stop,
}

/// A shard did not take a request, because it has not handled the earlier ones for a long time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shard has {SHARD_REQUESTS} requests that it has not handled yet")]
pub struct RequestQueueFull;

/// Some of all shards did not take a request. The other shards carry it out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shards {shards:?} have {SHARD_REQUESTS} requests each that they have not handled yet")]
pub struct RequestNotTaken {
    /// Indices of the shards that did not take it, ascending.
    pub shards: Vec<usize>,
}
