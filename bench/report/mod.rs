//! Measurements and their presentation: CPU and memory of processes, latencies, metrics of the
//! server, the report of a run, plots, and the comparison of two servers.

pub mod latency;
pub mod metrics;
pub mod monitor;
pub mod pairs;
pub mod plot;
pub mod process;
pub mod progress;
pub mod results;
pub mod spread;
pub mod timeline;
pub mod usage;
