//! The WebSocket clients of a run: connections, frames, and the check of every delivery.

pub mod assignment;
pub mod connection;
pub mod counts;
pub mod fleet;
pub mod frames;
pub mod inflate;
pub mod ledger;
pub mod receiver;
pub mod reply;
pub mod sink;
pub mod upgrade;
