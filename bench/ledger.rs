//! What came, by connection and topic: nothing is lost, doubled or out of order unnoticed.
//! Receiving thread.

use crate::deal::Deal;
use crate::payload::Stamp;

/// Sequences behind the newest that are remembered one by one.
const REMEMBERED: u32 = u64::BITS;

/// Counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Different deliveries.
    pub received: u64,
    /// Deliveries that had come before.
    pub duplicate: u64,
    /// Deliveries that came after a later one, or so late that they may be duplicates too.
    pub disordered: u64,
    /// Deliveries on a topic that the connection has not subscribed to.
    pub foreign: u64,
}

/// The newest sequence of one pair of connection and topic, and which came before it.
#[derive(Clone, Copy, Debug)]
struct Track {
    newest: u32,
    /// Bit n: the sequence `newest - n` came.
    came: u64,
}

/// Tracks every pair of connection and topic.
#[derive(Debug)]
pub struct Ledger {
    deal: Deal,
    tracks: Vec<Track>,
    pub counts: Counts,
}

impl Ledger {
    pub fn new(deal: Deal) -> Self {
        let tracks = vec![
            Track {
                newest: 0,
                came: u64::MAX
            };
            deal.pairs()
        ];
        Self {
            deal,
            tracks,
            counts: Counts::default(),
        }
    }

    pub fn deal(&self) -> &Deal {
        &self.deal
    }

    /// Takes note of a delivery.
    pub fn note(&mut self, connection: usize, stamp: Stamp) {
        match self.deal.pair(connection, stamp.topic) {
            Some(pair) => self.tracks[pair].note(stamp.sequence, &mut self.counts),
            None => self.counts.foreign += 1,
        }
    }

    /// How many of the publications, `published[topic]` per topic, did not come.
    pub fn missing(&self, published: &[u32]) -> u64 {
        self.deal
            .deliveries(published)
            .saturating_sub(self.counts.received)
    }
}

impl Track {
    fn note(&mut self, sequence: u32, counts: &mut Counts) {
        if sequence > self.newest {
            let step = sequence - self.newest;
            self.came = self.came.checked_shl(step).unwrap_or(0) | 1;
            self.newest = sequence;
            counts.received += 1;
            return;
        }
        let age = self.newest - sequence;
        if age >= REMEMBERED {
            counts.disordered += 1;
        } else if self.came >> age & 1 == 1 {
            counts.duplicate += 1;
        } else {
            self.came |= 1 << age;
            counts.received += 1;
            counts.disordered += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publications 1 to 200 on one topic to one connection, altered on their way.
    fn run(alter: impl FnOnce(&mut Vec<u32>)) -> (Counts, u64) {
        let mut sequences: Vec<u32> = (1..=200).collect();
        alter(&mut sequences);
        let mut ledger = Ledger::new(Deal::new(1, 1, 1, 0));
        for sequence in sequences {
            ledger.note(
                0,
                Stamp {
                    topic: 0,
                    sequence,
                    due_us: 0,
                },
            );
        }
        (ledger.counts, ledger.missing(&[200]))
    }

    fn counts(received: u64, duplicate: u64, disordered: u64) -> Counts {
        Counts {
            received,
            duplicate,
            disordered,
            foreign: 0,
        }
    }

    #[test]
    fn a_clean_run_is_clean() {
        assert_eq!(run(|_| ()), (counts(200, 0, 0), 0));
    }

    #[test]
    fn losses_are_missing_wherever_they_are() {
        for at in [0, 1, 99, 199] {
            let (seen, missing) = run(|sequences| _ = sequences.remove(at));
            assert_eq!((seen, missing), (counts(199, 0, 0), 1), "{at}");
        }
        let (seen, missing) = run(|sequences| _ = sequences.drain(20..170));
        assert_eq!((seen, missing), (counts(50, 0, 0), 150));
        assert_eq!(run(Vec::clear), (counts(0, 0, 0), 200));
    }

    #[test]
    fn duplicates_are_counted_and_hide_no_loss() {
        assert_eq!(
            run(|sequences| sequences.insert(0, 1)),
            (counts(200, 1, 0), 0)
        );
        assert_eq!(
            run(|sequences| sequences.insert(100, 90)),
            (counts(200, 1, 0), 0)
        );
        assert_eq!(
            run(|sequences| sequences[100] = 100),
            (counts(199, 1, 0), 1)
        );
    }

    #[test]
    fn reorders_are_counted_and_are_no_loss() {
        assert_eq!(
            run(|sequences| sequences.swap(0, 1)),
            (counts(200, 0, 1), 0)
        );
        assert_eq!(
            run(|sequences| sequences[100..104].reverse()),
            (counts(200, 0, 3), 0)
        );
        // Longer ago than is remembered: not told from a duplicate, but never silent.
        let (seen, _) = run(|sequences| sequences.rotate_left(1));
        assert_eq!((seen.disordered, seen.duplicate), (1, 0));
    }

    #[test]
    fn foreign_topics_are_counted() {
        let mut ledger = Ledger::new(Deal::new(2, 4, 1, 0));
        let other = (0..4)
            .find(|topic| !ledger.deal().topics(0).contains(topic))
            .unwrap();
        ledger.note(
            0,
            Stamp {
                topic: other,
                sequence: 1,
                due_us: 0,
            },
        );
        assert_eq!(
            ledger.counts,
            Counts {
                foreign: 1,
                ..Counts::default()
            }
        );
    }
}
