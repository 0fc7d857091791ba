//! CPU time of the server and of the load generator during the measured time. Receiving thread.

use crate::error::BenchError;
use crate::report::process::{CpuMeter, Process};
use crate::report::results::Report;

/// A running measurement.
#[derive(Clone, Copy, Debug)]
pub struct UsageMeter {
    server: Option<CpuMeter>,
    generator: CpuMeter,
}

/// CPU use of one process during the measured time.
#[derive(Clone, Copy, Debug)]
pub struct CpuUsage {
    pub spent_us: u64,
    /// Share of one core.
    pub percent: f64,
}

/// CPU use during the measured time.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// `None` if the process of the server is not known.
    pub server: Option<CpuUsage>,
    pub generator: CpuUsage,
}

impl UsageMeter {
    pub fn start(server: Option<Process>) -> Result<Self, BenchError> {
        Ok(Self {
            server: server.map(CpuMeter::start).transpose()?,
            generator: CpuMeter::start(Process::own())?,
        })
    }

    pub fn finish(&self) -> Result<Usage, BenchError> {
        let usage = |meter: &CpuMeter| {
            Ok::<_, BenchError>(CpuUsage {
                spent_us: meter.spent_us()?,
                percent: meter.percent()?,
            })
        };
        Ok(Usage {
            server: self.server.as_ref().map(usage).transpose()?,
            generator: usage(&self.generator)?,
        })
    }
}

impl Usage {
    /// Adds the CPU use of both processes, and the server's per delivery.
    pub fn add_to(&self, report: &mut Report, deliveries: u64) {
        report.add_decimal("generator_cpu_percent", self.generator.percent);
        if let Some(server) = self.server {
            report.add_decimal("server_cpu_percent", server.percent);
            let per_delivery_us = server.spent_us as f64 / deliveries.max(1) as f64;
            report.add_decimal("server_cpu_us_per_delivery", per_delivery_us);
        }
    }
}
