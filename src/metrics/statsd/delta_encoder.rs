//! Encodes the part of the figures that a statsd has not received yet: counters as exact deltas,
//! timers as the values since the last flush. No clock, no IO. Service thread.

use std::collections::BTreeMap;

use super::line;
use super::metric_set::MetricSet;
use super::packet::{Delta, Packer, Packet};
use super::timer::UnsentTimer;

/// The part of each counter and timer that the statsd has received since the start of the process.
#[derive(Debug, Default)]
pub(super) struct DeltaEncoder {
    counters: BTreeMap<String, u64>,
    timers: BTreeMap<String, UnsentTimer>,
}

impl DeltaEncoder {
    /// Returns the packets to send, in order. Gauges are in packets of their own and go first: if
    /// the statsd is down, the first packets are refused, and a gauge that is lost does no harm.
    /// Counters that have not changed are sent too, so that a statsd that was restarted has all of
    /// them.
    pub(super) fn encode(&mut self, metrics: &MetricSet) -> Vec<Packet> {
        let mut packer = Packer::default();
        for (name, value) in &metrics.gauges {
            if let Some(line) = line::gauge(name, *value) {
                packer.push(&line, None);
            }
        }
        packer.finish_packet();
        for (name, value) in &metrics.counters {
            let sent = self.counters.get(name).copied().unwrap_or_default();
            let amount = value.saturating_sub(sent);
            let delta = Delta::Counter {
                name: name.clone(),
                amount,
            };
            packer.push(&line::counter(name, amount), Some(delta));
        }
        for (name, buckets) in &metrics.timers {
            let timer = self.timers.entry(name.clone()).or_default();
            timer.update(buckets);
            let (values, rate) = timer.representatives();
            for value in values {
                let delta = Delta::Timer {
                    name: name.clone(),
                    count: value.count,
                };
                packer.push(&line::timer(name, value.value_us, rate), Some(delta));
            }
        }
        packer.finish()
    }

    /// Records that a packet was sent. Call this for packets in their order and not for packets
    /// after one that failed: their content is encoded again.
    pub(super) fn confirm(&mut self, packet: &Packet) {
        for delta in &packet.deltas {
            match delta {
                Delta::Counter { name, amount } => {
                    *self.counters.entry(name.clone()).or_default() += amount;
                }
                Delta::Timer { name, count } => {
                    self.timers.entry(name.clone()).or_default().confirm(*count);
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
    fn gauges_are_in_the_first_packets() {
        let sample = MetricSet {
            gauges: vec![
                ("g".into(), 1.5),
                ("h".into(), -1.0),
                ("i".into(), f64::NAN),
            ],
            counters: vec![("c".into(), 3)],
            timers: vec![("t".into(), vec![(1500, 2)])],
        };
        let packets = DeltaEncoder::default().encode(&sample);
        assert_eq!(packets[0].text(), "g:1.5|g\nh:0|g\nh:-1|g");
        assert_eq!(packets[1].text(), "c:3|c\nt:1.5|ms\nt:1.5|ms");
        assert_eq!(packets.len(), 2);
    }

    #[test]
    fn a_failed_packet_is_encoded_again() {
        let sample = |value| MetricSet {
            counters: vec![("c".into(), value)],
            ..MetricSet::default()
        };
        let mut encoder = DeltaEncoder::default();
        assert_eq!(text(&encoder.encode(&sample(3))), "c:3|c");
        let packets = encoder.encode(&sample(5));
        assert_eq!(text(&packets), "c:5|c");
        encoder.confirm(&packets[0]);
        assert_eq!(text(&encoder.encode(&sample(9))), "c:4|c");
    }

    proptest! {
        /// Checks that the deltas of all packets that were sent add up to the counter after a flush
        /// that sent all of its packets.
        #[test]
        fn deltas_add_up_to_the_counter(
            flushes in prop::collection::vec(
                (prop::collection::vec(0..1_000_000_u64, 120), 0..5_usize), 1..8)
        ) {
            let (mut encoder, mut counters) = (DeltaEncoder::default(), vec![0; 120]);
            let mut received = vec![0; 120];
            let last = flushes.len() - 1;
            for (index, (growth, through)) in flushes.into_iter().enumerate() {
                counters.iter_mut().zip(growth).for_each(|(counter, by)| *counter += by);
                let named = counters.iter().enumerate();
                let sample = MetricSet {
                    counters: named.map(|(n, value)| (format!("counter.{n}"), *value)).collect(),
                    ..MetricSet::default()
                };
                let through = if index == last { usize::MAX } else { through };
                for packet in encoder.encode(&sample).iter().take(through) {
                    for line in packet.text().lines() {
                        let (name, value) = line.split_once(':').unwrap();
                        let n: usize = name.strip_prefix("counter.").unwrap().parse().unwrap();
                        received[n] += value.strip_suffix("|c").unwrap().parse::<u64>().unwrap();
                    }
                    encoder.confirm(packet);
                }
            }
            prop_assert_eq!(received, counters);
        }
    }
}
