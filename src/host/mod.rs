//! What the kernel reports about this host and its processes, in /proc and /sys. Any thread.

pub mod memory;
pub mod process;
