//! Export to a statsd over UDP, every `statsd.interval` and once more when the process ends. Runs
//! on the service thread.
//!
//! ```text
//! exporter       resolves the address, sends packets
//! metric_set     the figures of the process at one moment
//! delta_encoder  the part of them that the statsd has not received yet, as packets
//! timer          that part of a histogram, as a bounded number of values
//! packet         lines in datagrams
//! line           one metric as a line of text
//! ```
//!
//! The crate `cadence` does not report which lines a failed send has lost, so with it the deltas of
//! counters could not be sent again. That is why the protocol is implemented here.

mod delta_encoder;
mod exporter;
mod line;
mod metric_set;
mod packet;
mod timer;

pub(crate) use exporter::StatsdExporter;
