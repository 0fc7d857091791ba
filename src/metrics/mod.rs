//! What the process counts, for Prometheus, for people and scripts, and for a statsd.
//!
//! ```text
//! sampler      reads all counters at an interval
//! window       the figures of the last ten seconds
//! openmetrics  counters and histograms as OpenMetrics text
//! process      the standard metrics of a process
//! stats        the same figures as JSON
//! statsd       the same figures to a statsd, over UDP
//! ```

pub(crate) mod openmetrics;
mod process;
mod sampler;
pub(crate) mod stats;
pub(crate) mod statsd;
mod window;

pub(crate) use sampler::Sampler;
