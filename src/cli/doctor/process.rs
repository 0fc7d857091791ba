//! Knobs of the process: kernel, io_uring, limits, memory and ports.

use std::net::SocketAddr;

use fanfare::fabric::DescriptorBudget;
use fanfare::shard::{memlock_wanted_bytes, preflight};

use super::addresses;
use super::host::{Host, parse_ranges};
use super::knob::{Knob, KnobKind, Observation, Verdict};
use super::plan::{Plan, amount, grouped};

/// The first kernel with all io_uring operations that a shard requires.
const KERNEL: (u32, u32) = (6, 1);

pub(super) fn knobs() -> Vec<Knob> {
    [rings(), limits(), memory_and_ports()].concat()
}

fn rings() -> Vec<Knob> {
    vec![
        Knob {
            name: "kernel",
            formula: "6.1 or newer",
            why: "Older kernels lack io_uring operations that every shard requires.",
            source: "io_uring_setup(2)",
            kind: KnobKind::Other {
                fix: "run a newer kernel, such as any current long-term release",
                check: kernel,
            },
        },
        Knob {
            name: "kernel.io_uring_disabled",
            formula: "0, or 1 with fanfare's group in `kernel.io_uring_group`",
            why: "Since Linux 6.6 this setting can forbid io_uring, which does all IO of client \
                  sockets.",
            source: "kernel, admin-guide/sysctl/kernel",
            kind: KnobKind::Other {
                fix: "sysctl -w kernel.io_uring_disabled=0, or add fanfare to kernel.io_uring_group \
                      if the value is 1",
                check: io_uring_disabled,
            },
        },
        Knob {
            name: "completion ring",
            formula: "a ring like that of a shard can be set up",
            why: "Only this attempt detects seccomp rules of containers that forbid io_uring.",
            source: "io_uring_setup(2)",
            kind: KnobKind::Other {
                fix: "allow the io_uring_* calls: tuning/docker/seccomp.json",
                check: ring,
            },
        },
    ]
}

fn limits() -> Vec<Knob> {
    vec![
        Knob {
            name: "RLIMIT_NOFILE (descriptors)",
            formula: "1.2 N + 128 + 16 for each shard, up to a power of two",
            why: "Each connection has a descriptor; a fifth more is needed because clients whose \
                  network failed reconnect before the server closes their old connections.",
            source: "getrlimit(2), systemd.exec(5)",
            kind: KnobKind::Other {
                fix: "raise LimitNOFILE in the unit",
                check: descriptors,
            },
        },
        Knob {
            name: "RLIMIT_MEMLOCK (lockable memory)",
            formula: "512 KiB for each shard, and 512 KiB more",
            why: "The runtime of a shard does not start with less.",
            source: "getrlimit(2)",
            kind: KnobKind::Other {
                fix: "raise LimitMEMLOCK in the systemd unit, or ulimit -l",
                check: lockable_memory,
            },
        },
    ]
}

fn memory_and_ports() -> Vec<Knob> {
    vec![
        Knob {
            name: "memory",
            formula: "N × 4.5 KiB; N / 100 × `ws.outbox` for slow clients; 64 MiB of lane for each \
                      shard; the third number of tcp_mem, in pages",
            why: "Connections use memory of the process and of the kernel, a slow connection may fill its \
                  outbox, and the kernel may fill the queues of sockets up to tcp_mem.",
            source: "docs/PERFORMANCE.md, measured",
            kind: KnobKind::Other {
                fix: "lower ws.outbox and ingest.max_payload, or use a larger host",
                check: memory,
            },
        },
        Knob {
            name: "net.ipv4.ip_local_port_range",
            formula: "no port that fanfare listens on",
            why: "The kernel uses ports of this range for outgoing connections, so a port may be taken \
                  when fanfare restarts.",
            source: "kernel, networking/ip-sysctl",
            kind: KnobKind::Other {
                fix: "listen on ports outside of the range",
                check: local_ports,
            },
        },
    ]
}

fn kernel(host: &Host, _: &Plan) -> Option<Observation> {
    let found = host.text("proc/sys/kernel/osrelease")?;
    let mut numbers = found
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Some(Observation {
        verdict: Verdict::fine_if(version >= KERNEL, Verdict::Blocks),
        found,
        wanted: format!("{}.{} or newer", KERNEL.0, KERNEL.1),
        fix: None,
    })
}

fn io_uring_disabled(host: &Host, _: &Plan) -> Option<Observation> {
    let value = host.number("proc/sys/kernel/io_uring_disabled")?;
    let (verdict, found) = match value {
        0 => (Verdict::Fine, "0, allowed for all"),
        1 => (
            Verdict::Weak,
            "1, allowed for CAP_SYS_ADMIN and the group kernel.io_uring_group",
        ),
        _ => (Verdict::Blocks, "2, forbidden for all"),
    };
    Some(Observation {
        verdict,
        found: found.into(),
        wanted: "0".into(),
        fix: None,
    })
}

/// Sets a ring up like a shard. This is possible only on the host that the program runs on.
fn ring(host: &Host, plan: &Plan) -> Option<Observation> {
    let attempt = host
        .is_for_new_process()
        .then(|| preflight(plan.shards()))?;
    let found = match attempt {
        Ok(()) => "can be set up",
        Err(_) => "cannot be set up",
    };
    Some(Observation {
        verdict: Verdict::fine_if(attempt.is_ok(), Verdict::Blocks),
        found: found.into(),
        wanted: "a ring like that of a shard".into(),
        fix: attempt.err().map(|error| error.to_string()),
    })
}

fn descriptors(host: &Host, plan: &Plan) -> Option<Observation> {
    let (soft, hard) = host.limit("Max open files")?;
    // `serve` raises its soft limit to the hard one.
    let usable = soft.max(hard);
    let requests = plan.config.auth.hooks.requests();
    let room = DescriptorBudget::new(usable, plan.shards(), requests).room();
    let wanted = plan.descriptor_limit();
    let verdict = match room {
        _ if usable >= wanted => Verdict::Fine,
        room if room >= plan.connections || !plan.is_requested => Verdict::Weak,
        _ => Verdict::Blocks,
    };
    let (soft, room) = (limit(soft), grouped(room));
    Some(Observation {
        verdict,
        found: format!("{soft}, hard {}: room for {room} connections", limit(hard)),
        wanted: format!("hard {wanted}"),
        fix: Some(format!(
            "LimitNOFILE={wanted} in the systemd unit, or ulimit -n; not above fs.nr_open"
        )),
    })
}

/// Formats a resource limit.
fn limit(limit: u64) -> String {
    match limit {
        u64::MAX => "unlimited".into(),
        limit => limit.to_string(),
    }
}

fn lockable_memory(host: &Host, plan: &Plan) -> Option<Observation> {
    let (soft, _) = host.limit("Max locked memory")?;
    let wanted = memlock_wanted_bytes(plan.shards());
    Some(Observation {
        verdict: Verdict::fine_if(soft >= wanted, Verdict::Blocks),
        found: amount(soft),
        wanted: format!("{}, 512 KiB for each shard", amount(wanted)),
        fix: None,
    })
}

fn memory(_: &Host, plan: &Plan) -> Option<Observation> {
    let (idle, loaded, most) = (plan.idle_bytes(), plan.loaded_bytes(), plan.largest_bytes());
    let verdict = match plan.memory_bytes {
        0 => return None,
        memory if memory < idle => Verdict::Blocks,
        memory => Verdict::fine_if(memory >= most, Verdict::Weak),
    };
    Some(Observation {
        verdict,
        found: amount(plan.memory_bytes),
        wanted: format!(
            "{} for idle connections, {} with slow ones and full lanes, {} with full tcp_mem",
            amount(idle),
            amount(loaded),
            amount(most)
        ),
        fix: None,
    })
}

fn local_ports(host: &Host, plan: &Plan) -> Option<Observation> {
    let range = host.sysctl("net.ipv4.ip_local_port_range")?;
    let [first, last] = range[..] else {
        return None;
    };
    let reserved = host.text("proc/sys/net/ipv4/ip_local_reserved_ports");
    let reserved = parse_ranges(&reserved.unwrap_or_default());
    let is_inside = |(_, address): &(_, SocketAddr)| {
        let port = address.port();
        (first..=last).contains(&port.into()) && !reserved.contains(&port.into())
    };
    let mut inside: Vec<_> = addresses::configured(&plan.config)
        .into_iter()
        .filter(is_inside)
        .map(|(_, address)| address.port().to_string())
        .collect();
    inside.dedup();
    let (verdict, found) = if inside.is_empty() {
        (Verdict::Fine, format!("{first} to {last}"))
    } else {
        let ports = inside.join(", ");
        (Verdict::Weak, format!("{first} to {last}, {ports} within"))
    };
    Some(Observation {
        verdict,
        found,
        wanted: "no port that fanfare listens on".into(),
        fix: Some(format!(
            "sysctl -w net.ipv4.ip_local_reserved_ports={}, in addition to the ports that it has",
            inside.join(",")
        )),
    })
}
