//! What the kernel reports about this host and this process, in /proc and /sys. Any thread.

pub mod process;
