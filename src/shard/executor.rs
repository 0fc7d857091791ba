//! Starts the thread of a shard: a glommio executor, pinned to a core, that runs the main loop of
//! the shard. Between two turns the loop yields to the other tasks of the executor.

use std::net::TcpListener;
use std::os::fd::FromRawFd;
use std::sync::Arc;

use glommio::io::BufferedFile;
use glommio::{ExecutorJoinHandle, GlommioError, LocalExecutorBuilder, Placement};

use crate::config::Config;
use crate::fabric::{Fabric, ThreadGuard};
use crate::limits::GLOMMIO_IO_MEMORY_BYTES;

use super::error::ShardError;
use super::preflight::PreflightError;
use super::shard_loop::{ShardLoop, Turn};
use super::sleep::Sleep;
use super::system;
use super::uring::UringRing;

/// The parameters of [`spawn`].
pub struct ShardOptions {
    /// The index of the shard in the fabric.
    pub index: usize,
    /// The core that the shard's thread is pinned to.
    pub core: usize,
    pub listener: TcpListener,
    pub config: Arc<Config>,
    pub fabric: Arc<Fabric>,
    /// Reports the start and the end of the thread to the monitor of threads.
    pub guard: ThreadGuard,
}

/// A running shard.
pub struct Shard {
    thread: ExecutorJoinHandle<Result<(), ShardError>>,
}

/// Starts the thread of a shard. Fails if the executor cannot be set up.
pub fn spawn(options: ShardOptions) -> Result<Shard, GlommioError<()>> {
    let thread = LocalExecutorBuilder::new(Placement::Fixed(options.core))
        .name(&format!("shard-{}", options.index))
        .io_memory(GLOMMIO_IO_MEMORY_BYTES)
        .spawn(move || run(options))?;
    Ok(Shard { thread })
}

impl Shard {
    /// Waits until the shard has ended. Returns the error that ended it, if any.
    pub fn join(self) -> Result<(), String> {
        match self.thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(format!("the shard's executor failed: {error}")),
        }
    }
}

/// Sets up the ring and runs turns until the shard ends or an error occurs.
async fn run(options: ShardOptions) -> Result<(), ShardError> {
    let ShardOptions {
        index,
        core: _,
        listener,
        config,
        fabric,
        guard, // Dropped last, because its drop reports the end of the shard.
    } = options;
    let wake = fabric.shards[index].lane.wake.descriptor();
    let ring = UringRing::new(wake, fabric.clock).map_err(PreflightError::from)?;
    let event = system::duplicate(wake).map_err(|error| ShardError::Event(error.to_string()))?;
    // SAFETY: the descriptor was just duplicated and has no other owner. The file takes ownership
    // of it.
    let event = unsafe { BufferedFile::from_raw_fd(event) };
    let seed = fastrand::u64(..);
    let mut shard = ShardLoop::new(ring, listener, index, config, fabric, seed);
    shard.start().map_err(ShardError::Ring)?;
    guard.ready();
    loop {
        match shard.turn().map_err(ShardError::Ring)? {
            Turn::Ended => return Ok(()),
            Turn::Worked => glommio::executor().yield_if_needed().await,
            Turn::Idle => match shard.sleep().map_err(ShardError::Ring)? {
                Sleep::Over => {}
                Sleep::Executor => {
                    // The eight bytes are the number of signals. The number is not needed.
                    event
                        .read_at(0, 8)
                        .await
                        .map_err(|error| ShardError::Event(error.to_string()))?;
                    shard.end_executor_sleep();
                }
            },
        }
    }
}
