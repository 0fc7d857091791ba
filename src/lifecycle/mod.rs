//! The control thread and what it does with signals and configuration.
//!
//! ```text
//! control  the control thread: starts everything that runs on it
//! signals  drain, stop, reload
//! reload   a new configuration for running threads, as far as it can change live
//! logging  log lines and their level
//! ```

mod control;
pub mod logging;
mod reload;
mod signals;

pub use control::{Control, ControlError, Farewell};
