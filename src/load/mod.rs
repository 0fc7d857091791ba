//! How full this node is, what load balancers are told of it, and what its operators are advised.
//! Control thread.
//!
//! ```text
//! probe    measures the node: what the shards publish, what the kernel reports
//! sample   one measurement, and the parts of the load that a second of them gives
//! smooth   values with time constants
//! weight   the percentage that is announced
//! advice   scale out, hold, scale in
//! model    all of these over time
//! share    a share of the connections that is being closed
//! monitor  measures all the time and keeps the last outcome
//! report   the outcome as JSON and as metrics
//! agent    the answer to HAProxy's agent-check
//! ```

mod advice;
pub(crate) mod agent;
mod model;
mod monitor;
mod probe;
mod report;
mod sample;
mod share;
mod smooth;
mod weight;

pub(crate) use monitor::{Monitor, Refused};
pub(crate) use share::Stage;
