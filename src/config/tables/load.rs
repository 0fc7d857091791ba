//! `[load]`: the work that makes a node full, and how the load is smoothed. Used by the control
//! thread.

use std::time::Duration;

use crate::config::bounds::Bound::{AtMost, NotZero};
use crate::config::table::table;
use crate::limits::TIMEOUT_CEILING;

table! {
    /// The work that makes a node full. Each part of the load is measured in relation to the value
    /// here, and the load is the largest part. A node with a load of 100 % should receive no more
    /// connections; see BALANCING.md.
    pub struct LoadConfig at "load" {
        /// CPU usage of the busiest core, which is the core of a shard or that of ingest and
        /// control.
        cpu: u32 as PERCENT = 75, Live, NotZero("every node would be full");
        /// Bytes per second to clients, such as the capacity of the network interface. `off`: not
        /// part of the load.
        egress: Option<usize> as SIZE_OR_OFF = None, Live, NotZero("every node would be full");
        /// The delay until a shard handles an event: the 99th percentile of the last interval.
        lag: Duration as DURATION = Duration::from_millis(50), Live,
            NotZero("every node would be full"), AtMost(TIMEOUT_CEILING);
        /// Bytes that are pending in outboxes and on lanes.
        queued: usize as SIZE = 256 * 1024 * 1024, Live, NotZero("every node would be full");
        /// Resident memory. `auto`: three quarters of the cgroup limit, or of the host's memory if
        /// there is no limit.
        memory: Option<usize> as SIZE_OR_AUTO = None, Live, NotZero("every node would be full");
        /// The number of connections that a node is planned for, equal on all nodes. Until the cost
        /// of a connection has been measured, the node assumes that a connection uses this fraction
        /// of its capacity. The announced weight is relative to this number.
        connections: usize as COUNT = 5000, Live, NotZero("every node would be full");
        /// The time constant of the smoothing while the load rises.
        up: Duration as DURATION = Duration::from_secs(2), Live, AtMost(TIMEOUT_CEILING);
        /// The time constant of the smoothing while the load falls.
        down: Duration as DURATION = Duration::from_secs(30), Live, AtMost(TIMEOUT_CEILING);
        /// The time constant with which the extra charge for a new connection fades.
        fresh: Duration as DURATION = Duration::from_secs(60), Live, AtMost(TIMEOUT_CEILING);
        /// The change of the weight, in percentage points, from which a new weight is announced.
        /// Small weights change in steps of an eighth.
        hysteresis: u32 as PERCENT = 3, Live;
        /// The maximum increase of the announced weight, in percentage points per second. The
        /// weight starts at 1 % and decreases immediately.
        rise: u32 as PERCENT = 10, Live, NotZero("the weight would stay at 1 %");
    }
}
