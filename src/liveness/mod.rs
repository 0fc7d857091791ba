//! Whether every thread works, and what the service manager is told of it. Control thread.
//!
//! ```text
//! watchdog         publishes canaries and notifies the service manager while they are delivered
//! judgement        the decision behind a notification, without IO
//! canary           a WebSocket connection to one shard that receives canaries
//! service_manager  the messages of sd_notify(3)
//! ```

mod canary;
mod judgement;
pub(crate) mod service_manager;
mod watchdog;

pub(crate) use watchdog::Watchdog;
