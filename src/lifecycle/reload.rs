//! Applies a new configuration to running threads, as far as its keys can change without a restart.
//! Control thread.

use std::sync::Arc;

use crate::config::{Config, ConfigSource, FileContent, LiveChanges, Reloaded, live_changes};
use crate::fabric::Fabric;
use crate::load::Monitor;

use super::logging;

/// The configuration that is in force and everything that a new one is applied to.
pub(super) struct Reload {
    config: Arc<Config>,
    source: ConfigSource,
    fabric: Arc<Fabric>,
    monitor: Arc<Monitor>,
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
    /// with an error, or a file without any setting in the place of one with settings, changes
    /// nothing.
    pub(super) fn run(&mut self) {
        let Reloaded { config: new, file } = match self.source.reload() {
            Ok(reloaded) => reloaded,
            Err(errors) => {
                for error in errors {
                    tracing::error!("reload: {error}; nothing has changed");
                }
                return;
            }
        };
        let changes = live_changes(&self.config, &new);
        if let Err(contradiction) = changes.check_open().and_then(|()| changes.check_auth()) {
            return tracing::error!("reload: {contradiction}; nothing has changed");
        }
        let LiveChanges {
            applied,
            changed,
            needs_restart,
        } = changes;
        let differs = !changed.is_empty() || !needs_restart.is_empty();
        if file == FileContent::NoSettings && differs {
            // An editor or a script may be about to write the file.
            return tracing::error!(
                dropped = %list(&[changed, needs_restart].concat()),
                "reload: the configuration file has no settings, and every setting would be \
                 dropped; nothing has changed. To use the defaults, restart"
            );
        }
        if !changed.is_empty() {
            self.config = Arc::new(applied);
            self.fabric.publish_config(Arc::clone(&self.config));
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
}

/// Lists configuration keys for a log line.
fn list(keys: &[&str]) -> String {
    if keys.is_empty() {
        "nothing".into()
    } else {
        keys.join(", ")
    }
}
