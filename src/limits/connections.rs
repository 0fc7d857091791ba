//! Bounds on connections, on the descriptors and the memory that they need, on surveys of them and
//! on lists of topics. Used by shard threads, the control thread and the command line.

use std::time::Duration;

/// Sockets beyond `ws.max_connections` that the process still reads. Their clients receive a 503
/// and load balancers receive an answer to `/health`, instead of a TCP reset.
pub const REFUSAL_SOCKETS: usize = 64;

/// Descriptors that the process needs apart from its shards: standard streams, logs, the
/// descriptors of libzmq, and the connections of publishers and of the admin port.
pub const OWN_DESCRIPTORS: usize = 64;

/// Descriptors that one shard needs apart from its clients: four rings, event descriptors, the
/// listener, the reserve descriptor, and both ends of the connection for the watchdog's canary.
pub const OWN_DESCRIPTORS_PER_SHARD: usize = 16;

/// Memory of a connection with an empty outbox: 616 bytes in the process, as `fanfare-bench idle`
/// measures it, and 3 to 4 KiB for the socket in the kernel.
pub const CONNECTION_BYTES: u64 = 4608;

/// Number of connections that `fanfare doctor` assumes if neither the command line nor the
/// configuration gives one. It is three times the daily peak of the production system whose load
/// fanfare is built for.
pub const EXPECTED_CONNECTIONS: u64 = 10_000;

/// Items in one page of a shard's connections or sockets. A page of connections has about 40 KiB.
pub const PAGE_ITEMS: usize = 256;

/// Slots that a survey of a shard's connections examines in one turn. This takes tens of
/// microseconds.
pub const SURVEY_SLOTS: usize = 4 * PAGE_ITEMS;

/// Maximum number of connections that one survey returns. A person can read a list of this length.
pub const SURVEY_LISTED: usize = 100;

/// Maximum length of the information about a user that a survey returns. A name and an address of a
/// picture fit.
pub const SURVEY_INFO_BYTES: usize = 1024;

/// Number of connections that a survey returns if the request does not give a limit.
pub const SURVEY_LISTED_DEFAULT: usize = 10;

/// Parts of the table that counts the connections of each user, each with a lock of its own. Shards
/// that connect clients at the same time rarely need the same one.
pub const USER_LIMIT_STRIPES: usize = 64;

/// Connections of users that a shard acts on in one turn for the server API. Each gets a push or a
/// close frame, which takes one or two microseconds.
pub const USER_ACTIONS: usize = 128;

/// Calls of the server API that act on connections of users at the same time. A shard that has
/// stopped has so many requests in its queue at most, which leaves room for others.
pub const USER_ACTION_CALLS: usize = 16;

/// Topics that a shard lists in one turn. Each costs a copy of its name: all of them 25 to 80
/// microseconds with a million topics, whose names are not in the cache.
pub const TOPIC_PAGE_ITEMS: usize = PAGE_ITEMS;

/// Time that the admin port waits for the surveys of the shards. A busy shard with a million
/// connections needs a thousand turns, which take less.
pub const SURVEY_TIMEOUT: Duration = Duration::from_secs(2);
