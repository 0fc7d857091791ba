//! The thread beside the data path: signals, and the operators' HTTP port. Ingest core.
//!
//! ```text
//! signals   drain, stop, reload
//! reload    a new configuration for running cores, as far as it can change live
//! admin     the HTTP server: who may ask, how many at once
//! routes    what it answers
//! publish   publications over HTTP
//! metrics   counters and histograms as OpenMetrics
//! stats     the same as JSON
//! log       log lines and their level
//! ```
//!
//! It reads what the cores publish and hands them orders; it never makes one of them wait.

mod admin;
pub mod log;
mod metrics;
mod publish;
mod reload;
mod routes;
mod signals;
mod stats;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::Builder;

use crate::config::{Config, ConfigSource};
use crate::fabric::Fabric;

/// The admin port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("admin.listen = {address}: the address is taken; choose another, or off")]
    Taken { address: SocketAddr },
    #[error("admin.listen = {address}: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("the control thread could not be started: {0}")]
    Thread(io::Error),
}

/// Opens the admin port and starts the control thread on `core`. The thread ends with the process.
pub fn spawn(
    core: usize,
    config: Arc<Config>,
    source: ConfigSource,
    fabric: Arc<Fabric>,
) -> Result<(), Fault> {
    let listener = config.admin.listen.map(open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(Fault::Thread)?;
    let signals = {
        let _entered = runtime.enter();
        signals::Signals::install().map_err(Fault::Thread)?
    };
    let run = move || {
        // Without the pin it would still work, only beside another core's work.
        let _pinned = core_affinity::set_for_current(core_affinity::CoreId { id: core });
        runtime.block_on(async move {
            if let Some(listener) = listener {
                let admin = admin::Admin::new(&config, Arc::clone(&fabric));
                tokio::spawn(admin.serve(listener));
            }
            signals
                .act(
                    reload::Reload::new(config, source, Arc::clone(&fabric)),
                    &fabric,
                )
                .await;
        });
    };
    Builder::new()
        .name("control".into())
        .spawn(run)
        .map_err(Fault::Thread)?;
    Ok(())
}

fn open(address: SocketAddr) -> Result<std::net::TcpListener, Fault> {
    let fault = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => Fault::Taken { address },
        _ => Fault::Listen { address, error },
    };
    let listener = std::net::TcpListener::bind(address).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    Ok(listener)
}
