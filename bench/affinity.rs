//! Pins threads to cores. All threads.

use core_affinity::CoreId;

use crate::error::BenchError;

/// Pins the calling thread to a core. Threads and processes that it starts later inherit the core.
pub fn pin(core: usize) -> Result<(), BenchError> {
    if core_affinity::set_for_current(CoreId { id: core }) {
        return Ok(());
    }
    Err(BenchError::Arguments(format!(
        "core {core} is not one that this process may use"
    )))
}
