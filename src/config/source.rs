//! Where configuration comes from: a TOML file, then the environment, then `-s`; the last wins.
//! Read on the main thread at start, and again by the control thread on SIGHUP.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{self, Draft};
use super::form::Raw;
use super::keys::{self, KEYS};
use super::{Config, ConfigError, Origin};

/// Everything a configuration is made from, kept so that it can be loaded again.
///
/// It has no `Debug`: overrides and variables may hold passwords.
#[derive(Clone, Default)]
pub struct ConfigSource {
    /// `-c FILE`; without one the embedded defaults hold.
    pub file: Option<PathBuf>,
    /// The variables whose names start with `FANFARE_`.
    pub environment: Vec<(String, String)>,
    /// Every `-s section.key=value`, in order.
    pub overrides: Vec<String>,
    /// The cores the process may run on, ascending.
    pub allowed_cores: Vec<usize>,
}

impl ConfigSource {
    /// The source as this process sees it: its environment and its allowed cores.
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<String>) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name
                .into_string()
                .ok()
                .filter(|name| name.starts_with("FANFARE_"))?;
            Some((name, value.into_string().ok()?))
        };
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        Self {
            file,
            environment: std::env::vars_os().filter_map(text).collect(),
            overrides,
            allowed_cores: cores.iter().map(|core| core.id).collect(),
        }
    }

    /// Reads all of it, in order, and refuses contradictions.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let mut draft = Draft::default();
        if let Some(path) = &self.file {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
                path: path.clone(),
                source,
            })?;
            File { path, text: &text }.read(&mut draft)?;
        }
        for (name, value) in &self.environment {
            read_variable(&mut draft, name, value)?;
        }
        for text in &self.overrides {
            read_override(&mut draft, text)?;
        }
        let config = draft.finish();
        config.check(&self.allowed_cores)?;
        Ok(config)
    }
}

/// `FANFARE_WS_PONG_TIMEOUT=8s`. A name that is no key is refused when it has a known section or
/// looks like a slip; others pass, because Kubernetes sets `FANFARE_PORT_…` for a service so named.
fn read_variable(draft: &mut Draft, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(bare) = name.strip_prefix("FANFARE_") else {
        return Ok(());
    };
    let at = || Origin::Environment(name.into());
    let mut names = KEYS.iter().map(|key| key.name).chain(keys::sections());
    if let Some(name) = names.find(|name| keys::variable(name) == bare) {
        return draft.set(name, &Raw::from_text(value), at);
    }
    let section = bare.split('_').next().unwrap_or_default().to_lowercase();
    let nearest = keys::nearest(&bare.to_lowercase().replacen('_', ".", 1));
    let slip = strsim::damerau_levenshtein(&keys::variable(nearest), bare) <= 2;
    if slip || keys::sections().any(|known| known == section) {
        let key = bare.to_lowercase();
        return Err(ConfigError::UnknownKey {
            at: at(),
            key,
            nearest,
        });
    }
    Ok(())
}

/// `-s section.key=value`, or `-s namespace.NAME.key=value`.
fn read_override(draft: &mut Draft, text: &str) -> Result<(), ConfigError> {
    let at = || Origin::Flag(text.into());
    let Some((key, value)) = text.split_once('=') else {
        let text = "expected section.key=value".into();
        return Err(ConfigError::Syntax { at: at(), text });
    };
    let (key, value) = (key.trim(), Raw::from_text(value.trim()));
    match key
        .strip_prefix("namespace.")
        .and_then(|rest| rest.rsplit_once('.'))
    {
        Some((name, field)) => {
            let index = draft.namespace_index(name);
            draft.set_namespace(index, field, &value, at)
        }
        None => draft.set(key, &value, at),
    }
}

/// A configuration file being read.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn read(&self, draft: &mut Draft) -> Result<(), ConfigError> {
        let document = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            at: self.at(&error.span().unwrap_or(0..0)),
            text: error.message().into(),
        })?;
        for (name, value) in document.get_ref() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("namespace", DeValue::Array(items)) => {
                    for item in items {
                        self.read_namespace(draft, item)?;
                    }
                }
                ("namespace", _) => {
                    let text = "a namespace is written [[namespace]], with a name in it".into();
                    return Err(ConfigError::Syntax {
                        at: self.at(&name.span()),
                        text,
                    });
                }
                (key, _) => self.read_value(draft, key, &name.span(), value)?,
            }
        }
        Ok(())
    }

    /// Sets `key`, or if its value is a table, what stands in that. `name` is where the key is.
    fn read_value(
        &self,
        draft: &mut Draft,
        key: &str,
        name: &Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let is_known = keys::find(key).is_some();
        match value.get_ref() {
            DeValue::Table(table) if !is_known => {
                if table.is_empty() && !keys::sections().any(|section| section == key) {
                    return Err(draft::not_a_key(key, self.at(name)));
                }
                for (inner, value) in table {
                    let key = format!("{key}.{}", inner.get_ref());
                    self.read_value(draft, &key, &inner.span(), value)?;
                }
                Ok(())
            }
            other => {
                // The value is at fault when the key is known, else the key is.
                let at = || self.at(&if is_known { value.span() } else { name.clone() });
                draft.set(key, &Raw::from_toml(other), at)
            }
        }
    }

    fn read_namespace(
        &self,
        draft: &mut Draft,
        item: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let DeValue::Table(table) = item.get_ref() else {
            let text = "a namespace is a table with a name".into();
            return Err(ConfigError::Syntax {
                at: self.at(&item.span()),
                text,
            });
        };
        let index = draft.new_namespace();
        for (name, value) in table {
            let at = || self.at(&name.span());
            draft.set_namespace(index, name.get_ref(), &Raw::from_toml(value.get_ref()), at)?;
        }
        if !table.contains_key("name") {
            let text = "a namespace needs a name (\"\" sets the defaults)".into();
            return Err(ConfigError::Syntax {
                at: self.at(&item.span()),
                text,
            });
        }
        Ok(())
    }

    fn at(&self, span: &Range<usize>) -> Origin {
        let before = &self.text[..span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Origin::File {
            path: self.path.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
