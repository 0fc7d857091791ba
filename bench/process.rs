//! CPU time and memory of a process, from /proc.

use std::fs;
use std::io;
use std::iter;
use std::time::Instant;

use crate::fault::Fault;

/// The unit of CPU times in /proc, 1/100 s on every Linux architecture (`USER_HZ`).
const TICK_US: u64 = 10_000;

/// The server, if the user named it.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
    /// Whether what it has started counts as well.
    family: bool,
}

impl Process {
    /// A process that must exist.
    pub fn new(pid: u32) -> Result<Self, Fault> {
        let process = Self { pid, family: true };
        process.cpu_us()?;
        Ok(process)
    }

    /// The load generator itself, without the server that it may have started.
    pub fn own() -> Self {
        Self {
            pid: std::process::id(),
            family: false,
        }
    }

    /// CPU time of all its threads, user and system, in microseconds; that of its children too.
    pub fn cpu_us(self) -> Result<u64, Fault> {
        let stat = self.read("stat")?;
        let own = cpu_us(&stat).ok_or_else(|| self.fault(io::ErrorKind::InvalidData.into()))?;
        let children = self.children();
        // One that has just ended counts no more.
        Ok(own
            + children
                .iter()
                .flat_map(|child| child.cpu_us())
                .sum::<u64>())
    }

    /// CPU time of each thread by its name, user and system, in microseconds; threads of one name
    /// follow one another.
    pub fn threads_cpu_us(self) -> Result<Vec<(String, u64)>, Fault> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        let mut out = Vec::new();
        for thread in threads.map_err(|error| self.fault(error))? {
            let file = thread.map_err(|error| self.fault(error))?.path();
            // A thread that has ended meanwhile counts no more.
            let Ok(stat) = fs::read_to_string(file.join("stat")) else {
                continue;
            };
            out.extend(name(&stat).zip(cpu_us(&stat)));
        }
        out.sort();
        Ok(out)
    }

    /// Whether it has ended, though its parent may not have asked yet.
    pub fn has_ended(self) -> bool {
        self.read("stat").map_or(true, |stat| is_zombie(&stat))
    }

    /// Resident memory in bytes, with that of its children.
    pub fn rss_bytes(self) -> Result<u64, Fault> {
        let status = self.read("status")?;
        let own = rss_bytes(&status);
        let own = own.ok_or_else(|| self.fault(io::ErrorKind::InvalidData.into()))?;
        let children = self.children();
        Ok(own
            + children
                .iter()
                .flat_map(|child| child.rss_bytes())
                .sum::<u64>())
    }

    /// Its id and those of all that it and its children have started.
    pub fn tree(self) -> Vec<u32> {
        let children = self.children().into_iter().flat_map(Self::tree);
        iter::once(self.pid).chain(children).collect()
    }

    /// The processes that its main thread has started, as far as they count: some servers are
    /// several.
    fn children(self) -> Vec<Self> {
        if !self.family {
            return Vec::new();
        }
        let children = self.read(&format!("task/{}/children", self.pid));
        let pids = children.unwrap_or_default();
        let pids = pids.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.map(|pid| Self { pid, family: true }).collect()
    }

    fn read(self, file: &str) -> Result<String, Fault> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid)).map_err(|error| self.fault(error))
    }

    fn fault(self, error: io::Error) -> Fault {
        Fault::Process {
            pid: self.pid,
            error,
        }
    }
}

/// CPU time spent since a moment.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    process: Process,
    cpu_us: u64,
    since: Instant,
}

impl Meter {
    pub fn start(process: Process) -> Result<Self, Fault> {
        Ok(Self {
            process,
            cpu_us: process.cpu_us()?,
            since: Instant::now(),
        })
    }

    /// Microseconds of CPU since the start.
    pub fn spent_us(&self) -> Result<u64, Fault> {
        // Less only if a child ended and took its time with it.
        Ok(self.process.cpu_us()?.saturating_sub(self.cpu_us))
    }

    /// The same as a share of one core, in percent.
    pub fn percent(&self) -> Result<f64, Fault> {
        Ok(self.spent_us()? as f64 / self.since.elapsed().as_micros() as f64 * 100.0)
    }
}

/// Fields 14 and 15 of `stat`, counted behind the name, which may hold anything but is followed
/// by the last parenthesis.
fn cpu_us(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some((user + system) * TICK_US)
}

/// Field 2 of `stat`, without its parentheses.
fn name(stat: &str) -> Option<String> {
    let (before, _) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    Some(name.to_owned())
}

/// Field 3 of `stat`.
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
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 2 0 0 0 250 50 0 0 20 0 3 0 9 9 9";
        assert_eq!(cpu_us(stat), Some(3_000_000));
        assert_eq!(cpu_us("7 (a"), None);
        assert_eq!(name(stat).as_deref(), Some("a) b (c)"));
    }

    #[test]
    fn a_process_nobody_waited_for_has_ended() {
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
    fn the_own_process_has_both() {
        assert!(Process::own().rss_bytes().unwrap() > 100_000);
        Process::own().cpu_us().unwrap();
        assert!(!Process::own().threads_cpu_us().unwrap().is_empty());
    }
}
