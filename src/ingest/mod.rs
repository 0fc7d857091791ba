//! Receives publications. One pinned thread owns all ZeroMQ sockets.
//!
//! ```text
//! sockets      opens and binds the ZeroMQ sockets
//! ingest_loop  the loop: poll, read each ready socket up to a bound, route
//! refusals     logs what is refused: messages and connections
//! readiness    which descriptors are ready
//! turn         how much is read from one socket at a time
//! messages     receives and sends multipart messages
//! handler      what happens to a message or a submission, and the reply to its sender
//! envelope     turns a message into a publication, or rejects it
//! meta         the optional metadata of a message
//! publishers   publishers that number their messages
//! sequence     the sequence numbers of one publisher
//! route        publications to batches, batches to lanes
//! zap          which publishers may connect
//! permissions  which topics a publisher may publish to
//! socket_monitor  which connections begin, end, or fail in the handshake
//! memory_review   bounds the memory that libzmq holds, with the next three
//! connections  disconnects publishers that send a message without end
//! heap         returns free memory of libzmq to the kernel
//! system       system calls about connections and memory
//! ```

mod connections;
pub mod envelope;
mod handler;
mod heap;
mod ingest_loop;
mod memory_review;
mod messages;
mod meta;
mod permissions;
mod publishers;
mod readiness;
mod refusals;
mod route;
mod sequence;
mod socket_monitor;
mod sockets;
mod system;
mod turn;
mod zap;

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::config::Config;
use crate::fabric::{Fabric, ThreadGuard};

pub use sockets::{BindError, Sockets};

/// Binds all sockets of `config`. Called on the main thread, so that a failure ends the start.
pub fn bind(config: &Config) -> Result<Sockets, BindError> {
    Sockets::bind(config)
}

/// Starts the ingest thread, on the core of the calling thread. The thread ends when the submission
/// queue is closed.
pub fn spawn(
    sockets: Sockets,
    config: &Config,
    fabric: Arc<Fabric>,
    guard: ThreadGuard,
) -> std::io::Result<JoinHandle<()>> {
    let ingest_loop = ingest_loop::IngestLoop::new(sockets, config, fabric)?;
    Builder::new().name("ingest".into()).spawn(move || {
        guard.ready();
        ingest_loop.run();
    })
}
