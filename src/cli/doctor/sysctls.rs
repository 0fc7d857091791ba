//! Knobs in /proc/sys, which `apply.sh` writes. Each value is computed from the plan alone, so that
//! the same host and N give the same file.

use fanfare::limits::ACCEPT_BACKLOG;

use super::host::Host;
use super::knob::{Knob, KnobKind, Rule, Sysctl, Verdict};
use super::plan::Plan;

/// Descriptors of all other processes on the host.
const OTHER_DESCRIPTORS: u64 = 100_000;

/// The default of `net.core.somaxconn` since Linux 5.4.
const ACCEPT_QUEUE_DEFAULT: u64 = 4096;

/// Creates a sysctl that matters on every host.
fn sysctl(rule: Rule, otherwise: Verdict, wanted: fn(&Plan) -> Vec<u64>) -> Sysctl {
    Sysctl {
        rule,
        wanted,
        otherwise,
        matters: |_, _| true,
    }
}

pub(super) fn knobs() -> Vec<Knob> {
    [
        descriptors(),
        queues(),
        memory(),
        behaviour(),
        connection_tracking(),
    ]
    .concat()
}

fn descriptors() -> Vec<Knob> {
    vec![
        Knob {
            name: "fs.nr_open",
            formula: "the wanted RLIMIT_NOFILE",
            why: "No process may have a higher limit on descriptors than this.",
            source: "kernel, admin-guide/sysctl/fs",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                vec![plan.descriptor_limit()]
            })),
        },
        Knob {
            name: "fs.file-max",
            formula: "2 N + 100,000",
            why: "Limits the open files of the host: each connection has one, and a second one in a \
                  proxy on the same host.",
            source: "kernel, admin-guide/sysctl/fs",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
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
            why: "When another node fails, its clients reconnect within about 10 s; the queue holds those \
                  of half a second on one shard, and the SYN of a client that does not fit is \
                  dropped, counted in ListenOverflows, and sent again after a second.",
            source: "kernel, networking/ip-sysctl; listen(2)",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                let half_a_second = (plan.connections / 20).next_power_of_two();
                vec![
                    half_a_second.clamp(ACCEPT_QUEUE_DEFAULT, ACCEPT_BACKLOG.unsigned_abs().into()),
                ]
            })),
        },
        Knob {
            name: "net.core.netdev_max_backlog",
            formula: "N / 100, as a power of two from 1,000 up to 65,536",
            why: "With RPS or a proxy on this host, packets wait in this queue for their core; the \
                  acknowledgements of a broadcast arrive together, and packets that do not fit are \
                  lost.",
            source: "kernel, networking/scaling, admin-guide/sysctl/net",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
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
            formula: "in pages; third number: 2 N, but at least 1/16 and at most 1/2 of memory; second: \
                      3/4 of it; first: 1/2 of it",
            why: "A socket with queued data uses at least a page in each direction; above the second \
                  number the kernel shrinks the buffers of all sockets, and above the third it \
                  queues nothing more.",
            source: "kernel, networking/ip-sysctl; measured: 4,000 sockets with 300 unread bytes each \
                     take 4,056 pages",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                let most = plan.tcp_pages();
                vec![most / 2, most / 4 * 3, most]
            })),
        },
        Knob {
            name: "net.ipv4.tcp_rmem",
            formula: "the third number: 4 × `ws.max_message`; the defaults of the kernel are higher",
            why: "Some guides for many connections recommend 16 KiB, with which a large message from a \
                  distant client takes many round trips; a higher limit costs nothing, since shards \
                  read at once.",
            source: "kernel, networking/ip-sysctl",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                vec![4096, 16 * 1024, 4 * plan.config.ws.max_message as u64]
            })),
        },
        Knob {
            name: "net.ipv4.tcp_wmem",
            formula: "the third number: 1 MiB; the defaults of the kernel are higher",
            why: "A connection sends no more than this per round trip: 1 MiB allows 100 Mbit/s at 80 ms, \
                  and the 16 KiB of some guides allow 1.6 Mbit/s.",
            source: "kernel, networking/ip-sysctl",
            kind: KnobKind::Sysctl(sysctl(Rule::AtLeast, Verdict::Weak, |_| {
                vec![4096, 16 * 1024, 1024 * 1024]
            })),
        },
        Knob {
            name: "vm.swappiness",
            formula: "1, when there is swap and connections, lanes and slow outboxes may take over \
                      half of memory",
            why: "The kernel swaps out the memory of idle connections, and a broadcast then reads it back \
                  from disk, connection by connection.",
            source: "kernel, admin-guide/sysctl/vm",
            kind: KnobKind::Sysctl(Sysctl {
                matters: |host, plan| host.swap_bytes() > 0 && plan.is_memory_tight(),
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
            why: "A WebSocket is idle most of the time; with 1, a connection sends only ten packets after \
                  a pause before it waits for a round trip.",
            source: "kernel, networking/ip-sysctl",
            kind: KnobKind::Sysctl(sysctl(Rule::Exactly, Verdict::Note, |_| vec![0])),
        },
        Knob {
            name: "net.ipv4.tcp_syncookies",
            formula: "1: on",
            why: "When there are more half-open connections than the accept queue has places, as in a \
                  SYN flood, the kernel then answers with cookies instead of dropping clients; a full \
                  accept queue is not answered with cookies.",
            source: "kernel, networking/ip-sysctl",
            kind: KnobKind::Sysctl(sysctl(Rule::Exactly, Verdict::Weak, |_| vec![1])),
        },
    ]
}

/// Returns whether the kernel tracks connections. A firewall may load the module without a rule
/// that uses it; then there are no entries.
fn is_tracking(host: &Host, _: &Plan) -> bool {
    let count = host.number("proc/sys/net/netfilter/nf_conntrack_count");
    count.is_some_and(|count| count > 0)
}

fn connection_tracking() -> Vec<Knob> {
    vec![
        Knob {
            name: "net.netfilter.nf_conntrack_max",
            formula: "2 N, when connections are tracked",
            why: "New connections are dropped when the table is full, and closed ones stay in it for two \
                  minutes; it is better not to track the port at all.",
            source: "kernel, networking/nf_conntrack-sysctl",
            kind: KnobKind::Sysctl(Sysctl {
                matters: is_tracking,
                ..sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                    vec![2 * plan.connections]
                })
            }),
        },
        Knob {
            name: "net.netfilter.nf_conntrack_tcp_timeout_established",
            formula: "four times `ws.ping`, in seconds, when connections are tracked",
            why: "If the entry of a connection expires between two pings, a stateful rule may block the \
                  connection.",
            source: "kernel, networking/nf_conntrack-sysctl",
            kind: KnobKind::Sysctl(Sysctl {
                matters: is_tracking,
                ..sysctl(Rule::AtLeast, Verdict::Weak, |plan| {
                    vec![4 * plan.config.ws.ping.as_secs().max(1)]
                })
            }),
        },
    ]
}

/// Settings that guides often recommend and that do not matter for fanfare, with the reason.
#[cfg(test)]
#[rustfmt::skip]
pub(super) const NOT_NEEDED: &[(&str, &str)] = &[
    ("net.ipv4.tcp_max_syn_backlog", "limits half-open connections only if tcp_syncookies is 0; otherwise cookies are sent when there are more than the accept queue has places"),
    ("net.ipv4.tcp_notsent_lowat", "fanfare sets it to 128 KiB for each of its sockets, so that the data of a slow client stays in its outbox, where `ws.slow` applies"),
    ("net.ipv4.tcp_migrate_req", "moves half-open connections from a closed listener to another one; all listeners of fanfare close together"),
    ("net.core.rmem_max, wmem_max", "limit SO_RCVBUF and SO_SNDBUF, which fanfare does not set, since that would disable automatic sizing"),
    ("net.ipv4.tcp_keepalive_*", "fanfare sends pings, which also keep the connection open in clients, load balancers and NAT"),
    ("net.ipv4.tcp_max_orphans, tcp_max_tw_buckets", "their defaults are sufficient for closed connections; a drain is spread over `drain.period`"),
    ("net.ipv4.tcp_tw_reuse, ip_local_port_range", "matter for hosts with outgoing connections: load generators and proxies"),
    ("net.core.optmem_max, busy_poll, busy_read", "matter for zero-copy sends and busy polling, which fanfare does not use"),
    ("net.ipv4.tcp_limit_output_bytes, tcp_autocorking", "have good defaults; fanfare already sends the frames of a turn together"),
    ("huge pages, vm.max_map_count, kernel.threads-max", "only descriptors, memory and the connection table grow with the number of connections"),
];
