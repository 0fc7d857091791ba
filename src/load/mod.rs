//! How full this node is: the weight for load balancers, the advice for operators, and drains of a
//! share of the connections. Control thread.
//!
//! ```text
//! probe        measures the node: figures of the shards and of the kernel
//! sample       one measurement
//! parts        the parts of the load, from the measurements of one second
//! smooth       values with time constants
//! weight       the weight that is announced to load balancers
//! advice       scale out, hold, scale in
//! model        all of these over time
//! share_drain  a drain of a share of the connections
//! monitor      measures at an interval and keeps the last report
//! report       the report as JSON and as metrics
//! agent        the answer to `HAProxy`'s agent-check
//! ```

mod advice;
pub(crate) mod agent;
mod model;
mod monitor;
mod parts;
mod probe;
mod report;
mod sample;
mod share_drain;
mod smooth;
mod weight;

pub(crate) use monitor::{Monitor, ShareDrainError};
