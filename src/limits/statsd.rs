//! Bounds on the metrics that are sent to statsd. Used by the service thread.

use std::time::Duration;

/// Maximum size of a datagram: an Ethernet frame of 1,500 bytes without the headers of IP, UDP and
/// a tunnel. A larger datagram would be divided into fragments, and the loss of one loses all.
pub const STATSD_PACKET_BYTES: usize = 1432;

/// Maximum length of a statsd name with its prefix. Graphite stores each name in a file, and file
/// systems allow 255 bytes for each part of a path. Two gauge lines of this length fit one packet.
pub const STATSD_NAME_BYTES: usize = 255;

/// Maximum length of `statsd.prefix`. A host name (64 bytes, `sethostname(2)`) and the rest of a
/// name fit next to it.
pub const STATSD_PREFIX_BYTES: usize = 96;

/// Values that represent a timer in one flush. Its p99.9 is the second largest of them.
pub const STATSD_TIMER_VALUES: u64 = 1000;

/// Shortest interval between two flushes. statsd counts in whole seconds.
pub const STATSD_MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after each datagram. A hundred datagrams at once overflow a receive buffer of default size
/// (`net.core.rmem_default`, 208 KiB; each datagram takes 2.3 KiB). The pause is also long enough
/// for an ICMP refusal to arrive.
pub const STATSD_PACKET_PAUSE: Duration = Duration::from_millis(1);

/// Maximum duration of one flush, including the lookup of the host name.
pub const STATSD_TIMEOUT: Duration = Duration::from_secs(5);
