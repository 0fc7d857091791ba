//! Measures the node: what the cores publish, and what the kernel says of the process in /proc, so
//! that the cores pay nothing for it. Control thread.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::control::process;
use crate::fabric::Fabric;
use crate::observe::HistogramSnapshot;

use super::sample::{Sample, Thread};

pub(super) struct Probe {
    /// Names of threads, which do not change.
    names: HashMap<u32, String>,
    memory_bytes: u64,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self {
            names: HashMap::new(),
            memory_bytes: allowed_memory_bytes() / 4 * 3,
        }
    }

    pub(super) fn sample(&mut self, fabric: &Fabric) -> Sample {
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

    fn threads(&mut self) -> Vec<Thread> {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else {
            return Vec::new();
        };
        let ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok());
        // A thread that ended in between has no time to tell.
        ids.filter_map(|id: u32| {
            let cpu_us = cpu_us(id)?;
            let name = self.names.entry(id).or_insert_with(|| name_of(id)).clone();
            Some(Thread { id, name, cpu_us })
        })
        .collect()
    }
}

fn task(id: u32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/task/{id}/{file}")).ok()
}

fn name_of(id: u32) -> String {
    let name = task(id, "comm").unwrap_or_default();
    name.trim_end().to_owned()
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
    let host = process::kib_of("/proc/meminfo", "MemTotal:").unwrap_or(0) * 1024;
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
    fn every_thread_is_found_with_its_name_and_time() {
        let mut probe = Probe::new();
        let threads = probe.threads();
        assert!(!threads.is_empty());
        assert!(threads.iter().all(|thread| !thread.name.is_empty()));
        let until = |total: &dyn Fn(&[Thread]) -> u64, probe: &mut Probe| {
            let before = total(&threads);
            while total(&probe.threads()) <= before {} // It spends what it waits for.
        };
        until(
            &|threads| threads.iter().map(|each| each.cpu_us).sum(),
            &mut probe,
        );
    }

    #[test]
    fn there_is_memory() {
        assert!(allowed_memory_bytes() > 1024 * 1024);
    }
}
