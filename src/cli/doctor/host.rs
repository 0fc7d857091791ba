//! Reads the host from the files in /proc, /sys and /etc, or from copies of them below another
//! directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fanfare::host::memory;
use fanfare::host::process::kib_in;

/// Reads the files of a host. Methods that return `Option` return `None` if the file cannot
/// be read.
pub(super) struct Host {
    root: PathBuf,
    /// The process whose limits are examined: its id, or `self`.
    process: String,
}

impl Host {
    pub(super) fn new(root: Option<PathBuf>, process: Option<u32>) -> Self {
        Self {
            root: root.unwrap_or_else(|| "/".into()),
            process: process.map_or_else(|| "self".into(), |id| id.to_string()),
        }
    }

    /// Returns whether the files are those of the host that the program runs on, not copies.
    fn is_local(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns whether doctor examines this host for a process that is not started yet. The limits
    /// of doctor itself then stand in for the limits of that process, because `serve` would inherit
    /// the same limits from the shell.
    pub(super) fn is_for_new_process(&self) -> bool {
        self.is_local() && self.process == "self"
    }

    /// Returns whether the process exists and this user may read its files.
    pub(super) fn has_process(&self) -> bool {
        self.process_file("status").is_some()
    }

    /// Returns the text of a file of the process.
    fn process_file(&self, file: &str) -> Option<String> {
        self.text(&format!("proc/{}/{file}", self.process))
    }

    /// Returns the trimmed text of a file. `path` has no leading `/`.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Returns the number that a file contains.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Returns the names of the entries of a directory, sorted.
    pub(super) fn entries(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten();
        let mut names: Vec<_> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Returns the numbers of a sysctl, such as `net.ipv4.tcp_mem`. A negative number, which can be
    /// written to some sysctls, is returned as 0: both are below every minimum.
    pub(super) fn sysctl(&self, key: &str) -> Option<Vec<u64>> {
        let text = self.text(&format!("proc/sys/{}", key.replace('.', "/")))?;
        let number = |word: &str| word.parse::<i128>().ok()?.max(0).try_into().ok();
        text.split_whitespace().map(number).collect()
    }

    /// Returns the soft and hard value of limit `name`, such as `Max open files`. `u64::MAX` means
    /// unlimited.
    pub(super) fn limit(&self, name: &str) -> Option<(u64, u64)> {
        let table = self.process_file("limits")?;
        let mut values = row(&table, name)?
            .split_whitespace()
            .map(|text| match text {
                "unlimited" => Some(u64::MAX),
                text => text.parse().ok(),
            });
        Some((values.next()??, values.next()??))
    }

    /// Returns the memory of the host in bytes, or the lowest limit of the control groups of the
    /// process if that is lower.
    pub(super) fn memory_bytes(&self) -> u64 {
        memory::usable_bytes(&self.root, &self.process)
    }

    /// Returns the swap space of the host in bytes.
    pub(super) fn swap_bytes(&self) -> u64 {
        let table = self.text("proc/meminfo").unwrap_or_default();
        kib_in(&table, "SwapTotal:").unwrap_or(0) * 1024
    }

    /// Returns the cores that the process may run on. The threads of a running fanfare are pinned,
    /// so these are the cores of all of its threads.
    pub(super) fn cores(&self) -> Vec<usize> {
        let threads = self.entries(&format!("proc/{}/task", self.process));
        let mut tables: Vec<_> = threads
            .iter()
            .filter_map(|thread| self.process_file(&format!("task/{thread}/status")))
            .collect();
        tables.extend(self.process_file("status"));
        let lists = tables
            .iter()
            .filter_map(|table| row(table, "Cpus_allowed_list:"));
        let cores: BTreeSet<_> = lists.flat_map(parse_ranges).collect();
        cores.into_iter().collect()
    }

    /// Returns whether the process has disabled transparent huge pages (`PR_SET_THP_DISABLE`).
    pub(super) fn has_disabled_huge_pages(&self) -> bool {
        let table = self.process_file("status").unwrap_or_default();
        row(&table, "THP_enabled:") == Some("0")
    }

    /// Returns the interrupts of network queues: the name of each, and the cores that handle it.
    /// Recognises the names of two drivers: ENA (`eth0-Tx-Rx-0`) and virtio (`virtio2-input.0`,
    /// `virtio2-output.0`). The interrupts of other drivers are not returned.
    pub(super) fn queue_interrupts(&self) -> Vec<(String, Vec<usize>)> {
        let mut found = Vec::new();
        for number in self.entries("proc/irq") {
            let directory = format!("proc/irq/{number}");
            let is_queue = |name: &String| {
                name.contains("-Tx-Rx-") || name.contains("-input.") || name.contains("-output.")
            };
            let Some(name) = self.entries(&directory).into_iter().find(is_queue) else {
                continue;
            };
            let list = ["effective_affinity_list", "smp_affinity_list"]
                .into_iter()
                .find_map(|file| self.text(&format!("{directory}/{file}")))
                .unwrap_or_default();
            found.push((name, parse_ranges(&list)));
        }
        found
    }

    /// Returns the NUMA nodes that contain any of these cores.
    pub(super) fn nodes_of(&self, wanted: &[usize]) -> BTreeSet<String> {
        let path = "sys/devices/system/node";
        let mut nodes = self.entries(path);
        nodes.retain(|node| {
            let list = self.text(&format!("{path}/{node}/cpulist"));
            list.is_some_and(|list| parse_ranges(&list).iter().any(|core| wanted.contains(core)))
        });
        nodes.into_iter().collect()
    }
}

/// Returns the value of a row of a table such as /proc/self/limits. `name` is the start of the row.
fn row<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let row = table.lines().find_map(|line| line.strip_prefix(name))?;
    Some(row.trim())
}

/// Parses a list of cores or ports in the format of the kernel, such as `0-3,8`. Skips
/// malformed parts.
pub(super) fn parse_ranges(ranges: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for part in ranges.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<usize>()) {
            found.extend(first..=last);
        }
    }
    found
}
