//! What a SIGHUP changes: the keys that can change live are taken over, the others are named.
//! Pure; called by the engine on the control thread.

use super::{Config, KEYS};

/// The outcome of comparing a running configuration with a newly read one.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveChanges {
    /// The running configuration with every live key taken from the new one.
    pub applied: Config,
    /// Live keys that differ; `namespace` stands for all of them.
    pub changed: Vec<&'static str>,
    /// Keys that differ and keep their running value until a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Takes from `new` what can change while running `old`.
pub fn live_changes(old: &Config, new: &Config) -> LiveChanges {
    let mut changes = LiveChanges {
        applied: old.clone(),
        changed: Vec::new(),
        needs_restart: Vec::new(),
    };
    for key in KEYS.iter().filter(|key| !(key.same)(old, new)) {
        if key.live {
            (key.copy)(&mut changes.applied, new);
            changes.changed.push(key.name);
        } else {
            changes.needs_restart.push(key.name);
        }
    }
    if old.namespaces != new.namespaces {
        changes.applied.namespaces.clone_from(&new.namespaces);
        changes.changed.push("namespace");
    }
    changes
}
