//! Packs lines into datagrams that fit an Ethernet frame. No clock, no IO. Service thread.

use crate::limits::STATSD_PACKET_BYTES;

/// The part of a counter or timer that a packet carries. Gauges have none: the next value replaces
/// one that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    Counter {
        name: String,
        amount: u64,
    },
    /// `count` measured values.
    Timer {
        name: String,
        count: u64,
    },
}

/// One datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    lines: String,
    pub(super) deltas: Vec<Delta>,
}

impl Packet {
    /// Returns the content of the datagram: lines, without a line end after the last one.
    pub(super) fn text(&self) -> &str {
        self.lines.trim_end_matches('\n')
    }

    /// Adds a delta. Consecutive values of one timer become one delta.
    fn add(&mut self, delta: Delta) {
        if let (
            Some(Delta::Timer { name, count }),
            Delta::Timer {
                name: next_name,
                count: next_count,
            },
        ) = (self.deltas.last_mut(), &delta)
            && name == next_name
        {
            *count += next_count;
        } else {
            self.deltas.push(delta);
        }
    }
}

/// Fills one packet after the other.
#[derive(Debug, Default)]
pub(super) struct Packer {
    finished: Vec<Packet>,
    current: Packet,
}

impl Packer {
    /// Adds lines that must not be separated, each with a line end, and the delta that they carry.
    /// Lines that are longer than a packet are left out; the bound on names prevents that.
    pub(super) fn push(&mut self, lines: &str, delta: Option<Delta>) {
        // The last line end is not sent.
        let fits = |bytes: usize| bytes <= STATSD_PACKET_BYTES + "\n".len();
        if !fits(lines.len()) {
            return;
        }
        if !fits(self.current.lines.len() + lines.len()) {
            self.finish_packet();
        }
        self.current.lines.push_str(lines);
        if let Some(delta) = delta {
            self.current.add(delta);
        }
    }

    /// Finishes the current packet, so that the next line begins a new one.
    pub(super) fn finish_packet(&mut self) {
        if !self.current.lines.is_empty() {
            self.finished.push(std::mem::take(&mut self.current));
        }
    }

    /// Returns all packets.
    pub(super) fn finish(mut self) -> Vec<Packet> {
        self.finish_packet();
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn consecutive_values_of_one_timer_are_one_delta() {
        let mut packer = Packer::default();
        let timer = |name: &str, count| Delta::Timer {
            name: name.into(),
            count,
        };
        for (name, count) in [("t", 2), ("t", 3), ("u", 1)] {
            packer.push("x:1|ms\n", Some(timer(name, count)));
        }
        assert_eq!(packer.finish()[0].deltas, [timer("t", 5), timer("u", 1)]);
    }

    proptest! {
        #[test]
        fn packets_are_small_and_contain_every_line(
            lengths in prop::collection::vec(1..STATSD_PACKET_BYTES + 1, 0..60)
        ) {
            let mut packer = Packer::default();
            for length in &lengths {
                packer.push(&format!("{}\n", "x".repeat(*length)), None);
            }
            let packets = packer.finish();
            prop_assert!(packets.iter().all(|packet| packet.text().len() <= STATSD_PACKET_BYTES));
            let lines = packets.iter().flat_map(|packet| packet.text().lines());
            prop_assert_eq!(lines.map(str::len).collect::<Vec<_>>(), lengths);
            // The first line of each packet does not fit the packet before.
            for pair in packets.windows(2) {
                let first = pair[1].text().lines().next().unwrap();
                prop_assert!(pair[0].text().len() + 1 + first.len() > STATSD_PACKET_BYTES);
            }
        }
    }
}
