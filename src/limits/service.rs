//! Bounds on the service thread. Used by the service thread, the main thread and shard threads.

use std::time::Duration;

/// Time that the process waits at its end for the service thread, which sends the last figures to a
/// statsd. A longer time would delay every restart when a statsd does not respond.
pub const SERVICE_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of questions of one shard to the service thread that are not answered. A
/// question with its answer and the held input of its client uses a few KiB.
pub const SERVICE_CALLS_PER_SHARD: usize = 16 * 1024;

/// Maximum bytes that the connections of one shard hold while they wait for the service thread: the
/// questions, and the messages of the clients. One message may exceed it.
pub const SERVICE_WAIT_BYTES: usize = 64 * 1024 * 1024;

/// Time after which a command fails that waits for the service thread. The service thread answers
/// every question within [`HOOK_TIMEOUT_CEILING`], so that only a fault in it leads to this end.
pub const SERVICE_ANSWER_TIMEOUT: Duration =
    HOOK_TIMEOUT_CEILING.saturating_add(Duration::from_secs(15));

/// Maximum length of the response of a hook. It grants at most the topics of one client, each with
/// some data.
pub const HOOK_RESPONSE_BYTES: usize = 256 * 1024;

/// Maximum of `hooks.max_concurrent`. Each request under way uses a file descriptor.
pub const HOOK_CONCURRENCY_CEILING: usize = 4096;

/// Maximum time of a call of a hook. Its client waits for it.
pub const HOOK_TIMEOUT_CEILING: Duration = Duration::from_secs(30);

/// Time after which a connection without a request is closed. Servers of applications keep them
/// for 2 s or longer, and a request that is sent while the server closes is lost.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Connections to one host that are kept without a request. More are needed only in a storm, and
/// each uses a file descriptor.
pub const HTTP_IDLE_CONNECTIONS: usize = 64;

/// Maximum length of the message of an error that a hook chooses. Longer ones are cut.
pub const HOOK_MESSAGE_BYTES: usize = 1024;

/// Maximum length of each thing that a hook states about a client and the hub keeps: the user, the
/// information for others, and `meta`. A token may state as much.
pub const HOOK_KEPT_BYTES: usize = super::TOKEN_BYTES;

/// Time after which a hook is asked again about a connection or a subscription that expires, if the
/// hook has failed. Until then the client keeps what it has. Up to a quarter of it is added, at
/// random.
pub const HOOK_RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// Time after which the hub asks a hook about something that has expired if too many questions were
/// under way when it expired. Up to a quarter of it is added, at random.
pub const HOOK_ROOM_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum length of a key set. A key has less than 2 KiB.
pub const KEY_SET_BYTES: usize = 256 * 1024;

/// Maximum number of keys in a key set. Issuers have two to ten.
pub const KEY_SET_KEYS: usize = 64;

/// Maximum length of the id of a key.
pub const KEY_ID_BYTES: usize = 256;

/// Time of one try to fetch a key set, and number of tries.
pub const KEY_SET_TIMEOUT: Duration = Duration::from_secs(1);
pub const KEY_SET_TRIES: u32 = 2;

/// Age at which a key set is fetched again. A key that the issuer has removed verifies tokens for
/// at most this time while the issuer responds.
pub const KEY_SET_AGE: Duration = Duration::from_secs(60 * 60);

/// Age up to which a key set is used if it cannot be fetched again, so that a failure of the issuer
/// does not lock out everybody.
pub const KEY_SET_AGE_MAX: Duration = Duration::from_secs(4 * 60 * 60);

/// Time between two questions of a shard for a key set that cannot be fetched.
pub const KEY_SET_ASK_INTERVAL: Duration = Duration::from_secs(60);

/// Minimum time between two fetches of a key set for keys that it lacks, so that invented key ids
/// do not flood the issuer.
pub const KEY_SET_FETCH_INTERVAL: Duration = Duration::from_secs(10);

/// Minimum time between a fetch that has failed and the next one.
pub const KEY_SET_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Threads for calls of the service thread that block, such as name resolution. A resolver that
/// does not respond holds a call for about 30 s, and flushes to a statsd make one every 5 s.
pub const SERVICE_BLOCKING_THREADS: usize = 16;
