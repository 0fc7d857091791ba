//! `[statsd]`: metrics for statsd. Used by the control thread.

use std::time::Duration;

use crate::config::bounds::Bound::{AtLeast, AtMost};
use crate::config::host_and_port::HostAndPort;
use crate::config::statsd_prefix::StatsdPrefix;
use crate::config::table::table;
use crate::limits::{STATSD_MIN_INTERVAL, TIMEOUT_CEILING};

table! {
    /// Metrics for statsd over UDP. OPERATIONS.md describes the settings of statsd and Graphite.
    pub struct StatsdConfig at "statsd" {
        /// The statsd server, such as `127.0.0.1:8125`. It receives counters, gauges, and timers
        /// with correct upper percentiles. The host name is resolved before every flush.
        address: Option<HostAndPort> as HOST_AND_PORT_OR_OFF = None, Restart;
        /// The prefix of every name. `{host}` is replaced by the name of the host, with `_` for
        /// dots. Nodes that share a statsd server need `{host}`, because otherwise they overwrite
        /// each other's gauges.
        prefix: StatsdPrefix as STATSD_PREFIX = StatsdPrefix::default(), Restart;
        /// The interval between two flushes: the flush interval of the statsd server, or a whole
        /// fraction of it.
        interval: Duration as DURATION = Duration::from_secs(10), Restart,
            AtLeast(STATSD_MIN_INTERVAL), AtMost(TIMEOUT_CEILING);
    }
}
