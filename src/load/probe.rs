//! Measures the node: what the cores publish, and what the kernel says of the process in /proc, so
//! that the cores pay nothing for it. Control thread.

use std::fs;
use std::path::Path;

use crate::fabric::Fabric;
use crate::host::process;
use crate::observe::HistogramSnapshot;

use super::sample::{Core, Sample, Thread};

pub(super) struct Probe {
    /// The shard on the ingest core, if one is.
    guest: Option<usize>,
    memory_bytes: u64,
}

impl Probe {
    pub(super) fn new(guest: Option<usize>) -> Self {
        Self {
            guest,
            memory_bytes: allowed_memory_bytes() / 4 * 3,
        }
    }

    pub(super) fn sample(&self, fabric: &Fabric) -> Sample {
        let lags: Vec<_> = fabric.shards.iter().map(|it| it.lag.snapshot()).collect();
        let mut sample = Sample {
            at_us: fabric.clock.now_us(),
            threads: self.threads(),
            lag: HistogramSnapshot::merge(&lags),
            max_connections: fabric.max_connections() as u64,
            resident_bytes: process::resident_bytes(),
            memory_bytes: self.memory_bytes,
            ..Sample::default()
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

    fn threads(&self) -> Vec<Thread> {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else {
            return Vec::new();
        };
        let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        // A thread that ended in between has no time to tell.
        ids.filter_map(|id: u32| {
            let cpu_us = cpu_us(id)?;
            // Each time: a thread that has just begun still has the name of its parent.
            let core = Core::of(&task(id, "comm")?, self.guest);
            Some(Thread { id, core, cpu_us })
        })
        .collect()
    }
}

fn task(id: u32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/task/{id}/{file}")).ok()
}

/// In nanoseconds by the scheduler where it tells, else in ticks.
fn cpu_us(id: u32) -> Option<u64> {
    let exact = task(id, "schedstat").and_then(|text| {
        let nanoseconds: u64 = text.split_whitespace().next()?.parse().ok()?;
        (nanoseconds > 0).then_some(nanoseconds / 1000)
    });
    exact.or_else(|| process::cpu_us(&task(id, "stat")?))
}

/// What this process may have: the least of its control groups' `memory.max` (cgroup v2) and the
/// host's memory.
fn allowed_memory_bytes() -> u64 {
    let host = process::kib_in(
        &fs::read_to_string("/proc/meminfo").unwrap_or_default(),
        "MemTotal:",
    )
    .unwrap_or(0)
        * 1024;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    let own = Path::new("/sys/fs/cgroup").join(own.unwrap_or_default());
    let limits = own.ancestors().filter_map(|group| {
        let text = fs::read_to_string(group.join("memory.max")).ok()?;
        text.trim().parse::<u64>().ok()
    });
    limits.chain([host]).min().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_is_found_with_its_time() {
        let probe = Probe::new(None);
        let threads = probe.threads();
        assert!(!threads.is_empty());
        let total = |threads: &[Thread]| threads.iter().map(|each| each.cpu_us).sum::<u64>();
        while total(&probe.threads()) <= total(&threads) {} // It spends what it waits for.
    }

    #[test]
    fn a_shard_is_known_by_its_threads_name() {
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

    #[test]
    fn there_is_memory() {
        assert!(allowed_memory_bytes() > 1024 * 1024);
    }
}
