//! The threads beside the data path, and what they do at start, at shutdown and on signals.
//!
//! ```text
//! control  the control thread: admin port, metrics, load, watchdog, signals
//! signals  SIGTERM and SIGINT drain, SIGHUP reloads
//! drain    starts to close all connections
//! reload   applies a new configuration to running threads
//! logging  log lines and their level
//! ```

mod control;
mod drain;
pub mod logging;
mod reload;
mod signals;

pub use control::ControlError;
pub(crate) use control::ControlThread;
