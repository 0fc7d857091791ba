//! Bounds on the measurement of load, on the agent port for `HAProxy`, and on moving connections
//! away. Used by the control thread.

use std::time::Duration;

/// Interval between two measurements of the load. An answer to `HAProxy` is at most this old. One
/// measurement takes about 100 us of the control thread.
pub const LOAD_SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Time over which rates are measured. A burst every second appears as a steady load.
pub const LOAD_WINDOW: Duration = Duration::from_secs(1);

/// Maximum value of one part in the smoothed load, so that one short stall does not count as a long
/// overload.
pub const LOAD_PART_CEILING: f64 = 2.0;

/// Connections that the agent port answers at the same time. Each load balancer has one.
pub const AGENT_CONNECTIONS: usize = 64;

/// Maximum duration of a connection to the agent port.
pub const AGENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes of `agent-send` that are read and discarded. Unread bytes would turn the close into a TCP
/// reset, which may arrive before the answer.
pub const AGENT_DISCARD_BYTES: usize = 4096;

/// Time over which a share of the connections is closed if the request does not give a period.
pub const SHARE_PERIOD_DEFAULT: Duration = Duration::from_secs(60);
