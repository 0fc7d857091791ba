//! How much memory a process may use: the memory of the host, and the limits of control groups
//! (cgroup v2). Any thread.

use std::fs;
use std::path::Path;

use super::process::kib_in;

/// Returns the number of bytes that a process may use: the memory of the host, or the lowest limit
/// of the control group of the process and of all groups that contain it, if that is less. `root`
/// is the directory that contains proc and sys, and `process` a process id or `self`.
pub fn usable_bytes(root: &Path, process: &str) -> u64 {
    let table = fs::read_to_string(root.join("proc/meminfo")).unwrap_or_default();
    let host_bytes = kib_in(&table, "MemTotal:").unwrap_or(0) * 1024;
    match control_group_limit_bytes(root, process) {
        Some(limit_bytes) => limit_bytes.min(host_bytes),
        None => host_bytes,
    }
}

/// Returns the lowest `memory.max` from the control group of a process up to the root group.
/// Returns `None` if no group has a limit. The limit of a group applies to all groups within it:
/// with systemd, that of a slice applies to its services.
fn control_group_limit_bytes(root: &Path, process: &str) -> Option<u64> {
    let groups = fs::read_to_string(root.join(format!("proc/{process}/cgroup"))).ok()?;
    let own_group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = root.join("sys/fs/cgroup");
    let own_path = mount.join(own_group);
    let groups = own_path
        .ancestors()
        .take_while(|group| group.starts_with(&mount));
    groups.filter_map(limit_bytes).min()
}

/// Returns the limit of one group. The file contains `max` if there is none, and the root group
/// does not have the file.
fn limit_bytes(group: &Path) -> Option<u64> {
    let limit = fs::read_to_string(group.join("memory.max")).ok()?;
    limit.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a directory with the files that are given as path and content.
    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    const MEMORY: (&str, &str) = ("proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\n");
    const GROUP: (&str, &str) = ("proc/7/cgroup", "0::/system.slice/fanfare.service\n");
    const SLICE: &str = "sys/fs/cgroup/system.slice/memory.max";
    const SERVICE: &str = "sys/fs/cgroup/system.slice/fanfare.service/memory.max";

    #[test]
    fn without_a_control_group_the_memory_of_the_host_is_returned() {
        let root = host(&[MEMORY]);
        assert_eq!(usable_bytes(root.path(), "7"), 1_024_000);
        assert_eq!(usable_bytes(host(&[]).path(), "7"), 0);
    }

    #[test]
    fn a_limit_of_the_own_group_applies() {
        let root = host(&[MEMORY, GROUP, (SERVICE, "4096\n"), (SLICE, "max\n")]);
        assert_eq!(usable_bytes(root.path(), "7"), 4096);
    }

    #[test]
    fn a_lower_limit_of_a_parent_group_applies() {
        let root = host(&[MEMORY, GROUP, (SERVICE, "8192\n"), (SLICE, "4096\n")]);
        assert_eq!(usable_bytes(root.path(), "7"), 4096);
        let root = host(&[MEMORY, GROUP, (SERVICE, "max\n"), (SLICE, "4096\n")]);
        assert_eq!(usable_bytes(root.path(), "7"), 4096);
    }

    #[test]
    fn in_a_container_the_limit_of_the_root_group_applies() {
        let root = host(&[
            MEMORY,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "2048\n"),
        ]);
        assert_eq!(usable_bytes(root.path(), "self"), 2048);
    }

    #[test]
    fn limits_above_the_memory_of_the_host_and_files_outside_of_the_tree_are_ignored() {
        let above = host(&[MEMORY, GROUP, (SERVICE, "99999999\n")]);
        assert_eq!(usable_bytes(above.path(), "7"), 1_024_000);
        let outside = host(&[MEMORY, GROUP, ("sys/fs/memory.max", "1\n")]);
        assert_eq!(usable_bytes(outside.path(), "7"), 1_024_000);
    }

    #[test]
    fn this_process_may_use_memory() {
        assert!(usable_bytes(Path::new("/"), "self") > 1024 * 1024);
    }
}
