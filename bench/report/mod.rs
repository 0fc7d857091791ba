//! Measurements and their presentation: CPU and memory of processes, latencies, metrics of the
//! server, the report of a run, plots, and the comparison of two servers.

pub mod columns;
pub mod comparison;
pub mod latency;
pub mod metrics;
pub mod monitor;
pub mod pairs;
pub mod plot;
pub mod process;
pub mod progress;
pub mod quantity;
pub mod results;
pub mod scale;
pub mod schedule;
pub mod spread;
pub mod timeline;
pub mod usage;
