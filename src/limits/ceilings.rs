//! Ceilings for configuration keys. Used where configuration is checked, on the main thread at
//! start and on the control thread at a reload.

use std::time::Duration;

use super::lanes::BATCH_PUBLICATIONS;
use super::outbox::GATHER_BYTES;

/// Ceiling for `ingest.max_payload`. The outbox of every subscriber holds a payload whole; larger
/// objects should be published as links.
pub const PAYLOAD_CEILING_BYTES: usize = 64 * 1024 * 1024;

/// Ceiling for `port_offset`. The largest default port, 8001, then becomes the largest port.
pub const PORT_OFFSET_CEILING: u32 = u16::MAX as u32 - 8001;

/// Ceiling for `ws.max_message`. A connection collects a message in memory before it is checked.
pub const MESSAGE_CEILING_BYTES: usize = 16 * 1024 * 1024;

/// Ceiling for `ws.outbox`. Sums over all connections stay far below the range of the integers.
pub const OUTBOX_CEILING_BYTES: usize = 1024 * 1024 * 1024;

/// Ceiling for `ws.batch`. A shared frame must stay below [`GATHER_BYTES`], so that it is sent
/// together with other pending frames. The difference is room for escape characters in topics and
/// texts, whose number is not known in advance.
pub const BATCH_FRAME_CEILING_BYTES: usize = GATHER_BYTES - 8 * BATCH_PUBLICATIONS;

/// Ceiling for timeouts and periods. A longer time is probably a mistake, and no timer supports
/// one.
pub const TIMEOUT_CEILING: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum length of an `ipc://` path: `sun_path` has 108 bytes with its terminator (`unix(7)`).
pub const IPC_PATH_BYTES: usize = 107;

/// Maximum length of a user and password pair. ZMTP PLAIN stores the length of each in one byte.
pub const PLAIN_PAIR_BYTES: usize = 255;

/// Cores of the largest host: the maximum of the kernel on x86 (`NR_CPUS`).
pub const MAX_CORES: usize = 8192;
