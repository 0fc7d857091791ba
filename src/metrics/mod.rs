//! The figures of the process, for Prometheus, for people and scripts, and for a statsd.
//!
//! ```text
//! reading      all counters and histograms at one moment
//! window       the figures of the last ten seconds
//! sampler      takes readings at an interval
//! openmetrics  counters and histograms as OpenMetrics text
//! histogram    a histogram with the bounds of Prometheus' native schema 2
//! process      the standard metrics of a process
//! stats        the same figures as JSON
//! statsd       the same figures for a statsd, over UDP
//! ```

mod histogram;
pub(crate) mod openmetrics;
mod process;
mod reading;
mod sampler;
pub(crate) mod stats;
pub(crate) mod statsd;
mod window;

pub(crate) use sampler::Sampler;
