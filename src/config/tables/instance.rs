//! The keys outside of all tables. Used on the main thread and the control thread.

use crate::config::bounds::Bound::AtMost;
use crate::config::key::{HasTable, Key, KeyDefault, Table};
use crate::config::table::key;
use crate::limits::PORT_OFFSET_CEILING;

/// The settings that distinguish several fanfare processes on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceConfig {
    /// The number that is added to default ports.
    pub port_offset: u32,
}

impl<R: HasTable<Self> + 'static> Table<R> for InstanceConfig {
    const NAME: &'static str = "";
    const DOC: &'static [&'static str] =
        &["The settings that distinguish several fanfare processes on one host."];
    const KEYS: &'static [Key<R>] = &[key!(
        "port_offset",
        InstanceConfig.port_offset as COUNT_U32,
        KeyDefault::Fixed,
        Restart,
        [AtMost(PORT_OFFSET_CEILING)],
        [
            "A number that is added to every default port. With `100`, a second fanfare on the host",
            "listens on 8100, 8101, 5660, 5662 and 5663. Addresses that are set are used as they are."
        ]
    )];
}
