//! The control thread: a tokio runtime for the admin port, metrics, the load, the watchdog and
//! signals. It runs on the core of the ingest thread. It reads what the other threads publish and
//! sends them requests; it never makes one of them wait.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::admin::Admin;
use crate::config::{Config, ConfigSource};
use crate::fabric::ThreadGuard;
use crate::host::port_owner::TakenBy;
use crate::liveness::{Watchdog, service_manager};
use crate::load::{Monitor, agent};
use crate::metrics::Sampler;

use super::reload::Reload;
use super::signals::Signals;

/// Why the control thread could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{key} = {address}: {by}, or off")]
    AddressTaken {
        key: &'static str,
        address: SocketAddr,
        by: TakenBy,
    },
    #[error("{key} = {address}: {error}")]
    Listen {
        key: &'static str,
        address: SocketAddr,
        error: io::Error,
    },
    #[error("the control thread could not be started: {0}")]
    Thread(io::Error),
}

/// The control thread before it starts. The admin port is bound and signals are caught.
pub(crate) struct ControlThread {
    runtime: Runtime,
    signals: Signals,
    admin_listener: Option<TcpListener>,
}

/// Opens the port of `HAProxy`'s agent on a running control thread.
pub(crate) struct AgentPort {
    listener: oneshot::Sender<TcpListener>,
}

impl ControlThread {
    /// Binds the admin port and installs the signal handlers. Runs on the main thread, so that a
    /// failure ends the start.
    pub(crate) fn open(config: &Config, source: &ConfigSource) -> Result<Self, ControlError> {
        let admin_listener = match config.admin.listen {
            Some(address) => Some(listen("admin.listen", address)?),
            None => None,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ControlError::Thread)?;
        let signals = {
            let _entered = runtime.enter();
            Signals::install(source.has_file()).map_err(ControlError::Thread)?
        };
        Ok(Self {
            runtime,
            signals,
            admin_listener,
        })
    }

    /// Starts the thread on the cores of the calling thread. It runs until the process ends.
    pub(crate) fn spawn(
        self,
        config: Arc<Config>,
        source: ConfigSource,
        sampler: Arc<Sampler>,
        monitor: Arc<Monitor>,
        guard: ThreadGuard,
    ) -> io::Result<AgentPort> {
        let Self {
            runtime,
            signals,
            admin_listener,
        } = self;
        let fabric = Arc::clone(&sampler.fabric);
        let (listener, agent_listener) = oneshot::channel();
        let run = async move {
            tokio::spawn(Arc::clone(&monitor).run());
            tokio::spawn(Arc::clone(&sampler).run());
            if let Some(listener) = admin_listener {
                let admin = Admin::new(&config, sampler, Arc::clone(&monitor));
                tokio::spawn(admin.serve(listener));
            }
            tokio::spawn(serve_agent(agent_listener, Arc::clone(&monitor)));
            tokio::spawn(service_manager::report_status(Arc::clone(&fabric)));
            if let Some(watchdog) = Watchdog::from_environment(&fabric) {
                tokio::spawn(watchdog.run());
            }
            guard.ready();
            let reload = Reload::new(config, source, Arc::clone(&fabric), monitor);
            signals.handle(reload, &fabric).await;
        };
        let thread = thread::Builder::new().name("control".into());
        thread.spawn(move || runtime.block_on(run))?;
        Ok(AgentPort { listener })
    }
}

impl AgentPort {
    /// Binds `agent.listen`, if it is set. `HAProxy` connects to a node as soon as the port is
    /// open, so call this only when every thread is ready.
    pub(crate) fn open(self, config: &Config) -> Result<(), ControlError> {
        if let Some(address) = config.agent.listen {
            // The send fails only if the control thread has ended, which its guard reports.
            let _ = self.listener.send(listen("agent.listen", address)?);
        }
        Ok(())
    }
}

async fn serve_agent(listener: oneshot::Receiver<TcpListener>, monitor: Arc<Monitor>) {
    // The sender is dropped without a listener if `agent.listen` is off.
    if let Ok(listener) = listener.await {
        agent::serve(listener, monitor).await;
    }
}

/// Binds an address for use with tokio. `key` is the configuration key that the error names.
fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, ControlError> {
    let describe = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => ControlError::AddressTaken {
            key,
            address,
            by: TakenBy::find(Some(address)),
        },
        _ => ControlError::Listen {
            key,
            address,
            error,
        },
    };
    let listener = TcpListener::bind(address).map_err(describe)?;
    listener.set_nonblocking(true).map_err(describe)?;
    Ok(listener)
}
