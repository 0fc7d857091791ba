//! Every bound of the system with its reason, grouped by subject. Constants, used on every thread.
//!
//! Values that an operator may want to change are configuration keys. The constants here are what
//! the design relies on, and the ceilings for configuration keys. A name ends in its unit; times
//! are of type [`Duration`](std::time::Duration) and have no unit in their names.

mod accept;
mod admin;
mod ceilings;
mod connections;
mod deflate;
mod ingest;
mod lanes;
mod liveness;
mod load;
mod log;
mod metrics;
mod outbox;
mod protocol;
mod publishers;
mod ring;
mod service;
mod statsd;
mod timers;
mod tokens;

pub use accept::*;
pub use admin::*;
pub use ceilings::*;
pub use connections::*;
pub use deflate::*;
pub use ingest::*;
pub use lanes::*;
pub use liveness::*;
pub use load::*;
pub use log::*;
pub use metrics::*;
pub use outbox::*;
pub use protocol::*;
pub use publishers::*;
pub use ring::*;
pub use service::*;
pub use statsd::*;
pub use timers::*;
pub use tokens::*;
