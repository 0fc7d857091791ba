//! What a statsd has been told, so that it is told the rest once: counters as exact deltas, timers
//! as what was measured since. Pure; used by the control thread.

use std::collections::BTreeMap;

use super::line;
use super::packet::{Claim, Packer, Packet};
use super::sample::Sample;
use super::tail::Tail;

/// The account of one process with its statsd, over the whole run.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    counters: BTreeMap<String, u64>,
    timers: BTreeMap<String, Tail>,
}

impl Ledger {
    /// What is to be sent of `sample`, in the order to be sent: gauges alone, which a statsd
    /// that is down may refuse without loss, then counters, then timers. Counters that did not
    /// move are sent too, so that a statsd that starts anew knows them all.
    pub(super) fn due(&mut self, sample: &Sample) -> Vec<Packet> {
        let mut packer = Packer::default();
        for (name, value) in &sample.gauges {
            if let Some(line) = line::gauge(name, *value) {
                packer.push(&line, None);
            }
        }
        packer.seal();
        for (name, value) in &sample.counters {
            let sent = self.counters.get(name).copied().unwrap_or_default();
            let delta = value.saturating_sub(sent);
            let claim = Claim::Counter {
                name: name.clone(),
                delta,
            };
            packer.push(&line::counter(name, delta), Some(claim));
        }
        for (name, buckets) in &sample.timers {
            let tail = self.timers.entry(name.clone()).or_default();
            tail.measure(buckets);
            let (stands, rate) = tail.stands();
            for stand in stands {
                let claim = Claim::Timer {
                    name: name.clone(),
                    count: stand.count,
                };
                packer.push(&line::timer(name, stand.value_us, rate), Some(claim));
            }
        }
        packer.finish()
    }

    /// A packet has gone out. Packets are settled in the order they were due; those after one that
    /// failed are left, and what they hold is due again.
    pub(super) fn settle(&mut self, packet: &Packet) {
        for claim in &packet.claims {
            match claim {
                Claim::Counter { name, delta } => {
                    *self.counters.entry(name.clone()).or_default() += delta;
                }
                Claim::Timer { name, count } => {
                    self.timers.entry(name.clone()).or_default().settle(*count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(packets: &[Packet]) -> String {
        let texts = packets.iter().map(Packet::text);
        texts.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn gauges_go_alone_and_first() {
        let sample = Sample {
            gauges: vec![
                ("g".into(), 1.5),
                ("h".into(), -1.0),
                ("i".into(), f64::NAN),
            ],
            counters: vec![("c".into(), 3)],
            timers: vec![("t".into(), vec![(1500, 2)])],
        };
        let packets = Ledger::default().due(&sample);
        assert_eq!(packets[0].text(), "g:1.5|g\nh:0|g\nh:-1|g");
        assert_eq!(packets[1].text(), "c:3|c\nt:1.5|ms\nt:1.5|ms");
        assert_eq!(packets.len(), 2);
    }

    #[test]
    fn what_failed_is_due_again() {
        let sample = |value| Sample {
            counters: vec![("c".into(), value)],
            ..Sample::default()
        };
        let mut ledger = Ledger::default();
        assert_eq!(text(&ledger.due(&sample(3))), "c:3|c");
        let packets = ledger.due(&sample(5));
        assert_eq!(text(&packets), "c:5|c");
        ledger.settle(&packets[0]);
        assert_eq!(text(&ledger.due(&sample(9))), "c:4|c");
    }

    proptest! {
        /// A statsd that adds up what got through has the counter, once the last flush did.
        #[test]
        fn deltas_add_up_to_the_counter(
            flushes in prop::collection::vec(
                (prop::collection::vec(0..1_000_000_u64, 120), 0..5_usize), 1..8)
        ) {
            let (mut ledger, mut counters) = (Ledger::default(), vec![0; 120]);
            let mut received = vec![0; 120];
            let last = flushes.len() - 1;
            for (index, (growth, through)) in flushes.into_iter().enumerate() {
                counters.iter_mut().zip(growth).for_each(|(counter, by)| *counter += by);
                let named = counters.iter().enumerate();
                let sample = Sample {
                    counters: named.map(|(n, value)| (format!("counter.{n}"), *value)).collect(),
                    ..Sample::default()
                };
                let through = if index == last { usize::MAX } else { through };
                for packet in ledger.due(&sample).iter().take(through) {
                    for line in packet.text().lines() {
                        let (name, value) = line.split_once(':').unwrap();
                        let n: usize = name.strip_prefix("counter.").unwrap().parse().unwrap();
                        received[n] += value.strip_suffix("|c").unwrap().parse::<u64>().unwrap();
                    }
                    ledger.settle(packet);
                }
            }
            prop_assert_eq!(received, counters);
        }
    }
}
