//! The description of one configuration key, and access to its value. Constants, used on the main
//! thread and the control thread.

use super::contradiction::Contradiction;
use super::text::one_line;
use super::value::{RawValue, Visibility};

/// One key. `R` is what the key is set in: the whole configuration, or a namespace.
///
/// A key is declared by one entry in a file of `tables/`, from which the macros in `table.rs`
/// write this struct. The sources, the reload and the generated pages use only these fields.
pub struct Key<R: 'static> {
    /// `section.key`. The keys of namespaces have no section.
    pub name: &'static str,
    /// The name of the format of its values, in Markdown.
    pub format: &'static str,
    pub visibility: Visibility,
    pub default: KeyDefault,
    pub reload: Reload,
    /// The lines of its documentation, in Markdown.
    pub(super) doc: &'static [&'static str],
    /// Describes the bounds of its values. Returns an empty text if there are none.
    pub(super) range: fn() -> String,
    pub(super) set: fn(&mut R, &RawValue) -> Result<(), String>,
    pub(super) show: fn(&R) -> String,
    /// Copies the value from the second argument to the first.
    pub(super) copy: fn(&mut R, &R),
    pub(super) is_same: fn(&R, &R) -> bool,
    /// Checks the bounds of the value.
    pub(super) check: fn(&R) -> Result<(), Contradiction>,
}

/// The value of a key that is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDefault {
    /// A fixed value.
    Fixed,
    /// The value of the key with this name.
    Inherited(&'static str),
    /// The key must be given.
    Required { example: &'static str },
}

/// When a changed value takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At a SIGHUP.
    Live,
    /// When the process is started again.
    Restart,
}

/// A type that contains the struct of a table. It is implemented by the configuration for each
/// table, and by each struct for itself.
pub(super) trait HasTable<T> {
    fn table(&self) -> &T;
    fn table_mut(&mut self) -> &mut T;
}

impl<T> HasTable<T> for T {
    fn table(&self) -> &T {
        self
    }

    fn table_mut(&mut self) -> &mut T {
        self
    }
}

/// A table of the configuration, implemented by its struct. `R` is what the keys are set in.
pub(super) trait Table<R: 'static> {
    /// `ws.deflate` for `[ws.deflate]`.
    const NAME: &'static str;
    /// The lines of its documentation, in Markdown.
    const DOC: &'static [&'static str];
    const KEYS: &'static [Key<R>];
}

impl<R> Key<R> {
    /// Returns the documentation as one line of Markdown.
    pub fn doc(&self) -> String {
        one_line(self.doc)
    }

    /// Returns the name without the section.
    pub fn short_name(&self) -> &'static str {
        self.name
            .rsplit_once('.')
            .map_or(self.name, |(_, name)| name)
    }
}
