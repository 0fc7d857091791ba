//! Lines into datagrams that no Ethernet on the way cuts in two. Pure; used by the control thread.

use crate::limits::STATSD_PACKET_BYTES;

/// What a statsd knows once a packet is out. A gauge claims nothing: the next one replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    Counter { name: String, delta: u64 },
    Timer { name: String, count: u64 },
}

/// One datagram and what it claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    lines: String,
    pub claims: Vec<Claim>,
}

impl Packet {
    /// The datagram: lines, without an end after the last.
    pub(super) fn text(&self) -> &str {
        self.lines.trim_end_matches('\n')
    }

    fn claim(&mut self, claim: Claim) {
        if let (
            Some(Claim::Timer { name, count }),
            Claim::Timer {
                name: next,
                count: more,
            },
        ) = (self.claims.last_mut(), &claim)
            && name == next
        {
            *count += more;
        } else {
            self.claims.push(claim);
        }
    }
}

/// Fills one packet after the other.
#[derive(Debug, Default)]
pub(super) struct Packer {
    full: Vec<Packet>,
    open: Packet,
}

impl Packer {
    /// Adds one line, or several that belong together, each with its end. They fit a packet by
    /// the bound on names; should they not, they are left out.
    pub(super) fn push(&mut self, lines: &str, claim: Option<Claim>) {
        let fits = |bytes: usize| bytes <= STATSD_PACKET_BYTES + "\n".len();
        if !fits(lines.len()) {
            return;
        }
        if !fits(self.open.lines.len() + lines.len()) {
            self.seal();
        }
        self.open.lines.push_str(lines);
        if let Some(claim) = claim {
            self.open.claim(claim);
        }
    }

    /// What comes next goes into a packet of its own.
    pub(super) fn seal(&mut self) {
        if !self.open.lines.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
        }
    }

    pub(super) fn finish(mut self) -> Vec<Packet> {
        self.seal();
        self.full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_one_timer_are_one_claim() {
        let mut packer = Packer::default();
        let timer = |name: &str, count| Claim::Timer {
            name: name.into(),
            count,
        };
        for (name, count) in [("t", 2), ("t", 3), ("u", 1)] {
            packer.push("x:1|ms\n", Some(timer(name, count)));
        }
        assert_eq!(packer.finish()[0].claims, [timer("t", 5), timer("u", 1)]);
    }

    proptest! {
        #[test]
        fn packets_are_small_and_hold_every_line(
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
            // None could have gone into the packet before.
            for pair in packets.windows(2) {
                let first = pair[1].text().lines().next().unwrap();
                prop_assert!(pair[0].text().len() + 1 + first.len() > STATSD_PACKET_BYTES);
            }
        }
    }
}
