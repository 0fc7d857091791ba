//! CPU time and memory of a process, from /proc. All threads.

use std::fs;
use std::io;
use std::iter;
use std::time::Instant;

use crate::error::BenchError;

/// The unit of CPU times in /proc: 1/100 s on every Linux architecture (`USER_HZ`).
const TICK_US: u64 = 10_000;

/// A process whose resources are measured.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
    /// Whether its child processes are included.
    with_children: bool,
}

impl Process {
    /// Returns the process with its children. Returns an error if it does not exist.
    pub fn new(pid: u32) -> Result<Self, BenchError> {
        let process = Self {
            pid,
            with_children: true,
        };
        process.cpu_us()?;
        Ok(process)
    }

    /// Returns the load generator itself, without the server that it may have started.
    pub fn own() -> Self {
        Self {
            pid: std::process::id(),
            with_children: false,
        }
    }

    /// Returns the CPU time of all threads, user and system, in microseconds.
    pub fn cpu_us(self) -> Result<u64, BenchError> {
        let stat = self.read("stat")?;
        let own_us = cpu_us(&stat).ok_or_else(|| self.error(io::ErrorKind::InvalidData.into()))?;
        let children = self.children();
        // A child that has just ended cannot be read and is left out.
        let children_us = children.iter().flat_map(|child| child.cpu_us());
        Ok(own_us + children_us.sum::<u64>())
    }

    /// Returns the CPU time of each thread with its name, user and system, in microseconds, sorted
    /// by name.
    pub fn threads_cpu_us(self) -> Result<Vec<(String, u64)>, BenchError> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        let mut out = Vec::new();
        for thread in threads.map_err(|error| self.error(error))? {
            let file = thread.map_err(|error| self.error(error))?.path();
            // A thread that has ended meanwhile is left out.
            let Ok(stat) = fs::read_to_string(file.join("stat")) else {
                continue;
            };
            out.extend(thread_name(&stat).zip(cpu_us(&stat)));
        }
        out.sort();
        Ok(out)
    }

    /// Returns whether the process has ended, even if its parent has not waited for it yet.
    pub fn has_ended(self) -> bool {
        self.read("stat").map_or(true, |stat| is_zombie(&stat))
    }

    /// Returns the resident memory in bytes.
    pub fn rss_bytes(self) -> Result<u64, BenchError> {
        let status = self.read("status")?;
        let own_bytes =
            rss_bytes(&status).ok_or_else(|| self.error(io::ErrorKind::InvalidData.into()))?;
        let children = self.children();
        let children_bytes = children.iter().flat_map(|child| child.rss_bytes());
        Ok(own_bytes + children_bytes.sum::<u64>())
    }

    /// Returns the IDs of the process and of all its descendants.
    pub fn tree(self) -> Vec<u32> {
        let children = self.children().into_iter().flat_map(Self::tree);
        iter::once(self.pid).chain(children).collect()
    }

    /// Returns the processes that the main thread has started. Some servers consist of several
    /// processes.
    fn children(self) -> Vec<Self> {
        if !self.with_children {
            return Vec::new();
        }
        let children = self.read(&format!("task/{}/children", self.pid));
        let pids = children.unwrap_or_default();
        let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.map(|pid| Self {
            pid,
            with_children: true,
        })
        .collect()
    }

    fn read(self, file: &str) -> Result<String, BenchError> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).map_err(|error| self.error(error))
    }

    fn error(self, error: io::Error) -> BenchError {
        BenchError::Process {
            pid: self.pid,
            error,
        }
    }
}

/// Measures the CPU time that a process uses.
#[derive(Clone, Copy, Debug)]
pub struct CpuMeter {
    process: Process,
    cpu_us: u64,
    since: Instant,
}

impl CpuMeter {
    pub fn start(process: Process) -> Result<Self, BenchError> {
        Ok(Self {
            process,
            cpu_us: process.cpu_us()?,
            since: Instant::now(),
        })
    }

    /// Returns the CPU time since the start in microseconds.
    pub fn spent_us(&self) -> Result<u64, BenchError> {
        // The time decreases when a child ends, because its time is no longer counted.
        Ok(self.process.cpu_us()?.saturating_sub(self.cpu_us))
    }

    /// Returns the CPU time since the start as a share of one core in percent.
    pub fn percent(&self) -> Result<f64, BenchError> {
        Ok(self.spent_us()? as f64 / self.since.elapsed().as_micros() as f64 * 100.0)
    }
}

/// Returns the sum of the fields 14 and 15 of `stat` in microseconds. The name of the process may
/// contain any character, so the fields are counted from the last parenthesis.
fn cpu_us(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) * TICK_US)
}

/// Returns field 2 of `stat` without its parentheses.
fn thread_name(stat: &str) -> Option<String> {
    let (before, _) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    Some(name.to_owned())
}

/// Returns whether field 3 of `stat` is Z.
fn is_zombie(stat: &str) -> bool {
    stat.rsplit_once(')')
        .is_some_and(|(_, fields)| fields.trim_start().starts_with('Z'))
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_move_a_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 2 0 0 0 250 50 0 0 20 0 3 0 9 9 9";
        assert_eq!(cpu_us(stat), Some(3_000_000));
        assert_eq!(cpu_us("7 (a"), None);
        assert_eq!(thread_name(stat).as_deref(), Some("a) b (c)"));
    }

    #[test]
    fn a_zombie_has_ended() {
        assert!(is_zombie("7 (a) S) Z 1 7") && !is_zombie("7 (Z) S 1 7"));
        assert!(!Process::own().has_ended());
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            rss_bytes("VmHWM:\t 9 kB\nVmRSS:\t    1536 kB\n"),
            Some(1_572_864)
        );
        assert_eq!(rss_bytes("VmHWM:\t 9 kB\n"), None);
    }

    #[test]
    fn the_own_process_has_cpu_time_and_memory() {
        assert!(Process::own().rss_bytes().unwrap() > 100_000);
        Process::own().cpu_us().unwrap();
        assert!(!Process::own().threads_cpu_us().unwrap().is_empty());
    }
}
