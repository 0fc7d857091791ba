//! The knobs of a process: kernel, rings, limits, memory, ports.

use std::net::SocketAddr;

use fanfare::fabric::DescriptorBudget;
use fanfare::shard::{memlock_wanted_bytes, preflight};

use super::host::{Host, numbers};
use super::knob::{Kind, Knob, Seen, Verdict};
use super::plan::{Plan, amount, grouped};
use super::ports;

/// The first kernel with every ring operation that a shard relies on.
const KERNEL: (u32, u32) = (6, 1);

pub(super) fn knobs() -> Vec<Knob> {
    [rings(), limits(), rest()].concat()
}

fn rings() -> Vec<Knob> {
    vec![
        Knob {
            name: "kernel",
            formula: "6.1 or newer",
            why: "Older kernels lack ring operations that every shard relies on.",
            source: "io_uring_setup(2)",
            kind: Kind::Other {
                fix: "run a newer kernel; every current long-term release will do",
                look: kernel,
            },
        },
        Knob {
            name: "kernel.io_uring_disabled",
            formula: "0, or 1 with fanfare's group in `kernel.io_uring_group`",
            why: "The host's switch for the completion rings that all socket bytes go through, \
                  since Linux 6.6.",
            source: "kernel, admin-guide/sysctl/kernel",
            kind: Kind::Other {
                fix: "sysctl -w kernel.io_uring_disabled=0, or join kernel.io_uring_group where it \
                      is 1",
                look: switch,
            },
        },
        Knob {
            name: "completion ring",
            formula: "one can be set up as each shard has it",
            why: "Rules of containers (seccomp) that forbid the ring show nowhere else.",
            source: "io_uring_setup(2)",
            kind: Kind::Other {
                fix: "allow the io_uring_* calls: tuning/docker/seccomp.json",
                look: ring,
            },
        },
    ]
}

fn limits() -> Vec<Knob> {
    vec![
        Knob {
            name: "RLIMIT_NOFILE (descriptors)",
            formula: "1.2 N + 128 + 16 for each shard, up to a power of two",
            why: "A connection is a descriptor; a fifth more, since clients whose network broke come \
                  back before their old connections are given up.",
            source: "getrlimit(2), systemd.exec(5)",
            kind: Kind::Other {
                fix: "raise LimitNOFILE in the unit",
                look: descriptors,
            },
        },
        Knob {
            name: "RLIMIT_MEMLOCK (lockable memory)",
            formula: "512 KiB for each shard, and once more",
            why: "The runtime of a shard does not start with less.",
            source: "getrlimit(2)",
            kind: Kind::Other {
                fix: "raise LimitMEMLOCK in the systemd unit, or ulimit -l",
                look: lockable_memory,
            },
        },
    ]
}

fn rest() -> Vec<Knob> {
    vec![
        Knob {
            name: "memory",
            formula: "N × 4.5 KiB; N / 100 × `ws.outbox` for slow clients; 64 MiB of lane for each \
                      shard",
            why: "Connections cost memory in the kernel too; slow ones may hold a whole outbox \
                  each.",
            source: "docs/PERFORMANCE.md, measured",
            kind: Kind::Other {
                fix: "lower ws.outbox, or take a larger host",
                look: memory,
            },
        },
        Knob {
            name: "net.ipv4.ip_local_port_range",
            formula: "no port that fanfare listens on",
            why: "The kernel gives ports of this range to outgoing connections, and a restart then \
                  finds its port taken.",
            source: "kernel, networking/ip-sysctl",
            kind: Kind::Other {
                fix: "listen on ports outside of it",
                look: local_ports,
            },
        },
    ]
}

fn kernel(host: &Host, _: &Plan) -> Option<Seen> {
    let found = host.text("proc/sys/kernel/osrelease")?;
    let mut numbers = found
        .split(['.', '-'])
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Some(Seen {
        verdict: Verdict::fine_if(version >= KERNEL, Verdict::Blocks),
        found,
        wanted: format!("{}.{} or newer", KERNEL.0, KERNEL.1),
        fix: None,
    })
}

fn switch(host: &Host, _: &Plan) -> Option<Seen> {
    let switch = host.number("proc/sys/kernel/io_uring_disabled")?;
    let (verdict, found) = match switch {
        0 => (Verdict::Fine, "0, allowed to all"),
        1 => (
            Verdict::Weak,
            "1, allowed to CAP_SYS_ADMIN and the group kernel.io_uring_group",
        ),
        _ => (Verdict::Blocks, "2, allowed to nobody"),
    };
    Some(Seen {
        verdict,
        found: found.into(),
        wanted: "0".into(),
        fix: None,
    })
}

/// Sets a ring up as a shard would. Only of the host that this runs on.
fn ring(host: &Host, plan: &Plan) -> Option<Seen> {
    let tried = host.is_to_start().then(|| preflight(plan.shards()))?;
    let found = match tried {
        Ok(()) => "can be set up",
        Err(_) => "cannot be set up",
    };
    Some(Seen {
        verdict: Verdict::fine_if(tried.is_ok(), Verdict::Blocks),
        found: found.into(),
        wanted: "a ring as each shard has one".into(),
        fix: tried.err().map(|refused| refused.to_string()),
    })
}

fn descriptors(host: &Host, plan: &Plan) -> Option<Seen> {
    let (soft, hard) = host.limit("Max open files")?;
    // `serve` raises its soft limit to the hard one.
    let usable = soft.max(hard);
    let room = DescriptorBudget::new(usable, plan.shards()).room();
    let wanted = plan.descriptor_limit();
    let verdict = match room {
        _ if usable >= wanted => Verdict::Fine,
        room if room >= plan.connections || !plan.asked => Verdict::Weak,
        _ => Verdict::Blocks,
    };
    let (soft, room) = (limit(soft), grouped(room));
    Some(Seen {
        verdict,
        found: format!("{soft}, hard {}: room for {room} connections", limit(hard)),
        wanted: format!("hard {wanted}"),
        fix: Some(format!(
            "LimitNOFILE={wanted} in the systemd unit, or ulimit -n; fs.nr_open is the ceiling"
        )),
    })
}

fn limit(limit: u64) -> String {
    match limit {
        u64::MAX => "unlimited".into(),
        limit => limit.to_string(),
    }
}

fn lockable_memory(host: &Host, plan: &Plan) -> Option<Seen> {
    let (soft, _) = host.limit("Max locked memory")?;
    let wanted = memlock_wanted_bytes(plan.shards());
    Some(Seen {
        verdict: Verdict::fine_if(soft >= wanted, Verdict::Blocks),
        found: amount(soft),
        wanted: format!("{}, 512 KiB for each shard", amount(wanted)),
        fix: None,
    })
}

fn memory(_: &Host, plan: &Plan) -> Option<Seen> {
    let (idle, loaded) = (plan.idle_bytes(), plan.loaded_bytes());
    let verdict = match plan.memory_bytes {
        0 => return None,
        memory if memory < idle => Verdict::Blocks,
        memory => Verdict::fine_if(memory >= loaded, Verdict::Weak),
    };
    Some(Seen {
        verdict,
        found: amount(plan.memory_bytes),
        wanted: format!(
            "{} for idle connections, {} with slow ones and full lanes",
            amount(idle),
            amount(loaded)
        ),
        fix: None,
    })
}

fn local_ports(host: &Host, plan: &Plan) -> Option<Seen> {
    let range = host.sysctl("net.ipv4.ip_local_port_range")?;
    let [first, last] = range[..] else {
        return None;
    };
    let reserved = host.text("proc/sys/net/ipv4/ip_local_reserved_ports");
    let reserved = numbers(&reserved.unwrap_or_default());
    let is_inside = |(_, address): &(_, SocketAddr)| {
        let port = address.port();
        (first..=last).contains(&port.into()) && !reserved.contains(&port.into())
    };
    let mut inside: Vec<_> = ports::configured(&plan.config)
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
    Some(Seen {
        verdict,
        found,
        wanted: "no port that fanfare listens on".into(),
        fix: Some(format!(
            "sysctl -w net.ipv4.ip_local_reserved_ports={}, beside what it has",
            inside.join(",")
        )),
    })
}
