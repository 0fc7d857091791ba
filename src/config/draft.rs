//! A configuration while its sources are read. Keys are set one after another; at the end, each
//! namespace inherits the keys that it does not set. Used on the main thread at start and on the
//! control thread at a reload.

use super::configuration::Config;
use super::error::{ConfigError, ValueSource};
use super::key::Key;
use super::registry::{self, NAMESPACE_KEYS};
use super::tables::{Namespace, WsConfig};
use super::value::RawValue;

/// The defaults, and the values that were set so far.
#[derive(Default)]
pub(super) struct Draft {
    config: Config,
    namespaces: Vec<NamespaceDraft>,
}

/// One `[[namespace]]`.
struct NamespaceDraft {
    values: Namespace,
    /// The keys that were set. The others are inherited at the end.
    set: Vec<&'static Key<Namespace>>,
}

impl Draft {
    /// Sets the key with this name. `at` returns the place of the value for an error.
    pub(super) fn set(
        &mut self,
        name: &str,
        raw: &RawValue,
        at: impl Fn() -> ValueSource,
    ) -> Result<(), ConfigError> {
        let Some(key) = registry::find_key(name) else {
            return Err(not_a_key(name, at()));
        };
        (key.set)(&mut self.config, raw).map_err(|text| ConfigError::Value {
            at: at(),
            key: name.into(),
            text,
        })
    }

    /// Adds a namespace and returns its index for [`set_namespace`](Self::set_namespace).
    pub(super) fn add_namespace(&mut self) -> usize {
        self.namespaces.push(NamespaceDraft {
            values: Namespace::inherited(&WsConfig::default()),
            set: Vec::new(),
        });
        self.namespaces.len() - 1
    }

    /// Returns the index of the namespace with this name, and adds the namespace if necessary.
    pub(super) fn namespace_index(&mut self, name: &str) -> usize {
        let found = self
            .namespaces
            .iter()
            .position(|draft| draft.values.name == name);
        found.unwrap_or_else(|| {
            let index = self.add_namespace();
            let draft = &mut self.namespaces[index];
            draft.values.name = name.into();
            draft.set.extend(registry::find(NAMESPACE_KEYS, "name"));
            index
        })
    }

    /// Sets a key of a namespace.
    pub(super) fn set_namespace(
        &mut self,
        index: usize,
        name: &str,
        raw: &RawValue,
        at: impl Fn() -> ValueSource,
    ) -> Result<(), ConfigError> {
        let Some(key) = registry::find(NAMESPACE_KEYS, name) else {
            return Err(ConfigError::UnknownKey {
                at: at(),
                key: format!("namespace.{name}"),
                nearest: registry::nearest_in_namespace(name),
            });
        };
        let draft = &mut self.namespaces[index];
        (key.set)(&mut draft.values, raw).map_err(|text| ConfigError::Value {
            at: at(),
            key: format!("namespace.{name}"),
            text,
        })?;
        draft.set.push(key);
        Ok(())
    }

    /// Returns the configuration, with the namespace `""` first if it was not given.
    pub(super) fn finish(self) -> Config {
        let mut config = self.config;
        let inherited = Namespace::inherited(&config.ws);
        let mut namespaces: Vec<_> = self
            .namespaces
            .into_iter()
            .map(|draft| draft.finish(inherited.clone()))
            .collect();
        if !namespaces.iter().any(|each| each.name.is_empty()) {
            namespaces.insert(0, inherited);
        }
        config.namespaces = namespaces;
        config
    }
}

impl NamespaceDraft {
    /// Copies the values that were set to `inherited`.
    fn finish(self, inherited: Namespace) -> Namespace {
        let mut namespace = inherited;
        for key in self.set {
            (key.copy)(&mut namespace, &self.values);
        }
        namespace
    }
}

/// Returns the error for a name that is not a key.
pub(super) fn not_a_key(name: &str, at: ValueSource) -> ConfigError {
    let keys = registry::names_in(name);
    if keys.is_empty() {
        return ConfigError::UnknownKey {
            at,
            key: name.into(),
            nearest: registry::nearest(name),
        };
    }
    ConfigError::Table {
        at,
        table: name.into(),
        keys,
    }
}
