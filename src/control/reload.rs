//! A new configuration for running cores, as far as it can change live. Control thread.

use std::sync::Arc;

use crate::config::{Config, ConfigSource, LiveChanges, live_changes};
use crate::fabric::{Fabric, Order};

use super::load::Monitor;
use super::log;

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

    /// What holds now.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the configuration again and applies what can change. One that is wrong changes
    /// nothing.
    pub(super) fn run(&mut self) {
        let new = match self.source.load() {
            Ok(new) => new,
            Err(error) => return tracing::error!("reload: {error}; nothing has changed"),
        };
        let LiveChanges {
            applied,
            changed,
            needs_restart,
        } = live_changes(&self.config, &new);
        if !changed.is_empty() {
            let applied = Arc::new(applied);
            let order = Order::Reconfigure(Arc::clone(&applied));
            let shards = self.fabric.order(&order);
            let ingest = self.fabric.submissions.reconfigure(Arc::clone(&applied));
            if !shards || ingest.is_err() {
                return tracing::error!("reload: a core does not take orders; signal again");
            }
            self.config = applied;
            self.monitor.reconfigure(&self.config);
            log::set_level(&self.config.log.level);
        }
        tracing::info!(changed = %words(&changed), "reload");
        if !needs_restart.is_empty() {
            tracing::warn!(keys = %words(&needs_restart), "reload: these change with a restart");
        }
    }
}

fn words(keys: &[&str]) -> String {
    if keys.is_empty() {
        "nothing".into()
    } else {
        keys.join(", ")
    }
}
