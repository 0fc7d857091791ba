//! The sink of all members of the chat room. Receiving thread.

use crate::client::assignment::TopicAssignment;
use crate::client::ledger::Ledger;
use crate::client::receiver::Receiver;
use crate::client::reply::is_error;
use crate::client::sink::DeliverySink;
use crate::payload::Stamp;

/// Checks the deliveries to all members.
pub struct ChatRoom {
    pub receiver: Receiver,
    /// The position of each answer in the order in which the answers were first received, or `None`
    /// if a service publishes. Answers that clients publish have no other order, but that order
    /// must be the same for all members.
    positions: Option<Vec<u32>>,
    /// Number of answers that have a position.
    positioned: u32,
    /// Replies to the publish commands of clients.
    pub replies: u64,
    /// Replies with an error.
    pub errors: u64,
}

impl DeliverySink for ChatRoom {
    fn delivery(&mut self, connection: usize, stamp: Stamp, now_us: u64) {
        let sequence = self.position(stamp.sequence);
        let stamp = Stamp { sequence, ..stamp };
        self.receiver.delivery(connection, stamp, now_us);
    }

    fn reply(&mut self, _connection: usize, reply: &[u8]) {
        self.replies += 1;
        self.errors += u64::from(is_error(reply));
    }
}

impl ChatRoom {
    /// Creates a room in which a service publishes. The order of its answers is given.
    pub fn with_service(members: usize) -> Self {
        let assignment = TopicAssignment::single_topic(members);
        Self {
            receiver: Receiver::new(Ledger::new(assignment)),
            positions: None,
            positioned: 0,
            replies: 0,
            errors: 0,
        }
    }

    /// Creates a room in which the members publish `answers` answers.
    pub fn with_publishing_members(members: usize, answers: u32) -> Self {
        Self {
            positions: Some(vec![0; answers as usize + 1]),
            ..Self::with_service(members)
        }
    }

    fn position(&mut self, sequence: u32) -> u32 {
        let positions = self.positions.as_mut();
        let Some(position) = positions.and_then(|all| all.get_mut(sequence as usize)) else {
            return sequence;
        };
        if *position == 0 {
            self.positioned += 1;
            *position = self.positioned;
        }
        *position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deliver(room: &mut ChatRoom, connection: usize, sequences: &[u32]) {
        for &sequence in sequences {
            let stamp = Stamp {
                topic: 0,
                sequence,
                due_us: 0,
            };
            room.delivery(connection, stamp, 0);
        }
    }

    #[test]
    fn answers_of_clients_may_have_any_order_that_is_the_same_for_all() {
        for (second, disordered) in [([3, 1, 2], 0), ([3, 2, 1], 1)] {
            let mut room = ChatRoom::with_publishing_members(2, 3);
            deliver(&mut room, 0, &[3, 1, 2]);
            deliver(&mut room, 1, &second);
            let counts = room.receiver.ledger.counts;
            assert_eq!((counts.received, counts.disordered), (6, disordered));
            assert_eq!(room.receiver.ledger.missing(&[3]), 0);
        }
        let mut room = ChatRoom::with_service(2);
        deliver(&mut room, 0, &[2, 1, 3]);
        assert_eq!(room.receiver.ledger.counts.disordered, 1);
    }
}
