//! What the kernel says of the process, under the names that Prometheus' client libraries agree on
//! (<https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>). Control
//! thread.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks per second in /proc: `USER_HZ`, the same on every architecture that matters (`time(7)`).
const TICKS_PER_S: u64 = 100;

/// What the process uses, at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    pub(super) cpu_s: f64,
    pub(super) resident_bytes: u64,
    /// Since the epoch.
    pub(super) start_time_s: f64,
}

impl Process {
    /// `held`: descriptors that the process may have open, as far as it knows itself.
    pub(super) fn now(held: u64) -> Self {
        let stat = read("/proc/self/stat");
        let directory = fs::metadata("/proc/self/fd");
        Self {
            open_fds: open_fds(directory.map_or(0, |it| it.len()), held),
            max_fds: max_fds(),
            cpu_s: cpu_us(&stat).unwrap_or(0) as f64 / 1e6,
            resident_bytes: resident_bytes(),
            start_time_s: start_time_s(&stat).unwrap_or(0.0),
        }
    }
}

/// Bytes of memory that the process has resident.
pub(super) fn resident_bytes() -> u64 {
    kib_of("/proc/self/status", "VmRSS:").unwrap_or(0) * 1024
}

/// The number behind `name` in a table such as /proc/meminfo, in KiB.
pub(super) fn kib_of(path: &str, name: &str) -> Option<u64> {
    let table = read(path);
    let row = table.lines().find_map(|line| line.strip_prefix(name))?;
    row.split_whitespace().next()?.parse().ok()
}

/// CPU time, user's and kernel's, from a `stat` of a process or thread (`proc_pid_stat(5)`).
pub(super) fn cpu_us(stat: &str) -> Option<u64> {
    let ticks = field(stat, 14)? + field(stat, 15)?;
    Some(ticks * 1_000_000 / TICKS_PER_S)
}

/// A field of `stat`, counted from 1; of those behind the name, which may hold anything.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number - 3)?.parse().ok()
}

/// `size`: of /proc/self/fd. Since Linux 6.2 it is the number of entries, before that it is 0. They
/// are never listed: with many connections that would hold the control thread up at every scrape.
fn open_fds(size: u64, held: u64) -> u64 {
    if size > 0 { size } else { held }
}

/// `u64::MAX`: without limit.
fn max_fds() -> u64 {
    let limits = read("/proc/self/limits");
    let row = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    match row.and_then(|row| row.split_whitespace().next()) {
        Some("unlimited") => u64::MAX,
        soft => soft.and_then(|soft| soft.parse().ok()).unwrap_or(0),
    }
}

fn start_time_s(stat: &str) -> Option<f64> {
    let boot = read("/proc/stat");
    let boot_s = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let boot_s: f64 = boot_s.trim().parse().ok()?;
    Some(boot_s + field(stat, 22)? as f64 / TICKS_PER_S as f64)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = [
            (
                "process_open_fds",
                "Open file descriptors",
                self.open_fds as f64,
            ),
            (
                "process_max_fds",
                "File descriptors the process may have",
                self.max_fds as f64,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory",
                self.resident_bytes as f64,
            ),
            (
                "process_start_time_seconds",
                "Start, since the epoch",
                self.start_time_s,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        let help = "CPU time, user's and kernel's";
        let counter = ConstCounter::new(self.cpu_s);
        let kind = counter.metric_type();
        let metric = encoder.encode_descriptor("process_cpu_seconds", help, None, kind)?;
        counter.encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_figures_are_those_of_this_process() {
        let process = Process::now(0);
        assert!(process.max_fds > 3 && process.max_fds >= process.open_fds);
        assert!(process.resident_bytes > 1024 * 1024);
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age_s = now_s.as_secs_f64() - process.start_time_s;
        assert!((-2.0..86_400.0).contains(&age_s), "{age_s}");
    }

    #[test]
    fn descriptors_are_those_the_kernel_counts_or_else_those_we_know_of() {
        assert_eq!([open_fds(12, 700), open_fds(0, 700)], [12, 700]);
        let listed = || fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        let held = Process::now(1_000_000).open_fds;
        assert!(held == 1_000_000 || held.abs_diff(listed()) < 100, "{held}");
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 200 50 0 0 20 0 1 0 4200 9";
        assert_eq!(cpu_us(stat), Some(2_500_000));
        assert_eq!(field(stat, 22), Some(4200));
        assert_eq!(cpu_us("7 (a"), None);
    }

    #[test]
    fn names_are_the_standard_ones() {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(Process::now(0)));
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
