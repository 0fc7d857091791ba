//! SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads; the service manager is
//! told of each. Control thread.

use std::io;
use std::process;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::fabric::{Fabric, Order};
use crate::hub::DrainScope;

use crate::liveness::service_manager;

use super::reload::Reload;

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// The exit code of a second signal: connections were cut off.
const CUT_OFF: i32 = 1;

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Carries out signals for as long as the process lives.
    pub(super) async fn act(mut self, mut reload: Reload, fabric: &Arc<Fabric>) {
        let mut draining = false;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hangup.recv() => {
                    service_manager::reloading();
                    reload.run();
                    service_manager::ready();
                    continue;
                }
            }
            if draining {
                tracing::warn!("a second signal; ending at once");
                process::exit(CUT_OFF);
            }
            draining = true;
            let period = reload.config().drain.period;
            tracing::info!(?period, "draining; a second signal ends at once");
            service_manager::stopping(period);
            let period_us = period.as_micros() as u64;
            let leaving = DrainScope::All;
            if !fabric.order(&Order::Drain { leaving, period_us }) {
                tracing::error!("a shard does not take orders; ending at once");
                process::exit(CUT_OFF);
            }
        }
    }
}
