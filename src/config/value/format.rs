//! The description of a format of configuration values. Used on the main thread at start and on the
//! control thread at a reload.

use super::raw::RawValue;

/// One format of values.
pub(in crate::config) struct ValueFormat<T> {
    /// The name in the documentation, in Markdown.
    pub(in crate::config) name: &'static str,
    pub(in crate::config) visibility: Visibility,
    /// Turns a raw value into a typed value. The error names the expected format.
    pub(in crate::config) read: fn(&RawValue) -> Result<T, String>,
    /// Writes the value so that `read` accepts it. The text of a secret value is hidden.
    pub(in crate::config) show: fn(&T) -> String,
}

/// Whether values may be shown in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    Public,
    /// The value is or contains a password.
    Secret,
}
