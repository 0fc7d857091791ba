//! The changes of a reload: live keys are applied, other changed keys need a restart. Used on the
//! control thread.

use super::checks;
use super::configuration::Config;
use super::contradiction::Contradiction;
use super::key::Reload;
use super::registry;

/// The differences between the running configuration and a new one.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveChanges {
    /// The running configuration with the new values of all live keys.
    pub applied: Config,
    /// The live keys that differ. `namespace` stands for all keys of all namespaces.
    pub changed: Vec<&'static str>,
    /// The keys that differ and keep their running value until a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Compares the running configuration `old` with `new`.
pub fn live_changes(old: &Config, new: &Config) -> LiveChanges {
    let mut changes = LiveChanges {
        applied: old.clone(),
        changed: Vec::new(),
        needs_restart: Vec::new(),
    };
    for key in registry::keys().filter(|key| !(key.is_same)(old, new)) {
        match key.reload {
            Reload::Live => {
                (key.copy)(&mut changes.applied, new);
                changes.changed.push(key.name);
            }
            Reload::Restart => changes.needs_restart.push(key.name),
        }
    }
    // Every key of a namespace is live, and whole namespaces may be added or removed.
    if old.namespaces != new.namespaces {
        changes.applied.namespaces.clone_from(&new.namespaces);
        changes.changed.push("namespace");
    }
    changes
}

impl LiveChanges {
    /// Checks that the changes do not let clients of other hosts connect without a token. The new
    /// configuration may be valid by itself and still do so, because the process keeps its running
    /// `ws.listen`.
    pub fn check_open(&self) -> Result<(), Contradiction> {
        checks::check_open(&self.applied)
    }

    /// Checks that clients could still connect. A key that needs a restart may be all that is left
    /// of `[auth]`.
    pub fn check_auth(&self) -> Result<(), Contradiction> {
        checks::check_auth(&self.applied.auth)
    }
}
