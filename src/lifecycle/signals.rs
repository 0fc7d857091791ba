//! Signals: SIGTERM and SIGINT drain, a second one ends the process at once, SIGHUP reloads the
//! configuration. Without a configuration file, the end of the terminal drains, too. Control
//! thread.

use std::io::{self, IsTerminal};
use std::process;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fabric::Fabric;
use crate::liveness::service_manager;

use super::drain;
use super::reload::Reload;

/// The exit code after a second signal, when connections may not have been closed.
const EXIT_WITHOUT_DRAIN: i32 = 1;

/// The signals that the process handles.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Whether the process was started in a terminal, whose end sends SIGHUP.
    in_terminal: bool,
}

/// A request that a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Shutdown,
    Reload,
}

impl Signals {
    /// Installs the handlers. From here on the signals do not end the process by themselves.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            in_terminal: io::stdin().is_terminal() || io::stderr().is_terminal(),
        })
    }

    /// Handles signals until the process ends.
    pub(super) async fn handle(mut self, mut reload: Reload, fabric: &Arc<Fabric>) {
        loop {
            match self.next(&reload).await {
                Action::Reload => {
                    service_manager::reloading();
                    reload.run();
                    service_manager::ready();
                }
                Action::Shutdown if fabric.is_draining() => {
                    tracing::warn!("a second signal; ending at once");
                    process::exit(EXIT_WITHOUT_DRAIN);
                }
                Action::Shutdown => {
                    if let Err(error) = drain::start(fabric, reload.config().drain.period) {
                        tracing::error!("the drain could not be started: {error}; ending at once");
                        process::exit(EXIT_WITHOUT_DRAIN);
                    }
                }
            }
        }
    }

    async fn next(&mut self, reload: &Reload) -> Action {
        tokio::select! {
            _ = self.terminate.recv() => Action::Shutdown,
            _ = self.interrupt.recv() => Action::Shutdown,
            // Without a file there is nothing to reload, so the terminal was closed.
            _ = self.hangup.recv() => if self.in_terminal && !reload.has_file() {
                Action::Shutdown
            } else {
                Action::Reload
            },
        }
    }
}
