//! Bounds on the admin port and on the requests that the command line sends to it. Used by the
//! control thread and the command line.

use std::time::Duration;

/// Connections that the admin port serves at the same time: scrapers, scripts and a few operators.
/// A further connection takes the slot of the least needed one.
pub const ADMIN_CONNECTIONS: usize = 64;

/// Age at which a connection that has sent nothing, or only a part of its request, may be closed
/// before others. A request that is sent in one piece arrives within a few milliseconds.
pub const ADMIN_GRACE: Duration = Duration::from_millis(500);

/// Time in which a client has to send the head of a request: its first one from the connection on,
/// and each further one from the first byte on.
pub const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between an answer and the first byte of the next request of the connection, after which an
/// idle connection is closed. A client that sends a request just then gets no answer. Therefore the
/// time is longer than the usual intervals of scrapers and publishers, the longest of which is a
/// minute; nginx waits as long. An idle connection takes nothing from others: it makes room for a
/// new one.
pub const ADMIN_IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Bytes that are read from a connection in advance, and so the longest head of a request. With
/// [`ADMIN_CONNECTIONS`] they use 1 MiB.
pub const ADMIN_BUFFER_BYTES: usize = 16 * 1024;

/// Time that the admin port waits after a failed accept, which usually means that the process has
/// no free descriptor.
pub const ADMIN_ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Maximum size of a request body. The ingest thread checks the size of the payload against
/// `ingest.max_payload`. Larger payloads are published over ZeroMQ.
pub const ADMIN_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Time in which the body of a request has to arrive, including the time that it waits for its part
/// of [`ADMIN_BODIES_BYTES`]. The largest body arrives in time at 7 Mbit/s.
pub const ADMIN_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Size up to which a body does not wait for its part of [`ADMIN_BODIES_BYTES`], so that ordinary
/// publications pass while large bodies do not. With [`ADMIN_CONNECTIONS`] they use 4 MiB.
pub const ADMIN_SMALL_BODY_BYTES: usize = 64 * 1024;

/// Memory for all larger bodies together.
pub const ADMIN_BODIES_BYTES: usize = 4 * ADMIN_BODY_BYTES;

/// Commands and channels of broadcasts in one request of the server API, together. They bound the
/// memory of its answer: the shortest command is an empty object, and its answer is an error with a
/// text.
pub const API_REQUEST_ITEMS: usize = 10_000;

/// Channels that one answer of the server API lists. With names of 50 bytes, the list has 8 MB. It
/// is for holders of a key: if all of [`ADMIN_CONNECTIONS`] read such a list slowly, they take 512
/// MB.
pub const API_LISTED_CHANNELS: usize = 100_000;

/// Bytes of a request body that are read and discarded, so that the client receives the refusal.
pub const ADMIN_DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// Time for which a refused body is read and discarded.
pub const ADMIN_DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum size of a response from an admin port: many times the figures of the largest host.
pub const ADMIN_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// Time that the command line waits for a response from an admin port.
pub const ADMIN_CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
