//! A configuration while its sources are read. Keys are set one after another; at the end, each
//! namespace inherits the keys that it does not set. Used on the main thread at start and on the
//! control thread at a reload.

use std::collections::{HashMap, HashSet};

use super::checks;
use super::configuration::Config;
use super::contradiction::Contradiction;
use super::error::{ConfigError, ConfigErrors, ValueSource};
use super::key::Key;
use super::port_offset;
use super::registry::{self, NAMESPACE_KEYS};
use super::tables::{Namespace, WsConfig};
use super::value::RawValue;

/// The defaults, and the values and errors that were found so far.
#[derive(Default)]
pub(super) struct Draft {
    config: Config,
    namespaces: Vec<NamespaceDraft>,
    /// Where each key outside namespaces was set last.
    places: HashMap<&'static str, ValueSource>,
    errors: Vec<ConfigError>,
    /// Keys whose values have an error. They are not compared with others.
    failed: HashSet<&'static str>,
    /// Whether the file could not be read, so that the values in it are not known.
    is_file_missing: bool,
}

/// One `[[namespace]]`.
struct NamespaceDraft {
    values: Namespace,
    /// The keys that were set. The others are inherited at the end.
    set: Vec<&'static Key<Namespace>>,
    /// The place of its name.
    at: ValueSource,
}

impl Draft {
    /// Returns whether a key or a namespace was given, rightly or wrongly.
    pub(super) fn has_settings(&self) -> bool {
        !self.places.is_empty() || !self.namespaces.is_empty() || !self.errors.is_empty()
    }

    /// Adds an error.
    pub(super) fn fail(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// Adds the error of a file that cannot be read.
    pub(super) fn unreadable(&mut self, error: ConfigError) {
        self.is_file_missing = true;
        self.fail(error);
    }

    /// Sets the key with this name. `at` is the place of the value.
    pub(super) fn set(&mut self, name: &str, raw: &RawValue, at: ValueSource) {
        let Some(key) = registry::find_key(name) else {
            return self.fail(not_a_key(name, at));
        };
        match (key.set)(&mut self.config, raw) {
            Ok(()) => drop(self.places.insert(key.name, at)),
            Err(text) => {
                self.failed.insert(key.name);
                self.fail(ConfigError::Value {
                    at,
                    key: name.into(),
                    text,
                });
            }
        }
    }

    /// Adds a namespace and returns its index for [`set_namespace`](Self::set_namespace). `at` is
    /// the place of its name.
    pub(super) fn add_namespace(&mut self, at: ValueSource) -> usize {
        self.namespaces.push(NamespaceDraft {
            values: Namespace::inherited(&WsConfig::default()),
            set: Vec::new(),
            at,
        });
        self.namespaces.len() - 1
    }

    /// Returns the index of the namespace with this name, and adds the namespace if necessary.
    pub(super) fn namespace_index(&mut self, name: &str, at: &ValueSource) -> usize {
        let found = self
            .namespaces
            .iter()
            .position(|draft| draft.values.name == name);
        found.unwrap_or_else(|| {
            let index = self.add_namespace(at.clone());
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
        at: ValueSource,
    ) {
        let Some(key) = registry::find(NAMESPACE_KEYS, name) else {
            return self.fail(ConfigError::UnknownKey {
                at,
                key: format!("namespace.{name}"),
                nearest: registry::nearest_in_namespace(name).into_iter().collect(),
            });
        };
        let draft = &mut self.namespaces[index];
        match (key.set)(&mut draft.values, raw) {
            Ok(()) => draft.set.push(key),
            Err(text) => {
                let key = format!("namespace \"{}\": {name}", draft.values.name.escape_debug());
                self.fail(ConfigError::Value { at, key, text });
            }
        }
    }

    /// Returns the configuration, with the namespace `""` first if it was not given, or all errors.
    /// `allowed_cores` are the cores that the process may use, or empty if they are not known.
    pub(super) fn finish(mut self, allowed_cores: &[usize]) -> Result<Config, ConfigErrors> {
        self.inherit();
        let mut config = std::mem::take(&mut self.config);
        port_offset::apply(&mut config, |key| self.places.contains_key(key));
        if !self.is_file_missing {
            self.add_contradictions(checks::check_bounds(&config));
            self.add_contradictions(checks::check_together(&config, allowed_cores));
        }
        ConfigErrors::new(self.errors).map_or(Ok(config), Err)
    }

    /// Sets the namespaces of the configuration.
    fn inherit(&mut self) {
        let inherited = Namespace::inherited(&self.config.ws);
        let drafts = self.namespaces.iter();
        let mut namespaces: Vec<_> = drafts.map(|it| it.finish(inherited.clone())).collect();
        if !namespaces.iter().any(|each| each.name.is_empty()) {
            namespaces.insert(0, inherited);
        }
        self.config.namespaces = namespaces;
    }

    /// Adds contradictions as errors, except those of a key that already has an error: its value
    /// is not the one that the operator means.
    fn add_contradictions(&mut self, contradictions: Vec<Contradiction>) {
        let mut failed = Vec::new();
        for contradiction in contradictions {
            let keys = contradiction.keys();
            if keys.iter().any(|key| self.failed.contains(key)) {
                continue;
            }
            let in_keys = keys.iter().filter_map(|key| self.places.get(key));
            let named = self
                .namespaces
                .iter()
                .filter(|draft| Some(draft.values.name.as_str()) == contradiction.namespace());
            let places = in_keys.chain(named.map(|draft| &draft.at));
            let at = places.max_by_key(|place| place.position()).cloned();
            failed.extend(keys);
            self.errors
                .push(ConfigError::Contradiction { at, contradiction });
        }
        self.failed.extend(failed);
    }
}

impl NamespaceDraft {
    /// Copies the values that were set to `inherited`.
    fn finish(&self, inherited: Namespace) -> Namespace {
        let mut namespace = inherited;
        for key in &self.set {
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
            nearest: registry::suggestions(name),
        };
    }
    ConfigError::Table {
        at,
        table: name.into(),
        keys,
    }
}
