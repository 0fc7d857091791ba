//! Bounds on the admin port and on the requests that the command line sends to it. Used by the
//! control thread and the command line.

use std::time::Duration;

/// Connections that the admin port serves at the same time: scrapers and a few operators.
pub const ADMIN_CONNECTIONS: usize = 64;

/// Maximum duration of a connection to the admin port. Scrapers connect again by themselves.
pub const ADMIN_CONNECTION_TIMEOUT: Duration = Duration::from_secs(120);

/// Time that the admin port waits after a failed accept, which usually means that the process has
/// no free descriptor.
pub const ADMIN_ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Maximum size of a request body. The ingest thread checks the size of the payload against
/// `ingest.max_payload`. Larger payloads are published over ZeroMQ.
pub const ADMIN_BODY_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of a request body that are read and discarded, so that the client receives the refusal.
pub const ADMIN_DISCARD_BYTES: usize = 16 * 1024 * 1024;

/// Maximum size of a response from an admin port: many times the figures of the largest host.
pub const ADMIN_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// Time that the command line waits for a response from an admin port.
pub const ADMIN_CLIENT_TIMEOUT: Duration = Duration::from_secs(5);
