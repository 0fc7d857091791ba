//! Facts about this host and its processes, which the kernel reports in /proc and /sys. Any thread.

pub mod memory;
pub mod port_owner;
pub mod process;
