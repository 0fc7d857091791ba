//! Publications in: one pinned thread owns all ZeroMQ sockets. Ingest core.
//!
//! ```text
//! worker    the loop: listen, drain each socket up to a bound, route, never wait downstream
//! bells     which socket may have something
//! sockets   what is bound where, and how a message is taken in without copies
//! envelope  multipart to publication, or a named rejection; no IO
//! publishers  who numbers what it sends: what is missing, what came twice
//! route     publications to batches, batches to the lanes that may want them
//! zap       who may publish: networks and passwords
//! ```

mod bells;
pub mod envelope;
mod publishers;
mod route;
mod sockets;
mod worker;
mod zap;

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::config::Config;
use crate::fabric::{Fabric, ThreadGuard};

pub use sockets::{BindError, Sockets};

/// Binds all sockets of `config`. On the main thread, so that what fails is seen at start.
pub fn bind(config: &Config) -> Result<Sockets, BindError> {
    Sockets::bind(config)
}

/// Starts the ingest thread, on the core of the thread that calls. It ends when the fabric's inlet
/// is closed.
pub fn spawn(
    sockets: Sockets,
    config: &Config,
    fabric: Arc<Fabric>,
    guard: ThreadGuard,
) -> std::io::Result<JoinHandle<()>> {
    let worker = worker::Worker::new(sockets, config, fabric)?;
    Builder::new().name("ingest".into()).spawn(move || {
        guard.ready();
        worker.run();
    })
}
