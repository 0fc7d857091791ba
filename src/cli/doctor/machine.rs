//! The knobs of the machine below: cores, interrupts, clocks, pages.

use super::host::Host;
use super::knob::{Kind, Knob, Seen, Verdict};
use super::plan::Plan;

/// From this many cores on, interrupts can have cores of their own.
const ROOMY_CORES: usize = 8;

/// Microseconds to wake from a sleep state: as much as a whole delivery takes on an idle host.
const WAKE_US: u64 = 100;

/// Clocks that are read without a system call.
const CLOCKS: [&str; 4] = [
    "tsc",
    "arch_sys_counter",
    "kvm-clock",
    "hyperv_clocksource_tsc_page",
];

pub(super) fn knobs() -> Vec<Knob> {
    [placement(), pace()].concat()
}

fn placement() -> Vec<Knob> {
    vec![
        Knob {
            name: "cores",
            formula: "one for ingest and one for each shard",
            why: "Threads that share a core delay each other by whole turns.",
            source: "docs/ARCHITECTURE.md",
            kind: Kind::Other {
                fix: "allow more cores (CPUAffinity, cpuset, taskset), or set fewer shards",
                look: cores,
            },
        },
        Knob {
            name: "NUMA",
            formula: "all cores of fanfare on one node, that of the network card",
            why: "Shards read the same broadcasts; from another node each read is twice as far.",
            source: "numa(7)",
            kind: Kind::Other {
                fix: "set cpu.cores to the cores of one node: lscpu lists them",
                look: numa,
            },
        },
        Knob {
            name: "interrupts",
            formula: "no network queue on a shard's core, on hosts of 8 cores or more",
            why: "Packets of all connections that arrive on a shard's core take their time from its \
                  turns.",
            source: "kernel, networking/scaling",
            kind: Kind::Other {
                fix: "give the queues cores of their own: docs/TUNING.md",
                look: interrupts,
            },
        },
        Knob {
            name: "transparent huge pages",
            formula: "not `always`, when connections, lanes and slow outboxes may take over half \
                      of memory",
            why: "Memory then comes in pieces of 2 MiB, and what is freed within one does not go \
                  back.",
            source: "kernel, admin-guide/mm/transhuge",
            kind: Kind::Other {
                fix: "MIMALLOC_ALLOW_THP=0 in fanfare's environment, or echo madvise > \
                      /sys/kernel/mm/transparent_hugepage/enabled",
                look: huge_pages,
            },
        },
    ]
}

fn pace() -> Vec<Knob> {
    vec![
        Knob {
            name: "frequency governor",
            formula: "performance",
            why: "A shard that sleeps between publications otherwise begins each one at a low clock.",
            source: "kernel, admin-guide/pm/cpufreq",
            kind: Kind::Other {
                fix: "cpupower frequency-set -g performance",
                look: governor,
            },
        },
        Knob {
            name: "sleep states",
            formula: "none that takes over 100 µs to wake from",
            why: "A publication to an idle shard waits for the core to wake.",
            source: "kernel, admin-guide/pm/cpuidle; EC2 guide",
            kind: Kind::Other {
                fix: "intel_idle.max_cstate=1 processor.max_cstate=1 on the kernel's command line, \
                      if p99 matters more than power",
                look: sleep_states,
            },
        },
        Knob {
            name: "clock",
            formula: "tsc, or another that is read without a system call",
            why: "Every turn reads the clock.",
            source: "vdso(7), clock_gettime(2)",
            kind: Kind::Other {
                fix: "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, \
                      if it is among available_clocksource",
                look: clock,
            },
        },
    ]
}

fn cores(_: &Host, plan: &Plan) -> Option<Seen> {
    if plan.cores.is_empty() {
        return None;
    }
    let layout = &plan.layout;
    let is_shared = layout.shards.contains(&layout.ingest);
    let shards: Vec<_> = layout.shards.iter().map(ToString::to_string).collect();
    Some(Seen {
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

fn numa(host: &Host, plan: &Plan) -> Option<Seen> {
    let mut used = plan.layout.shards.clone();
    used.push(plan.layout.ingest);
    let nodes: Vec<_> = host.nodes_of(&used).into_iter().collect();
    if nodes.is_empty() {
        return None;
    }
    Some(Seen {
        verdict: Verdict::fine_if(nodes.len() == 1, Verdict::Note),
        found: format!("cores on {}", nodes.join(", ")),
        wanted: "one node".into(),
        fix: None,
    })
}

fn interrupts(host: &Host, plan: &Plan) -> Option<Seen> {
    let queues = host.queue_interrupts();
    if queues.is_empty() {
        return None;
    }
    let is_on_shard = |cores: &[usize]| cores.iter().any(|it| plan.layout.shards.contains(it));
    let meeting = queues.iter().filter(|(_, cores)| is_on_shard(cores));
    let meeting: Vec<_> = meeting.map(|(name, _)| name.as_str()).collect();
    let fine = meeting.is_empty() || plan.cores.len() < ROOMY_CORES;
    Some(Seen {
        verdict: Verdict::fine_if(fine, Verdict::Note),
        found: match meeting.first() {
            None => format!("{} network queues, none on a shard's core", queues.len()),
            Some(first) => format!(
                "{} of {} network queues on shards' cores, such as {first}",
                meeting.len(),
                queues.len()
            ),
        },
        wanted: format!("none, where there are {ROOMY_CORES} cores or more"),
        fix: None,
    })
}

fn huge_pages(host: &Host, plan: &Plan) -> Option<Seen> {
    let modes = host.text("sys/kernel/mm/transparent_hugepage/enabled")?;
    let mode = modes.split(['[', ']']).nth(1)?;
    let fine = mode != "always" || host.refuses_huge_pages() || !plan.is_tight();
    Some(Seen {
        verdict: Verdict::fine_if(fine, Verdict::Note),
        found: mode.into(),
        wanted: if plan.is_tight() {
            "madvise".into()
        } else {
            "any, there is memory to spare".into()
        },
        fix: None,
    })
}

fn governor(host: &Host, plan: &Plan) -> Option<Seen> {
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
    Some(Seen {
        verdict: Verdict::fine_if(found == ["performance"], Verdict::Note),
        found: found.join(", "),
        wanted: "performance".into(),
        fix: None,
    })
}

fn sleep_states(host: &Host, plan: &Plan) -> Option<Seen> {
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
    Some(Seen {
        verdict: Verdict::fine_if(latency <= WAKE_US, Verdict::Note),
        found: format!(
            "{} takes {latency} µs to wake from",
            name.as_deref().unwrap_or(state)
        ),
        wanted: format!("{WAKE_US} µs at most"),
        fix: None,
    })
}

fn clock(host: &Host, _: &Plan) -> Option<Seen> {
    let found = host.text("sys/devices/system/clocksource/clocksource0/current_clocksource")?;
    Some(Seen {
        verdict: Verdict::fine_if(CLOCKS.contains(&found.as_str()), Verdict::Weak),
        found,
        wanted: "tsc, or another that is read without a system call".into(),
        fix: None,
    })
}
