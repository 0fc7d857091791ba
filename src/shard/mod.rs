//! A shard: one pinned core, its glommio executor and its completion ring. The only files that
//! name glommio or `io_uring`, and the only ones with `unsafe`.
//!
//! ```text
//! drive      the turn: completions in, lane drained, one submit of sends out
//! sleep      a nap in the ring, then soundly in the executor
//! dispatch   what each completion means for the hub
//! ring       the operations we use, typed; submit and reap
//! buffers    the provided buffers that all receives of a shard share
//! survey     the search for slow connections, a page in each turn
//! sockets    descriptors of the connections and what the kernel still does with them
//! acceptor   the listener, and what happens when descriptors run out
//! upstream   how the hub reaches the fabric
//! questions  publications of clients to ingest, and the answers to them
//! preflight  whether this host can run a shard at all
//! system     the few calls to the kernel that std does not wrap
//! ```

mod acceptor;
mod buffers;
mod dispatch;
mod drive;
mod preflight;
mod questions;
mod ring;
mod sleep;
mod sockets;
mod survey;
mod system;
mod upstream;

use std::net::TcpListener;
use std::sync::Arc;

use glommio::{ExecutorJoinHandle, GlommioError, LocalExecutorBuilder, Placement};

use crate::config::Config;
use crate::fabric::{Fabric, Watch};
use crate::limits::GLOMMIO_IO_MEMORY_BYTES;

pub use acceptor::listen;
pub use preflight::{Refused, memlock_wanted_bytes, preflight};
pub use system::{
    descriptor_limit, memlock_limit_bytes, raise_descriptor_limit, wake, with_private_files,
};

/// What ends a shard before its time.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("the shard's ring could not be set up: {0}")]
    Ring(#[from] Refused),
    #[error("the shard's ring failed: {0}")]
    Submit(std::io::Error),
    #[error("the shard's wake failed: {0}")]
    Wake(String),
}

/// A running shard.
pub struct Shard {
    thread: ExecutorJoinHandle<Result<(), Fault>>,
}

/// What a shard is started with.
pub struct Plan {
    pub index: usize,
    /// The core it is pinned to.
    pub core: usize,
    pub listener: TcpListener,
    pub config: Arc<Config>,
    pub fabric: Arc<Fabric>,
    pub watch: Watch,
}

/// Starts a shard on its core.
pub fn spawn(plan: Plan) -> Result<Shard, GlommioError<()>> {
    let thread = LocalExecutorBuilder::new(Placement::Fixed(plan.core))
        .name(&format!("shard-{}", plan.index))
        .io_memory(GLOMMIO_IO_MEMORY_BYTES)
        .spawn(move || async move { drive::Drive::new(plan)?.run().await })?;
    Ok(Shard { thread })
}

impl Shard {
    /// Waits for the shard's end: by order, or by a fault.
    pub fn join(self) -> Result<(), String> {
        match self.thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(error) => Err(format!("the shard's executor failed: {error}")),
        }
    }
}
