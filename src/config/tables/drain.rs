//! `[drain]`: how connections are moved to other nodes. Used by the control thread.

use std::time::Duration;

use crate::config::bounds::Bound::AtMost;
use crate::config::table::table;
use crate::limits::TIMEOUT_CEILING;

table! {
    /// How connections are moved to other nodes: all of them after SIGTERM, or a share on request.
    pub struct DrainConfig at "drain" {
        /// The time over which connections are closed evenly after SIGTERM, so that their clients
        /// do not all connect to other nodes at once.
        period: Duration as DURATION = Duration::from_secs(10), Live, AtMost(TIMEOUT_CEILING);
        /// How long a node announces the lowest weight after it has closed a share of its
        /// connections (`fanfare drain --share 20%`), so that their clients connect to other nodes.
        dwell: Duration as DURATION = Duration::from_secs(30), Live, AtMost(TIMEOUT_CEILING);
    }
}
