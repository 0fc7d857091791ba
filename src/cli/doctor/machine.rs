//! Knobs of the machine: cores, interrupts, clocks and pages.

use super::host::Host;
use super::knob::{Knob, KnobKind, Observation, Verdict};
use super::plan::{Plan, grouped};

/// With this number of cores or more, network interrupts can have cores of their own.
const INTERRUPT_CORES_MIN: usize = 8;

/// Highest acceptable number of connections in a bucket of the kernel's table. With the largest
/// table that the kernel makes by itself, a million connections are two in each.
const BUCKET_CONNECTIONS_MAX: u64 = 4;

/// Longest acceptable wake-up latency of a sleep state. A whole delivery on an idle host takes as
/// long.
const WAKE_LATENCY_MAX_US: u64 = 100;

/// Clock sources that are read without a system call.
const CLOCKS: [&str; 4] = [
    "tsc",
    "arch_sys_counter",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
];

pub(super) fn knobs() -> Vec<Knob> {
    [cores_and_memory(), speed()].concat()
}

fn cores_and_memory() -> Vec<Knob> {
    vec![
        Knob {
            name: "cores",
            formula: "one for ingest and one for each shard",
            why: "Threads that share a core delay each other by whole turns.",
            source: "docs/ARCHITECTURE.md",
            kind: KnobKind::Other {
                fix: "allow more cores (CPUAffinity, cpuset, taskset), or set fewer shards",
                check: cores,
            },
        },
        Knob {
            name: "NUMA",
            formula: "all cores of fanfare on one node, that of the network card",
            why: "Shards read the same broadcasts; a read from another node takes about twice as long.",
            source: "numa(7)",
            kind: KnobKind::Other {
                fix: "set cpu.cores to the cores of one node: lscpu lists them",
                check: numa,
            },
        },
        Knob {
            name: "interrupts",
            formula: "no network queue on a shard's core, on hosts of 8 cores or more",
            why: "The core handles the packets of all connections of the queue, which delays the turns of \
                  its shard.",
            source: "kernel, networking/scaling",
            kind: KnobKind::Other {
                fix: "give the queues cores of their own: docs/TUNING.md",
                check: interrupts,
            },
        },
        Knob {
            name: "connection table",
            formula: "a bucket for every 4 connections, `net.ipv4.tcp_ehash_entries`",
            why: "For each packet, the kernel reads half of the connections in a bucket, each from \
                  memory that is not cached.",
            source: "kernel, networking/ip-sysctl, admin-guide/kernel-parameters",
            kind: KnobKind::Other {
                fix: "thash_entries=N on the kernel's command line, 8 bytes each",
                check: connection_table,
            },
        },
        Knob {
            name: "transparent huge pages",
            formula: "not `always`, when connections, lanes and slow outboxes may take over half \
                      of memory",
            why: "Memory is then allocated in pages of 2 MiB, and a page is only returned when all of \
                  it is free.",
            source: "kernel, admin-guide/mm/transhuge",
            kind: KnobKind::Other {
                fix: "MIMALLOC_ALLOW_THP=0 in fanfare's environment, or echo madvise > \
                      /sys/kernel/mm/transparent_hugepage/enabled",
                check: huge_pages,
            },
        },
    ]
}

fn speed() -> Vec<Knob> {
    vec![
        Knob {
            name: "frequency governor",
            formula: "performance",
            why: "Otherwise a shard that sleeps between publications handles each one at a low clock \
                  frequency.",
            source: "kernel, admin-guide/pm/cpufreq",
            kind: KnobKind::Other {
                fix: "cpupower frequency-set -g performance",
                check: governor,
            },
        },
        Knob {
            name: "sleep states",
            formula: "none with a wake-up latency of more than 100 µs",
            why: "A publication to an idle shard is delayed until the core wakes up.",
            source: "kernel, admin-guide/pm/cpuidle; EC2 guide",
            kind: KnobKind::Other {
                fix: "intel_idle.max_cstate=1 processor.max_cstate=1 on the kernel's command line, \
                      if p99 matters more than power",
                check: sleep_states,
            },
        },
        Knob {
            name: "clock",
            formula: "tsc, or another that is read without a system call",
            why: "Every turn reads the clock.",
            source: "vdso(7), clock_gettime(2)",
            kind: KnobKind::Other {
                fix: "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, \
                      if it is among available_clocksource",
                check: clock,
            },
        },
    ]
}

fn cores(_: &Host, plan: &Plan) -> Option<Observation> {
    if plan.cores.is_empty() {
        return None;
    }
    let layout = &plan.layout;
    let is_shared = layout.shards.contains(&layout.ingest);
    let shards: Vec<_> = layout.shards.iter().map(ToString::to_string).collect();
    Some(Observation {
        verdict: Verdict::fine_if(!is_shared, Verdict::Weak),
        found: format!(
            "{} allowed; ingest on {}, shards on {}",
            plan.cores.len(),
            layout.ingest,
            shards.join(", ")
        ),
        wanted: "one for ingest and one for each shard".into(),
        fix: None,
    })
}

fn numa(host: &Host, plan: &Plan) -> Option<Observation> {
    let mut used = plan.layout.shards.clone();
    used.push(plan.layout.ingest);
    let nodes: Vec<_> = host.nodes_of(&used).into_iter().collect();
    if nodes.is_empty() {
        return None;
    }
    Some(Observation {
        verdict: Verdict::fine_if(nodes.len() == 1, Verdict::Note),
        found: format!("cores on {}", nodes.join(", ")),
        wanted: "one node".into(),
        fix: None,
    })
}

fn interrupts(host: &Host, plan: &Plan) -> Option<Observation> {
    let queues = host.queue_interrupts();
    if queues.is_empty() {
        return None;
    }
    let is_on_shard = |cores: &[usize]| cores.iter().any(|it| plan.layout.shards.contains(it));
    let on_shards = queues.iter().filter(|(_, cores)| is_on_shard(cores));
    let on_shards: Vec<_> = on_shards.map(|(name, _)| name.as_str()).collect();
    let is_fine = on_shards.is_empty() || plan.cores.len() < INTERRUPT_CORES_MIN;
    Some(Observation {
        verdict: Verdict::fine_if(is_fine, Verdict::Note),
        found: match on_shards.first() {
            None => format!("{} network queues, none on a shard's core", queues.len()),
            Some(first) => format!(
                "{} of {} network queues on shards' cores, such as {first}",
                on_shards.len(),
                queues.len()
            ),
        },
        wanted: format!("none, where there are {INTERRUPT_CORES_MIN} cores or more"),
        fix: None,
    })
}

fn connection_table(host: &Host, plan: &Plan) -> Option<Observation> {
    // A network namespace that shares the table of the host shows a negative number.
    let text = host.text("proc/sys/net/ipv4/tcp_ehash_entries")?;
    let buckets = text.parse::<i64>().ok()?.unsigned_abs().max(1);
    let wanted = plan.connections.div_ceil(BUCKET_CONNECTIONS_MAX);
    let tenths = plan.connections * 10 / buckets;
    Some(Observation {
        verdict: Verdict::fine_if(buckets >= wanted, Verdict::Note),
        found: format!(
            "{} buckets, {}.{} connections in each",
            grouped(buckets),
            tenths / 10,
            tenths % 10
        ),
        wanted: format!("{} buckets or more", grouped(wanted)),
        fix: Some(format!(
            "thash_entries={} on the kernel's command line",
            plan.connections.next_power_of_two()
        )),
    })
}

fn huge_pages(host: &Host, plan: &Plan) -> Option<Observation> {
    let modes = host.text("sys/kernel/mm/transparent_hugepage/enabled")?;
    let mode = modes.split(['[', ']']).nth(1)?;
    let is_fine = mode != "always" || host.has_disabled_huge_pages() || !plan.is_memory_tight();
    Some(Observation {
        verdict: Verdict::fine_if(is_fine, Verdict::Note),
        found: mode.into(),
        wanted: if plan.is_memory_tight() {
            "madvise".into()
        } else {
            "any, since memory is sufficient".into()
        },
        fix: None,
    })
}

fn governor(host: &Host, plan: &Plan) -> Option<Observation> {
    let shards = plan.layout.shards.iter();
    let mut found: Vec<_> = shards
        .filter_map(|core| {
            host.text(&format!(
                "sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"
            ))
        })
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        return None;
    }
    Some(Observation {
        verdict: Verdict::fine_if(found == ["performance"], Verdict::Note),
        found: found.join(", "),
        wanted: "performance".into(),
        fix: None,
    })
}

fn sleep_states(host: &Host, plan: &Plan) -> Option<Observation> {
    let core = plan.layout.shards.first()?;
    let path = format!("sys/devices/system/cpu/cpu{core}/cpuidle");
    let states = host.entries(&path);
    let latencies = states.iter().filter_map(|state| {
        let is_disabled = host.number(&format!("{path}/{state}/disable")) == Some(1);
        let latency = host.number(&format!("{path}/{state}/latency"))?;
        (!is_disabled).then_some((latency, state))
    });
    let (latency, state) = latencies.max()?;
    let name = host.text(&format!("{path}/{state}/name"));
    Some(Observation {
        verdict: Verdict::fine_if(latency <= WAKE_LATENCY_MAX_US, Verdict::Note),
        found: format!(
            "{} has a wake-up latency of {latency} µs",
            name.as_deref().unwrap_or(state)
        ),
        wanted: format!("at most {WAKE_LATENCY_MAX_US} µs"),
        fix: None,
    })
}

fn clock(host: &Host, _: &Plan) -> Option<Observation> {
    let found = host.text("sys/devices/system/clocksource/clocksource0/current_clocksource")?;
    Some(Observation {
        verdict: Verdict::fine_if(CLOCKS.contains(&found.as_str()), Verdict::Weak),
        found,
        wanted: "tsc, or another that is read without a system call".into(),
        fix: None,
    })
}
