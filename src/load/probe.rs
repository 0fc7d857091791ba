//! Measures the node: figures that the shards publish, and figures of the kernel in /proc, which
//! cost the other threads nothing. Control thread.

use std::fs;
use std::path::Path;

use crate::fabric::Fabric;
use crate::host::{memory, process};
use crate::observe::HistogramSnapshot;

use super::sample::{Core, LoadSample, ThreadTime};

/// The fixed facts that measurements need.
pub(super) struct Probe {
    shard_on_ingest_core: Option<usize>,
    /// The value of `load.memory = auto`.
    memory_bytes: u64,
}

impl Probe {
    /// Creates a probe. `shard_on_ingest_core` is the shard that has no core of its own.
    pub(super) fn new(shard_on_ingest_core: Option<usize>) -> Self {
        Self {
            shard_on_ingest_core,
            memory_bytes: memory::usable_bytes(Path::new("/"), "self") / 4 * 3,
        }
    }

    /// Takes a measurement.
    pub(super) fn sample(&self, fabric: &Fabric) -> LoadSample {
        let lags: Vec<_> = fabric.shards.iter().map(|it| it.lag.snapshot()).collect();
        let mut sample = LoadSample {
            at_us: fabric.clock.now_us(),
            threads: self.threads(),
            lag: HistogramSnapshot::merge(&lags),
            max_connections: fabric.max_connections() as u64,
            resident_bytes: process::resident_bytes(),
            memory_bytes: self.memory_bytes,
            ..LoadSample::default()
        };
        for shard in &fabric.shards {
            let counts = shard.counts.load();
            sample.egress_bytes += counts.written_bytes;
            sample.queued_bytes += counts.pending_bytes + shard.lane.queued_bytes() as u64;
            sample.sockets += counts.connections;
            sample.upgraded += counts.upgraded;
        }
        sample
    }

    /// Reads the CPU times of all threads of the process.
    fn threads(&self) -> Vec<ThreadTime> {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else {
            return Vec::new();
        };
        let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        // A thread that has ended since the directory was read is left out.
        ids.filter_map(|id: u32| {
            let cpu_us = cpu_us(id)?;
            // The name is read each time, because a new thread has the name of its parent at first.
            let core = Core::of_thread(&task_file(id, "comm")?, self.shard_on_ingest_core);
            Some(ThreadTime { id, core, cpu_us })
        })
        .collect()
    }
}

/// Reads a file of one thread.
fn task_file(id: u32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/task/{id}/{file}")).ok()
}

/// Returns the CPU time of a thread: in nanoseconds from the scheduler, or in ticks if the kernel
/// has no scheduler statistics.
fn cpu_us(id: u32) -> Option<u64> {
    let exact = task_file(id, "schedstat").and_then(|text| {
        let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
        (nanoseconds > 0).then_some(nanoseconds / 1000)
    });
    exact.or_else(|| process::cpu_us(&task_file(id, "stat")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_is_found_with_its_cpu_time() {
        let probe = Probe::new(None);
        let threads = probe.threads();
        assert!(!threads.is_empty());
        let total = |threads: &[ThreadTime]| threads.iter().map(|each| each.cpu_us).sum::<u64>();
        while total(&probe.threads()) <= total(&threads) {} // This loop uses CPU time.
    }

    #[test]
    fn a_shard_is_found_by_the_name_of_its_thread() {
        let probe = Probe::new(None);
        let (end, ended) = crossbeam_channel::bounded::<()>(0);
        let (named, is_named) = crossbeam_channel::bounded(1);
        let shard = std::thread::Builder::new().name("shard-7-8".into());
        let shard = shard.spawn(move || {
            named.send(()).unwrap();
            let _ = ended.recv();
        });
        is_named.recv().unwrap();
        let cores: Vec<Core> = probe.threads().iter().map(|each| each.core).collect();
        drop(end);
        shard.unwrap().join().unwrap();
        assert!(cores.contains(&Core::Shard(7)) && cores.contains(&Core::Ingest));
    }
}
