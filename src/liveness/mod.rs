//! Whether every thread of the data path works, and the messages to the service manager. Control
//! thread.
//!
//! ```text
//! watchdog         publishes canaries, and notifies the service manager while they are delivered
//! check            decides whether to notify it, without IO
//! canary           a WebSocket connection to one shard that receives canaries
//! service_manager  the messages of sd_notify(3)
//! ```

mod canary;
mod check;
pub(crate) mod service_manager;
mod watchdog;

pub(crate) use watchdog::Watchdog;
