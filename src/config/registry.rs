//! All configuration keys. The sources of the configuration, the reload, the summary, the reference
//! page and the configuration file of the packages are derived from them. Constants, used on the
//! main thread and the control thread.

use super::configuration::Config;
use super::key::{HasTable, Key, Table};
use super::tables::{
    AdminConfig, AgentConfig, AuthConfig, AuthTokenConfig, ConnectHookConfig, CpuConfig,
    DeflateConfig, DrainConfig, HooksConfig, IngestConfig, InstanceConfig, LoadConfig, LogConfig,
    Namespace, PublishHookConfig, RefreshHookConfig, RpcHookConfig, ScaleConfig, StatsdConfig,
    SubRefreshHookConfig, SubscribeHookConfig, SubscriptionTokenConfig, WsConfig,
};
use super::text::one_line;

/// A key outside namespaces.
pub type ConfigKey = Key<Config>;

/// The keys of `[[namespace]]`.
pub const NAMESPACE_KEYS: &[Key<Namespace>] = <Namespace as Table<Namespace>>::KEYS;

/// A table with its keys.
pub(super) struct Section {
    /// Empty for the keys outside of tables.
    pub(super) name: &'static str,
    doc: &'static [&'static str],
    pub(super) keys: &'static [ConfigKey],
}

/// Every table that is given at most once, in the order of the documentation.
pub(super) const SECTIONS: &[Section] = &[
    Section::of::<InstanceConfig>(),
    Section::of::<WsConfig>(),
    Section::of::<DeflateConfig>(),
    Section::of::<AuthConfig>(),
    Section::of::<AuthTokenConfig>(),
    Section::of::<SubscriptionTokenConfig>(),
    Section::of::<HooksConfig>(),
    Section::of::<ConnectHookConfig>(),
    Section::of::<RefreshHookConfig>(),
    Section::of::<SubscribeHookConfig>(),
    Section::of::<SubRefreshHookConfig>(),
    Section::of::<PublishHookConfig>(),
    Section::of::<RpcHookConfig>(),
    Section::of::<IngestConfig>(),
    Section::of::<CpuConfig>(),
    Section::of::<AdminConfig>(),
    Section::of::<DrainConfig>(),
    Section::of::<AgentConfig>(),
    Section::of::<LoadConfig>(),
    Section::of::<ScaleConfig>(),
    Section::of::<LogConfig>(),
    Section::of::<StatsdConfig>(),
];

impl Section {
    const fn of<T: Table<Config>>() -> Self
    where
        Config: HasTable<T>,
    {
        Self {
            name: T::NAME,
            doc: T::DOC,
            keys: T::KEYS,
        }
    }

    /// Returns the documentation as one line of Markdown.
    pub(super) fn doc(&self) -> String {
        one_line(self.doc)
    }

    /// Returns the header of the table in a file. The keys outside of tables have none.
    pub(super) fn header(&self) -> Option<String> {
        (!self.name.is_empty()).then(|| format!("[{}]", self.name))
    }
}

/// Returns the documentation of `[[namespace]]` as one line of Markdown.
pub(super) fn namespace_doc() -> String {
    one_line(<Namespace as Table<Namespace>>::DOC)
}

/// Returns every key outside namespaces, in the order of the documentation.
pub fn keys() -> impl Iterator<Item = &'static ConfigKey> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// Returns the key with this name.
pub(super) fn find<R>(keys: &'static [Key<R>], name: &str) -> Option<&'static Key<R>> {
    keys.iter().find(|key| key.name == name)
}

/// Returns the key outside namespaces with this name.
pub(super) fn find_key(name: &str) -> Option<&'static ConfigKey> {
    SECTIONS.iter().find_map(|section| find(section.keys, name))
}

/// Returns whether there is a table with this name.
pub(super) fn is_section(name: &str) -> bool {
    !name.is_empty() && SECTIONS.iter().any(|section| section.name == name)
}

/// Returns the names of the keys in a table and in the tables within it. Empty if there is no
/// such table.
pub(super) fn names_in(section: &str) -> Vec<&'static str> {
    let is_inside = |name: &&str| {
        name.strip_prefix(section)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    keys().map(|key| key.name).filter(is_inside).collect()
}

/// Returns the environment variable of a key or table, without `FANFARE_`.
pub(super) fn variable(name: &str) -> String {
    name.to_uppercase().replace('.', "_")
}

/// Minimum similarity of a name that a message suggests: two of three characters are right.
const SIMILARITY_MIN: f64 = 2.0 / 3.0;

/// Maximum number of keys that a message suggests.
const SUGGESTIONS_MAX: usize = 3;

/// Returns the keys whose last part is `name`.
pub(super) fn ending_in(name: &str) -> Vec<&'static str> {
    let ending = keys().filter(|key| key.short_name() == name);
    ending.map(|key| key.name).collect()
}

/// Returns the keys that may be meant by `name`: those whose last part is `name`, or those whose
/// last part contains it as a word if they are few, or the nearest.
pub(super) fn suggestions(name: &str) -> Vec<&'static str> {
    let equal = ending_in(name);
    if !equal.is_empty() {
        return equal;
    }
    let has_word = |key: &&ConfigKey| key.short_name().split('_').any(|word| word == name);
    let similar = nearest(name);
    let partial: Vec<_> = keys().filter(has_word).map(|key| key.name).collect();
    if similar.is_none() && partial.len() <= SUGGESTIONS_MAX {
        return partial;
    }
    similar.into_iter().collect()
}

/// Returns the key whose name, with or without its tables, is most similar to `name`, if one is
/// similar enough to be meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let similarity = |known: &str| {
        let ends = known.match_indices('.').map(|(dot, _)| &known[dot + 1..]);
        [known]
            .into_iter()
            .chain(ends)
            .map(|end| strsim::normalized_damerau_levenshtein(name, end))
            .fold(0.0, f64::max)
    };
    most_similar(keys().map(|key| key.name).chain(["namespace"]), similarity)
}

/// Returns the key of a namespace whose name is most similar to `name`, if one is similar enough to
/// be meant.
pub(super) fn nearest_in_namespace(name: &str) -> Option<&'static str> {
    let similarity = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
    most_similar(NAMESPACE_KEYS.iter().map(|key| key.name), similarity)
}

fn most_similar(
    names: impl Iterator<Item = &'static str>,
    similarity: impl Fn(&str) -> f64,
) -> Option<&'static str> {
    let names = names.map(|name| (name, similarity(name)));
    let similar = names.filter(|(_, similarity)| *similarity >= SIMILARITY_MIN);
    let best = similar.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(name, _)| name)
}
