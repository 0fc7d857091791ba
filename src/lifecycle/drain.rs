//! The drain of the whole process: every shard closes its connections over a period and ends, and
//! then the process ends. Control thread.

use std::time::Duration;

use crate::fabric::{Fabric, RequestNotTaken};
use crate::liveness::service_manager;

/// Starts to close all connections over `period`.
pub(super) fn start(fabric: &Fabric, period: Duration) -> Result<(), RequestNotTaken> {
    let shards = fabric.shards.iter();
    let connections: u64 = shards.map(|shard| shard.counts.load().connections).sum();
    tracing::info!(
        connections,
        ?period,
        "draining; a second signal ends at once"
    );
    service_manager::stopping(period);
    fabric.drain(period.as_micros() as u64)
}
