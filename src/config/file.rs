//! The TOML file of a configuration. Read on the main thread at start, and by the control thread at
//! a reload.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{self, Draft};
use super::error::{ConfigError, ValueSource};
use super::registry::{self, NAMESPACE_KEYS};
use super::value::RawValue;

/// A configuration file while it is read.
pub(super) struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> File<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    /// Sets every key of the file in `draft`.
    pub(super) fn read(&self, draft: &mut Draft) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            for error in errors {
                let place = error.span().unwrap_or(0..0);
                draft.unreadable(self.syntax(&place, error.message()));
            }
            return;
        }
        for (name, value) in document.get_ref() {
            match (name.get_ref().as_ref(), value.get_ref()) {
                ("namespace", DeValue::Array(items)) => {
                    for item in items {
                        self.read_namespace(draft, item);
                    }
                }
                ("namespace", _) => {
                    let text = "write a namespace as [[namespace]], with a name in it";
                    draft.fail(self.syntax(&name.span(), text));
                }
                (key, _) => self.read_value(draft, key, &name.span(), value),
            }
        }
    }

    /// Sets `key`, or the keys in it if its value is a table. `name` is the place of the key in the
    /// file.
    fn read_value(
        &self,
        draft: &mut Draft,
        key: &str,
        name: &Range<usize>,
        value: &Spanned<DeValue<'_>>,
    ) {
        let is_known = registry::find_key(key).is_some();
        match value.get_ref() {
            DeValue::Table(table) if !is_known => {
                if table.is_empty() && !registry::is_section(key) {
                    draft.fail(draft::not_a_key(key, self.place(name)));
                }
                for (inner, value) in table {
                    let key = format!("{key}.{}", inner.get_ref());
                    self.read_value(draft, &key, &inner.span(), value);
                }
            }
            other => {
                // An error refers to the value of a known key, and to the name of an unknown key.
                let place = if is_known { value.span() } else { name.clone() };
                draft.set(key, &RawValue::from_toml(other), self.place(&place));
            }
        }
    }

    fn read_namespace(&self, draft: &mut Draft, item: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = item.get_ref() else {
            return draft.fail(self.syntax(&item.span(), "a namespace is a table with a name"));
        };
        let name = table.get_key_value("name").map(|(name, _)| name.span());
        let index = draft.add_namespace(self.place(&name.unwrap_or_else(|| item.span())));
        // The name comes first, because errors of the other keys contain it.
        let (names, others): (Vec<_>, Vec<_>) =
            table.iter().partition(|(key, _)| key.get_ref() == "name");
        for (key, value) in names.into_iter().chain(others) {
            let raw = RawValue::from_toml(value.get_ref());
            let is_known = registry::find(NAMESPACE_KEYS, key.get_ref()).is_some();
            let place = if is_known { value.span() } else { key.span() };
            draft.set_namespace(index, key.get_ref(), &raw, self.place(&place));
        }
        if !table.contains_key("name") {
            let text = "a namespace needs a name; the name \"\" is for all other topics";
            draft.fail(self.syntax(&item.span(), text));
        }
    }

    fn syntax(&self, span: &Range<usize>, text: &str) -> ConfigError {
        ConfigError::Syntax {
            at: self.place(span),
            text: text.into(),
        }
    }

    /// Returns the line and column where `span` begins.
    fn place(&self, span: &Range<usize>) -> ValueSource {
        let before = &self.text[..span.start.min(self.text.len())];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ValueSource::File {
            path: self.path.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
