//! A configuration while it is being put together: defaults, then one key after another, last the
//! namespaces, which inherit what they leave out.

use super::form::{self, Raw};
use super::keys::{self, NAMESPACE_KEYS};
use super::{Config, ConfigError, Namespace, Origin, PayloadKind, SlowPolicy};

/// Keys set so far over the defaults.
#[derive(Default)]
pub(super) struct Draft {
    config: Config,
    namespaces: Vec<NamespaceDraft>,
}

/// What a `[[namespace]]` said; the rest is inherited.
#[derive(Default)]
struct NamespaceDraft {
    name: String,
    payload: Option<PayloadKind>,
    slow: Option<SlowPolicy>,
    publish: Option<bool>,
    deflate: Option<bool>,
}

impl Draft {
    /// Sets the key called `name`. `at` tells where it was given, should it be wrong.
    pub(super) fn set(
        &mut self,
        name: &str,
        raw: &Raw,
        at: impl Fn() -> Origin,
    ) -> Result<(), ConfigError> {
        let Some(key) = keys::find(name) else {
            return Err(not_a_key(name, at()));
        };
        let wrong = |text| ConfigError::Value {
            at: at(),
            key: name.into(),
            text,
        };
        (key.set)(&mut self.config, raw).map_err(wrong)
    }

    /// Begins another `[[namespace]]`; the index is for [`set_namespace`](Self::set_namespace).
    pub(super) fn new_namespace(&mut self) -> usize {
        self.namespaces.push(NamespaceDraft::default());
        self.namespaces.len() - 1
    }

    /// The namespace called `name`, begun if it is new.
    pub(super) fn namespace_index(&mut self, name: &str) -> usize {
        self.namespaces
            .iter()
            .position(|each| each.name == name)
            .unwrap_or_else(|| {
                let index = self.new_namespace();
                self.namespaces[index].name = name.into();
                index
            })
    }

    /// Sets one field of a namespace.
    pub(super) fn set_namespace(
        &mut self,
        index: usize,
        field: &str,
        raw: &Raw,
        at: impl Fn() -> Origin,
    ) -> Result<(), ConfigError> {
        let draft = &mut self.namespaces[index];
        let set = match field {
            "name" => raw.word().map(|name| draft.name = name),
            "payload" => (form::PAYLOAD.read)(raw).map(|kind| draft.payload = Some(kind)),
            "slow" => (form::SLOW.read)(raw).map(|policy| draft.slow = Some(policy)),
            "publish" => (form::SWITCH.read)(raw).map(|may| draft.publish = Some(may)),
            "deflate" => (form::SWITCH.read)(raw).map(|may| draft.deflate = Some(may)),
            _ => {
                let key = format!("namespace.{field}");
                let nearest = nearest_field(field);
                return Err(ConfigError::UnknownKey {
                    at: at(),
                    key,
                    nearest,
                });
            }
        };
        set.map_err(|text| ConfigError::Value {
            at: at(),
            key: format!("namespace.{field}"),
            text,
        })
    }

    /// The configuration, with inheritance resolved and the default namespace first.
    pub(super) fn finish(self) -> Config {
        let Self {
            mut config,
            namespaces,
        } = self;
        let inherit = |draft: NamespaceDraft| Namespace {
            name: draft.name,
            payload: draft.payload.unwrap_or_default(),
            slow: draft.slow.unwrap_or(config.ws.slow),
            publish: draft.publish.unwrap_or(false),
            deflate: draft.deflate.unwrap_or(true),
        };
        let mut resolved: Vec<_> = namespaces.into_iter().map(inherit).collect();
        if !resolved.iter().any(|each| each.name.is_empty()) {
            resolved.insert(0, inherit(NamespaceDraft::default()));
        }
        config.namespaces = resolved;
        config
    }
}

/// What to say of a name that no key has.
pub(super) fn not_a_key(name: &str, at: Origin) -> ConfigError {
    let keys = keys::keys_in(name);
    if keys.is_empty() {
        return ConfigError::UnknownKey {
            at,
            key: name.into(),
            nearest: keys::nearest(name),
        };
    }
    ConfigError::Table {
        at,
        table: name.into(),
        keys,
    }
}

fn nearest_field(field: &str) -> &'static str {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(field, known);
    let fields = NAMESPACE_KEYS.iter().map(|(name, ..)| *name);
    fields
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .expect("there are fields")
}
