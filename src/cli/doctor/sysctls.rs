//! The knobs below /proc/sys: what `apply.sh` writes. Each value follows from the plan alone, so
//! that the same host and N give the same file.

use fanfare::limits::ACCEPT_BACKLOG;

use super::host::Host;
use super::knob::{Kind, Knob, Rule, Sysctl, Verdict};
use super::plan::Plan;

const PAGE_BYTES: u64 = 4096;

/// Descriptors of everything else on the host.
const OTHER_DESCRIPTORS: u64 = 100_000;

/// The kernel's own default of `net.core.somaxconn` since 5.4, which is plenty for most.
const ACCEPT_QUEUE: u64 = 4096;

fn sysctl(rule: Rule, short: Verdict, wanted: fn(&Plan) -> Vec<u64>) -> Sysctl {
    Sysctl {
        rule,
        wanted,
        short,
        matters: |_, _| true,
    }
}

pub(super) fn knobs() -> Vec<Knob> {
    [descriptors(), queues(), memory(), behaviour(), tracking()].concat()
}

fn descriptors() -> Vec<Knob> {
    vec![
        Knob {
            name: "fs.nr_open",
            formula: "what RLIMIT_NOFILE wants",
            why: "No process may have a higher limit on descriptors than this.",
            source: "kernel, admin-guide/sysctl/fs",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                vec![plan.descriptor_limit()]
            })),
        },
        Knob {
            name: "fs.file-max",
            formula: "2 N + 100,000",
            why: "Open files of the whole host: every connection has one here, and a second one in \
                  a proxy on the same host.",
            source: "kernel, admin-guide/sysctl/fs",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                vec![2 * plan.connections + OTHER_DESCRIPTORS]
            })),
        },
    ]
}

fn queues() -> Vec<Knob> {
    vec![
        Knob {
            name: "net.core.somaxconn",
            formula: "N / 20, as a power of two from 4,096 up to 65,535",
            why: "When another node fails, all its clients come within some 10 s; this is half a \
                  second of them, all on one shard, and what does not fit waits a second for its \
                  next SYN.",
            source: "kernel, networking/ip-sysctl; listen(2)",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                let half_a_second = (plan.connections / 20).next_power_of_two();
                vec![half_a_second.clamp(ACCEPT_QUEUE, ACCEPT_BACKLOG.unsigned_abs().into())]
            })),
        },
        Knob {
            name: "net.core.netdev_max_backlog",
            formula: "N / 100, as a power of two from 1,000 up to 65,536",
            why: "With RPS or a proxy on this host, packets queue here for their core: the \
                  acknowledgements of a broadcast come all at once, and what does not fit is lost.",
            source: "kernel, networking/scaling, admin-guide/sysctl/net",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                let packets = plan.connections / 100;
                let queue = if packets <= 1000 {
                    1000
                } else {
                    packets.next_power_of_two()
                };
                vec![queue.min(65_536)]
            })),
        },
    ]
}

fn memory() -> Vec<Knob> {
    vec![
        Knob {
            name: "net.ipv4.tcp_mem",
            formula: "pages: at most 2 N, not below 1/16 nor over 1/2 of memory; pressure at 3/4 \
                      of it, none below 1/2",
            why: "A socket with anything queued takes a whole page each way; past the second number \
                  all buffers shrink, the fast clients' too, and past the last nothing more is \
                  queued.",
            source: "kernel, networking/ip-sysctl; measured: 4,000 sockets with 300 unread bytes each \
                     take 4,056 pages",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                let pages = plan.memory_bytes / PAGE_BYTES;
                let most = (2 * plan.connections).max(pages / 16).min(pages / 2);
                vec![most / 2, most / 4 * 3, most]
            })),
        },
        Knob {
            name: "net.ipv4.tcp_rmem",
            formula: "the last number: 4 × `ws.max_message`; what stock kernels have is more",
            why: "Some recipes for many connections cut these to 16 KiB, and a large message from \
                  afar then takes many round trips, while more costs nothing, since shards read \
                  at once.",
            source: "kernel, networking/ip-sysctl",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                vec![4096, 16 * 1024, 4 * plan.config.ws.max_message as u64]
            })),
        },
        Knob {
            name: "net.ipv4.tcp_wmem",
            formula: "the last number: 1 MiB; what stock kernels have is more",
            why: "A connection sends no more than this per round trip: 1 MiB is 100 Mbit/s at 80 \
                  ms, while the 16 KiB of some recipes are 1.6.",
            source: "kernel, networking/ip-sysctl",
            kind: Kind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |_| {
                vec![4096, 16 * 1024, 1024 * 1024]
            })),
        },
        Knob {
            name: "vm.swappiness",
            formula: "1, when there is swap and connections, lanes and slow outboxes may take over \
                      half of memory",
            why: "Idle connections look like memory that nobody needs; a broadcast then reads \
                  them back from disk one by one.",
            source: "kernel, admin-guide/sysctl/vm",
            kind: Kind::Sysctl(Sysctl {
                matters: |host, plan| host.swap_bytes() > 0 && plan.is_tight(),
                ..sysctl(Rule::AtMost, Verdict::Weak, |_| vec![1])
            }),
        },
    ]
}

fn behaviour() -> Vec<Knob> {
    vec![
        Knob {
            name: "net.ipv4.tcp_slow_start_after_idle",
            formula: "0: off",
            why: "A WebSocket is idle most of the time; with 1, what follows a pause starts again \
                  with ten packets and waits a round trip for more.",
            source: "kernel, networking/ip-sysctl",
            kind: Kind::Sysctl(sysctl(Rule::Exactly, Verdict::Note, |_| vec![0])),
        },
        Knob {
            name: "net.ipv4.tcp_syncookies",
            formula: "1: on",
            why: "A full queue then answers with cookies instead of dropping clients, and \
                  tcp_max_syn_backlog bounds nothing.",
            source: "kernel, networking/ip-sysctl",
            kind: Kind::Sysctl(sysctl(Rule::Exactly, Verdict::Weak, |_| vec![1])),
        },
    ]
}

/// Loaded by firewalls; without entries no rule makes it look at packets.
fn is_tracking(host: &Host, _: &Plan) -> bool {
    let count = host.number("proc/sys/net/netfilter/nf_conntrack_count");
    count.is_some_and(|count| count > 0)
}

fn tracking() -> Vec<Knob> {
    vec![
        Knob {
            name: "net.netfilter.nf_conntrack_max",
            formula: "2 N, when connections are tracked",
            why: "A full table drops new connections, and those that closed stay in it for two \
                  minutes; not tracking the port at all is better.",
            source: "kernel, networking/nf_conntrack-sysctl",
            kind: Kind::Sysctl(Sysctl {
                matters: is_tracking,
                ..sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                    vec![2 * plan.connections]
                })
            }),
        },
        Knob {
            name: "net.netfilter.nf_conntrack_tcp_timeout_established",
            formula: "four times `ws.ping`, in seconds, when connections are tracked",
            why: "A tracked connection that is forgotten between two pings may be cut off by a \
                  stateful rule.",
            source: "kernel, networking/nf_conntrack-sysctl",
            kind: Kind::Sysctl(Sysctl {
                matters: is_tracking,
                ..sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                    vec![4 * plan.config.ws.ping.as_secs().max(1)]
                })
            }),
        },
    ]
}

/// What is often set elsewhere and does nothing for fanfare, and why.
#[cfg(test)]
#[rustfmt::skip]
pub(super) const LEFT_ALONE: &[(&str, &str)] = &[
    ("net.ipv4.tcp_max_syn_backlog", "bounds half-open connections only while tcp_syncookies is 0; otherwise the accept queue's length does"),
    ("net.ipv4.tcp_notsent_lowat", "fanfare sets it for each of its sockets, to 128 KiB, so that what a slow client has not taken waits where `ws.slow` reaches it"),
    ("net.ipv4.tcp_migrate_req", "moves half-open connections from a listener that closes to another; all of fanfare's close together"),
    ("net.core.rmem_max, wmem_max", "bound SO_RCVBUF and SO_SNDBUF, which fanfare does not set: that would switch the kernel's own sizing off"),
    ("net.ipv4.tcp_keepalive_*", "fanfare pings, which clients, balancers and address translation see too"),
    ("net.ipv4.tcp_max_orphans, tcp_max_tw_buckets", "their defaults bound what is left of closed connections; a drain is spread over `drain.period`"),
    ("net.ipv4.tcp_tw_reuse, ip_local_port_range", "are for hosts that connect: load generators and proxies"),
    ("net.core.optmem_max, busy_poll, busy_read", "are for zero-copy sends and busy polling, which fanfare does not do"),
    ("net.ipv4.tcp_limit_output_bytes, tcp_autocorking", "are sized well by the kernel; frames leave in whole turns already"),
    ("thash_entries (boot), huge pages, vm.max_map_count, kernel.threads-max", "nothing here grows with connections but descriptors and memory; at a million, the hash of sockets has chains of two to four"),
];
