//! Values as they are given. A TOML file has typed values; the environment and the command line
//! have text. Used on the main thread at start and on the control thread at a reload.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value before the format of its key is applied.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) enum RawValue {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Self>),
    /// A value that no key accepts, by the name of its TOML type.
    Other(&'static str),
}

impl RawValue {
    /// Converts a value of a parsed TOML document.
    pub(in crate::config) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item.get_ref()))
                    .collect(),
            ),
            DeValue::Float(_) => Self::Other("a float"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// Converts text from the environment or the command line. Text that starts with `[` is read as
    /// a TOML array, so that items may contain a comma.
    pub(in crate::config) fn from_text(text: &str) -> Self {
        if text.starts_with('[') {
            let document = format!("value = {text}");
            if let Ok(table) = DeTable::parse(&document)
                && let Some(array @ DeValue::Array(_)) =
                    table.get_ref().get("value").map(Spanned::get_ref)
            {
                return Self::from_toml(array);
            }
        }
        Self::Text(text.into())
    }

    /// Returns the value as text. A number is accepted as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Bool(_) | Self::List(_) | Self::Other(_) => None,
        }
    }

    /// Returns the value if it is text. A number is not accepted.
    pub(super) fn word(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.expected("text")),
        }
    }

    /// Returns whether the value is `word`.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Text(text) if text == word)
    }

    /// Returns whether the value disables something: `off`, or `false` in TOML.
    pub(super) fn is_off(&self) -> bool {
        self.is_word("off") || *self == Self::Bool(false)
    }

    /// Parses a whole number.
    pub(super) fn number<T: std::str::FromStr>(&self) -> Result<T, String> {
        let number = self.text().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.expected("a whole number"))
    }

    /// Returns the items of a list. Text is a list separated by commas; any other single value is a
    /// list with one item.
    pub(super) fn list(&self) -> Result<Vec<Self>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Text(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Self::Text(item.into()))
                .collect()),
            Self::Integer(_) => Ok(vec![self.clone()]),
            Self::Bool(_) | Self::Other(_) => Err(self.expected("a list")),
        }
    }

    /// Returns the value of a named choice.
    pub(super) fn choice<T: Copy>(&self, names: &[(&str, T)]) -> Result<T, String> {
        let chosen = names.iter().find(|(name, _)| self.is_word(name));
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
            self.expected(&format!("one of {}", names.join(", ")))
        })
    }

    /// Returns the error for a value that is not `wanted`.
    pub(super) fn expected(&self, wanted: &str) -> String {
        let found = match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Integer(number) => format!("`{number}`"),
            Self::Bool(value) => format!("`{value}`"),
            Self::List(_) => "a list".into(),
            Self::Other(name) => (*name).into(),
        };
        format!("expected {wanted}, found {found}")
    }
}
