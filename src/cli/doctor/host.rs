//! What the kernel and its limits allow, from /proc.

use std::fs;

use fanfare::config::{Config, Layout, WebSocket};
use fanfare::fabric::max_connections;
use fanfare::shard::{memlock_wanted_bytes, preflight};

use super::{Finding, Verdict};

/// The first kernel with every ring operation that a shard relies on.
const KERNEL: (u32, u32) = (6, 1);

/// Connections that a burst may queue before a shard accepts them.
const ACCEPT_QUEUE: u64 = 4096;

pub(super) fn kernel() -> Finding {
    let found = proc("sys/kernel/osrelease").unwrap_or_else(|| "unknown".into());
    let mut numbers = found
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Finding {
        verdict: if version >= KERNEL {
            Verdict::Fine
        } else {
            Verdict::Blocks
        },
        what: "kernel",
        found,
        wanted: format!("{}.{} or newer", KERNEL.0, KERNEL.1),
        fix: "run a newer kernel; every current long-term release will do".into(),
    }
}

pub(super) fn io_uring_allowed() -> Finding {
    // The switch came with Linux 6.6; without it there is nothing to disable.
    let switch = proc("sys/kernel/io_uring_disabled").unwrap_or_else(|| "0".into());
    let (verdict, found) = match switch.as_str() {
        "0" => (Verdict::Fine, "0, allowed to all"),
        "1" => (
            Verdict::Weak,
            "1, allowed to CAP_SYS_ADMIN and the group kernel.io_uring_group",
        ),
        _ => (Verdict::Blocks, "2, allowed to nobody"),
    };
    Finding {
        verdict,
        what: "io_uring",
        found: format!("kernel.io_uring_disabled = {found}"),
        wanted: "0".into(),
        fix: "sysctl -w kernel.io_uring_disabled=0, or join kernel.io_uring_group where it is 1"
            .into(),
    }
}

/// Sets a ring up as a shard would: seccomp and container rules show nowhere else.
pub(super) fn ring(shards: usize) -> Finding {
    let tried = preflight(shards);
    Finding {
        verdict: if tried.is_ok() {
            Verdict::Fine
        } else {
            Verdict::Blocks
        },
        what: "completion ring",
        found: if tried.is_ok() {
            "can be set up".into()
        } else {
            "cannot be set up".into()
        },
        wanted: "a ring as each shard has one".into(),
        fix: tried
            .err()
            .map_or_else(String::new, |refused| refused.to_string()),
    }
}

pub(super) fn descriptors(config: &Config, shards: usize) -> Finding {
    let (soft, hard) = limit("Max open files");
    // `serve` raises its soft limit to the hard one.
    let usable = soft.max(hard);
    let unlimited = Config {
        ws: WebSocket {
            max_connections: None,
            ..config.ws.clone()
        },
        ..config.clone()
    };
    let room = max_connections(&unlimited, usable, shards) as u64;
    let wanted = config.ws.max_connections.map(|count| count as u64);
    let verdict = match wanted {
        Some(wanted) if wanted > room => Verdict::Blocks,
        None if room < 10_000 => Verdict::Weak,
        _ => Verdict::Fine,
    };
    Finding {
        verdict,
        what: "descriptors",
        found: format!("room for {room} connections (RLIMIT_NOFILE {soft}, hard {hard})"),
        wanted: wanted.map_or_else(
            || "what you expect; ws.max_connections is auto".into(),
            |wanted| format!("ws.max_connections = {wanted}"),
        ),
        fix: "raise LimitNOFILE in the systemd unit, or ulimit -n; fs.nr_open is the ceiling"
            .into(),
    }
}

pub(super) fn lockable_memory(shards: usize) -> Finding {
    let (soft, _) = limit("Max locked memory");
    let wanted = memlock_wanted_bytes(shards);
    let amount = |bytes: u64| match bytes {
        u64::MAX => "unlimited".into(),
        bytes => format!("{} KiB", bytes / 1024),
    };
    Finding {
        verdict: if soft >= wanted {
            Verdict::Fine
        } else {
            Verdict::Blocks
        },
        what: "lockable memory",
        found: format!("RLIMIT_MEMLOCK {}", amount(soft)),
        wanted: format!("{}, 512 KiB for each shard", amount(wanted)),
        fix: "raise LimitMEMLOCK in the systemd unit, or ulimit -l".into(),
    }
}

pub(super) fn accept_queue() -> Finding {
    let found = proc("sys/net/core/somaxconn")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0_u64);
    Finding {
        verdict: if found >= ACCEPT_QUEUE {
            Verdict::Fine
        } else {
            Verdict::Weak
        },
        what: "accept queue",
        found: format!("net.core.somaxconn = {found}"),
        wanted: format!("{ACCEPT_QUEUE} or more, for bursts of reconnects"),
        fix: format!("sysctl -w net.core.somaxconn={ACCEPT_QUEUE}"),
    }
}

pub(super) fn cores(allowed: &[usize], layout: &Layout) -> Finding {
    let shared = layout.shards.contains(&layout.ingest);
    let list: Vec<_> = layout.shards.iter().map(ToString::to_string).collect();
    let found = format!(
        "{} allowed; ingest on {}, shards on {}",
        allowed.len(),
        layout.ingest,
        list.join(", ")
    );
    Finding {
        verdict: if shared { Verdict::Weak } else { Verdict::Fine },
        what: "cores",
        found,
        wanted: "one for ingest and one for each shard".into(),
        fix: "allow more cores (CPUAffinity, cpuset, taskset), or set fewer shards".into(),
    }
}

fn proc(path: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{path}"))
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Soft and hard limit of this process; `u64::MAX` is without limit, and 0 is unreadable.
fn limit(name: &str) -> (u64, u64) {
    let table = proc("self/limits").unwrap_or_default();
    let row = table
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default();
    let value = |text: Option<&str>| match text {
        Some("unlimited") => u64::MAX,
        text => text.and_then(|text| text.parse().ok()).unwrap_or(0),
    };
    let mut columns = row.split_whitespace();
    (value(columns.next()), value(columns.next()))
}
