//! The host as files show it: /proc and /sys, or copies of them below another directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fanfare::host::memory;
use fanfare::host::process::kib_in;

/// Reads the host; what cannot be read is `None`.
pub(super) struct Host {
    root: PathBuf,
    /// The process whose limits count: a number, or `self`.
    process: String,
}

impl Host {
    pub(super) fn new(root: Option<PathBuf>, process: Option<u32>) -> Self {
        Self {
            root: root.unwrap_or_else(|| "/".into()),
            process: process.map_or_else(|| "self".into(), |id| id.to_string()),
        }
    }

    /// Whether this is the host that the program runs on, not a copy of its files.
    pub(super) fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Whether it is looked at for a process that does not run yet.
    pub(super) fn is_to_start(&self) -> bool {
        self.is_this() && self.process == "self"
    }

    /// Whether the process is there, and this user may look at it.
    pub(super) fn has_process(&self) -> bool {
        self.of_process("status").is_some()
    }

    /// A file of the process.
    fn of_process(&self, file: &str) -> Option<String> {
        self.text(&format!("proc/{}/{file}", self.process))
    }

    /// A file by its path without the leading `/`, trimmed.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join(path)).ok()?;
        Some(text.trim().to_owned())
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// The entries of a directory, in order.
    pub(super) fn entries(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten();
        let mut names: Vec<_> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// The numbers of a sysctl, such as `net.ipv4.tcp_mem`; negative ones count as 0.
    pub(super) fn sysctl(&self, key: &str) -> Option<Vec<u64>> {
        let text = self.text(&format!("proc/sys/{}", key.replace('.', "/")))?;
        let number = |word: &str| word.parse::<i128>().ok()?.max(0).try_into().ok();
        text.split_whitespace().map(number).collect()
    }

    /// Soft and hard limit of the process; `u64::MAX` is without limit.
    pub(super) fn limit(&self, name: &str) -> Option<(u64, u64)> {
        let table = self.of_process("limits")?;
        let mut values = row(&table, name)?
            .split_whitespace()
            .map(|text| match text {
                "unlimited" => Some(u64::MAX),
                text => text.parse().ok(),
            });
        Some((values.next()??, values.next()??))
    }

    /// Returns the number of bytes that the process may use: the memory of the host, or the lowest
    /// limit of the control groups of the process.
    pub(super) fn memory_bytes(&self) -> u64 {
        memory::usable_bytes(&self.root, &self.process)
    }

    pub(super) fn swap_bytes(&self) -> u64 {
        let table = self.text("proc/meminfo").unwrap_or_default();
        kib_in(&table, "SwapTotal:").unwrap_or(0) * 1024
    }

    /// The cores that the process may run on; of a running fanfare, whose threads are pinned, those
    /// of all its threads.
    pub(super) fn cores(&self) -> Vec<usize> {
        let threads = self.entries(&format!("proc/{}/task", self.process));
        let mut tables: Vec<_> = threads
            .iter()
            .filter_map(|thread| self.of_process(&format!("task/{thread}/status")))
            .collect();
        tables.extend(self.of_process("status"));
        let lists = tables
            .iter()
            .filter_map(|table| row(table, "Cpus_allowed_list:"));
        let cores: BTreeSet<_> = lists.flat_map(numbers).collect();
        cores.into_iter().collect()
    }

    /// Whether the process has switched huge pages off for itself (`PR_SET_THP_DISABLE`).
    pub(super) fn refuses_huge_pages(&self) -> bool {
        let table = self.of_process("status").unwrap_or_default();
        row(&table, "THP_enabled:") == Some("0")
    }

    /// The interrupts of network queues, by name, and the cores that take them. ENA calls them
    /// `eth0-Tx-Rx-0`, virtio `virtio2-input.0`.
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
            found.push((name, numbers(&list)));
        }
        found
    }

    /// The NUMA nodes that some cores are on.
    pub(super) fn nodes_of(&self, wanted: &[usize]) -> BTreeSet<String> {
        let path = "sys/devices/system/node";
        let mut nodes = self.entries(path);
        nodes.retain(|node| {
            let list = self.text(&format!("{path}/{node}/cpulist"));
            list.is_some_and(|list| numbers(&list).iter().any(|core| wanted.contains(core)))
        });
        nodes.into_iter().collect()
    }
}

/// What follows a name in a table such as /proc/meminfo.
fn row<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let row = table.lines().find_map(|line| line.strip_prefix(name))?;
    Some(row.trim())
}

/// Reads `0-3,8`, as the kernel lists cores and ports.
pub(super) fn numbers(ranges: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for part in ranges.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse::<usize>()) {
            found.extend(first..=last);
        }
    }
    found
}
