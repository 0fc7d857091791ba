//! The record of all deliveries by connection and topic. It detects every loss, duplicate and
//! disorder. Receiving thread.

use crate::client::assignment::TopicAssignment;
use crate::payload::Stamp;

/// Number of recent sequence numbers that are recorded individually.
const RECORDED: u32 = u64::BITS;

/// Counts of deliveries in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Deliveries without duplicates.
    pub received: u64,
    /// Deliveries that had been received before.
    pub duplicate: u64,
    /// Deliveries after a later one of the same topic. A delivery that is older than the recorded
    /// numbers counts here, and it may be a duplicate too.
    pub disordered: u64,
    /// Deliveries on a topic to which the connection has not subscribed.
    pub foreign: u64,
}

/// The received sequence numbers of one subscription.
#[derive(Clone, Copy, Debug)]
struct SequenceTrack {
    newest: u32,
    /// Bit n is set if sequence number `newest - n` was received.
    received: u64,
}

/// Records the deliveries of every subscription.
#[derive(Debug)]
pub struct Ledger {
    assignment: TopicAssignment,
    tracks: Vec<SequenceTrack>,
    pub counts: DeliveryCounts,
}

impl Ledger {
    pub fn new(assignment: TopicAssignment) -> Self {
        let empty = SequenceTrack {
            newest: 0,
            received: u64::MAX,
        };
        let tracks = vec![empty; assignment.subscriptions()];
        Self {
            assignment,
            tracks,
            counts: DeliveryCounts::default(),
        }
    }

    pub fn assignment(&self) -> &TopicAssignment {
        &self.assignment
    }

    /// Records a delivery.
    pub fn record(&mut self, connection: usize, stamp: Stamp) {
        match self.assignment.subscription(connection, stamp.topic) {
            Some(index) => self.tracks[index].record(stamp.sequence, &mut self.counts),
            None => self.counts.foreign += 1,
        }
    }

    /// Returns the number of missing deliveries after `published[topic]` publications on each
    /// topic.
    pub fn missing(&self, published: &[u32]) -> u64 {
        self.assignment
            .deliveries(published)
            .saturating_sub(self.counts.received)
    }
}

impl SequenceTrack {
    fn record(&mut self, sequence: u32, counts: &mut DeliveryCounts) {
        if sequence > self.newest {
            let step = sequence - self.newest;
            self.received = self.received.checked_shl(step).unwrap_or(0) | 1;
            self.newest = sequence;
            counts.received += 1;
            return;
        }
        let age = self.newest - sequence;
        if age >= RECORDED {
            counts.disordered += 1;
        } else if self.received >> age & 1 == 1 {
            counts.duplicate += 1;
        } else {
            self.received |= 1 << age;
            counts.received += 1;
            counts.disordered += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records publications 1 to 200 on one topic to one connection, after `alter` has changed the
    /// list.
    fn run(alter: impl FnOnce(&mut Vec<u32>)) -> (DeliveryCounts, u64) {
        let mut sequences: Vec<u32> = (1..=200).collect();
        alter(&mut sequences);
        let mut ledger = Ledger::new(TopicAssignment::new(1, 1, 1, 0));
        for sequence in sequences {
            ledger.record(
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

    fn counts(received: u64, duplicate: u64, disordered: u64) -> DeliveryCounts {
        DeliveryCounts {
            received,
            duplicate,
            disordered,
            foreign: 0,
        }
    }

    #[test]
    fn a_run_without_faults_has_no_faults() {
        assert_eq!(run(|_| ()), (counts(200, 0, 0), 0));
    }

    #[test]
    fn losses_are_counted_at_every_position() {
        for at in [0, 1, 99, 199] {
            let (seen, missing) = run(|sequences| _ = sequences.remove(at));
            assert_eq!((seen, missing), (counts(199, 0, 0), 1), "{at}");
        }
        let (seen, missing) = run(|sequences| _ = sequences.drain(20..170));
        assert_eq!((seen, missing), (counts(50, 0, 0), 150));
        assert_eq!(run(Vec::clear), (counts(0, 0, 0), 200));
    }

    #[test]
    fn duplicates_are_counted_and_do_not_hide_a_loss() {
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
    fn disorder_is_counted_and_is_not_a_loss() {
        assert_eq!(
            run(|sequences| sequences.swap(0, 1)),
            (counts(200, 0, 1), 0)
        );
        assert_eq!(
            run(|sequences| sequences[100..104].reverse()),
            (counts(200, 0, 3), 0)
        );
        // A number older than the recorded ones may be a duplicate too, but it is always counted.
        let (seen, _) = run(|sequences| sequences.rotate_left(1));
        assert_eq!((seen.disordered, seen.duplicate), (1, 0));
    }

    #[test]
    fn foreign_topics_are_counted() {
        let mut ledger = Ledger::new(TopicAssignment::new(2, 4, 1, 0));
        let other_topic = (0..4)
            .find(|topic| !ledger.assignment().topics(0).contains(topic))
            .unwrap();
        ledger.record(
            0,
            Stamp {
                topic: other_topic,
                sequence: 1,
                due_us: 0,
            },
        );
        assert_eq!(
            ledger.counts,
            DeliveryCounts {
                foreign: 1,
                ..DeliveryCounts::default()
            }
        );
    }
}
