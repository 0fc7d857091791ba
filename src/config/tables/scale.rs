//! `[scale]`: when a node advises to add or remove a node. Used by the control thread.

use std::time::Duration;

use crate::config::bounds::Bound::AtMost;
use crate::config::table::table;
use crate::limits::TIMEOUT_CEILING;

table! {
    /// When the node advises to add or remove a node. The advice is published; nothing is started
    /// or stopped.
    pub struct ScaleConfig at "scale" {
        /// The load above which another node is advised, after `scale.out_after`.
        out_above: u32 as PERCENT = 70, Live;
        /// How long the load must stay above `scale.out_above`.
        out_after: Duration as DURATION = Duration::from_secs(3 * 60), Live,
            AtMost(TIMEOUT_CEILING);
        /// The load above which another node is advised earlier, after `scale.urgent_after`.
        urgent_above: u32 as PERCENT = 90, Live;
        /// How long the load must stay above `scale.urgent_above`.
        urgent_after: Duration as DURATION = Duration::from_secs(60), Live,
            AtMost(TIMEOUT_CEILING);
        /// The load below which one node less is advised, after `scale.in_after`.
        in_below: u32 as PERCENT = 30, Live;
        /// How long the load must stay below `scale.in_below`.
        in_after: Duration as DURATION = Duration::from_secs(15 * 60), Live,
            AtMost(TIMEOUT_CEILING);
    }
}
