//! Resources that this process uses, from /proc. Any thread.

use std::fs;
use std::sync::OnceLock;

/// Clock ticks per second in /proc: `USER_HZ`, 100 on every architecture that fanfare runs on
/// (`time(7)`).
const TICKS_PER_S: u64 = 100;

/// The start of this process. It is computed once, because it depends on the wall clock: after a
/// correction of the clock it would be another time, which monitoring takes for a restart.
static START_TIME_S: OnceLock<f64> = OnceLock::new();

/// Resources that the process uses at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessUsage {
    pub open_descriptors: u64,
    /// Soft limit `RLIMIT_NOFILE`; `u64::MAX` stands for no limit.
    pub descriptor_limit: u64,
    /// CPU time in user and kernel mode.
    pub cpu_s: f64,
    pub resident_bytes: u64,
    /// Start of the process in seconds since the epoch.
    pub start_time_s: f64,
}

impl ProcessUsage {
    /// Reads the usage of this process. `expected_descriptors` stands for the number of open
    /// descriptors on kernels that do not count them.
    pub fn read(expected_descriptors: u64) -> Self {
        let stat = read("/proc/self/stat");
        let directory = fs::metadata("/proc/self/fd");
        let directory_size = directory.map_or(0, |metadata| metadata.len());
        Self {
            open_descriptors: open_descriptors(directory_size, expected_descriptors),
            descriptor_limit: descriptor_limit(),
            cpu_s: cpu_us(&stat).unwrap_or(0) as f64 / 1e6,
            resident_bytes: resident_bytes(),
            start_time_s: *START_TIME_S.get_or_init(|| start_time_s(&stat).unwrap_or(0.0)),
        }
    }
}

/// Returns whether this process ignores the signal with this number. It inherits that from the
/// process that started it, until it sets a handler.
pub fn is_ignored(signal: i32) -> bool {
    is_ignored_in(&read("/proc/self/status"), signal)
}

/// Returns whether the row `SigIgn` of /proc/PID/status, a mask in hexadecimal digits, contains a
/// signal (`proc_pid_status(5)`). Signals are counted from 1.
fn is_ignored_in(status: &str, signal: i32) -> bool {
    let row = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = row.and_then(|row| u64::from_str_radix(row.trim(), 16).ok());
    mask.is_some_and(|mask| (1..=64).contains(&signal) && mask >> (signal - 1) & 1 == 1)
}

/// Returns the resident memory of this process in bytes.
pub fn resident_bytes() -> u64 {
    let status = read("/proc/self/status");
    kib_in(&status, "VmRSS:").unwrap_or(0) * 1024
}

/// Returns the number of KiB in the row `name` of a table such as /proc/meminfo.
pub fn kib_in(table: &str, name: &str) -> Option<u64> {
    let row = table.lines().find_map(|line| line.strip_prefix(name))?;
    row.split_whitespace().next()?.parse().ok()
}

/// Returns the CPU time in user and kernel mode from the `stat` file of a process or thread, in
/// microseconds (`proc_pid_stat(5)`).
pub fn cpu_us(stat: &str) -> Option<u64> {
    let ticks = field(stat, 14)? + field(stat, 15)?;
    Some(ticks * 1_000_000 / TICKS_PER_S)
}

/// Returns a field of `stat` by its number in `proc_pid_stat(5)`, which must be greater than 2: the
/// second field is the name, which may contain spaces and parentheses.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(number - 3)?.parse().ok()
}

/// Returns the number of open descriptors. `directory_size` is the size of /proc/self/fd: since
/// Linux 6.2 the number of entries, and 0 before. The directory is never listed, because with many
/// connections that would block the calling thread at every scrape.
fn open_descriptors(directory_size: u64, expected: u64) -> u64 {
    if directory_size > 0 {
        directory_size
    } else {
        expected
    }
}

/// Returns the soft limit of descriptors, `u64::MAX` if there is none.
fn descriptor_limit() -> u64 {
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
    let kernel = read("/proc/stat");
    let boot_s = kernel
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?;
    let boot_s: f64 = boot_s.trim().parse().ok()?;
    Some(boot_s + field(stat, 22)? as f64 / TICKS_PER_S as f64)
}

/// Returns the content of a file, or an empty string if it cannot be read.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_usage_is_that_of_this_process() {
        let process = ProcessUsage::read(0);
        assert!(
            process.descriptor_limit > 3 && process.descriptor_limit >= process.open_descriptors
        );
        assert!(process.resident_bytes > 1024 * 1024);
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age_s = now_s.as_secs_f64() - process.start_time_s;
        assert!((-2.0..86_400.0).contains(&age_s), "{age_s}");
    }

    #[test]
    fn the_expected_descriptors_are_used_when_the_kernel_does_not_count() {
        assert_eq!(
            [open_descriptors(12, 700), open_descriptors(0, 700)],
            [12, 700]
        );
        let listed = || fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        let held = ProcessUsage::read(1_000_000).open_descriptors;
        assert!(held == 1_000_000 || held.abs_diff(listed()) < 100, "{held}");
    }

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status = "Name:\tfanfare\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\n";
        let ignored: Vec<_> = (0..=65).filter(|it| is_ignored_in(status, *it)).collect();
        assert_eq!(ignored, [1, 13]);
        assert!(!is_ignored_in("", 1));
        // Rust ignores SIGPIPE in every program, and no program can ignore SIGKILL.
        assert!(is_ignored(13) && !is_ignored(9));
    }

    #[test]
    fn a_name_may_contain_spaces_and_parentheses() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 200 50 0 0 20 0 1 0 4200 9";
        assert_eq!(cpu_us(stat), Some(2_500_000));
        assert_eq!(field(stat, 22), Some(4200));
        assert_eq!(cpu_us("7 (a"), None);
    }
}
