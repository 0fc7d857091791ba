//! Applies a new configuration to running threads, as far as its keys can change without a restart.
//! Control thread.

use std::sync::Arc;

use crate::config::{Config, ConfigSource, LiveChanges, live_changes};
use crate::fabric::{Fabric, PreviousConfigPending, RequestNotTaken, ShardRequest};
use crate::load::Monitor;

use super::logging;

/// The configuration that is in force and everything that a new one is applied to.
pub(super) struct Reload {
    config: Arc<Config>,
    source: ConfigSource,
    fabric: Arc<Fabric>,
    monitor: Arc<Monitor>,
}

/// Why a new configuration does not apply everywhere.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Shards(#[from] RequestNotTaken),
    #[error(transparent)]
    Ingest(#[from] PreviousConfigPending),
}

impl Reload {
    pub(super) fn new(
        config: Arc<Config>,
        source: ConfigSource,
        fabric: Arc<Fabric>,
        monitor: Arc<Monitor>,
    ) -> Self {
        Self {
            config,
            source,
            fabric,
            monitor,
        }
    }

    /// Returns the configuration that is in force.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the configuration again and applies the keys that can change live. A configuration
    /// with an error changes nothing.
    pub(super) fn run(&mut self) {
        let new = match self.source.load() {
            Ok(new) => new,
            Err(errors) => {
                for error in errors {
                    tracing::error!("reload: {error}; nothing has changed");
                }
                return;
            }
        };
        let LiveChanges {
            applied,
            changed,
            needs_restart,
        } = live_changes(&self.config, &new);
        if !changed.is_empty() {
            let applied = Arc::new(applied);
            if let Err(error) = self.send(&applied) {
                return tracing::error!("reload: {error}; send the signal again");
            }
            self.config = applied;
            self.monitor.reconfigure(&self.config);
            logging::set_level(&self.config.log.level);
        }
        tracing::info!(changed = %list(&changed), "reload");
        if !needs_restart.is_empty() {
            tracing::warn!(
                keys = %list(&needs_restart),
                "reload: these keys change with a restart"
            );
        }
    }

    /// Sends the new configuration to the shards and to the ingest thread.
    fn send(&self, config: &Arc<Config>) -> Result<(), ReloadError> {
        let request = || ShardRequest::Reconfigure(Arc::clone(config));
        self.fabric.request_all(request)?;
        self.fabric.submissions.reconfigure(Arc::clone(config))?;
        Ok(())
    }
}

/// Lists configuration keys for a log line.
fn list(keys: &[&str]) -> String {
    if keys.is_empty() {
        "nothing".into()
    } else {
        keys.join(", ")
    }
}
