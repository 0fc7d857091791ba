//! The standard metrics of a process, under the names that the Prometheus client libraries agree on
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>).
//! Control thread.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::host::process::ProcessUsage;

/// Exposes a [`ProcessUsage`].
#[derive(Debug)]
pub(super) struct ProcessCollector(pub(super) ProcessUsage);

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let usage = &self.0;
        let gauges = [
            (
                "process_open_fds",
                "Open file descriptors",
                usage.open_descriptors as f64,
            ),
            (
                "process_max_fds",
                "File descriptors the process may have",
                usage.descriptor_limit as f64,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory",
                usage.resident_bytes as f64,
            ),
            (
                "process_start_time_seconds",
                "Start, since the epoch",
                usage.start_time_s,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let help = "CPU time, user's and kernel's";
        let counter = ConstCounter::new(usage.cpu_s);
        let kind = counter.metric_type();
        let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, kind)?;
        counter.encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_standard_ones() {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(ProcessCollector(ProcessUsage::read(0))));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for name in [
            "process_cpu_seconds_total ",
            "process_open_fds ",
            "process_max_fds ",
        ] {
            assert!(text.contains(&format!("\n{name}")), "{text}");
        }
    }
}
