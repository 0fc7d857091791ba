//! The assignment of topics to connections. Receiving thread.

/// An even assignment: every connection has the same number of topics, all different, and every
/// topic has the same number of subscribers as far as the numbers divide.
#[derive(Debug)]
pub struct TopicAssignment {
    per_connection: usize,
    topic_count: u32,
    /// `per_connection` topics for each connection. The topics are divided into as many blocks, and
    /// the n-th topic of a connection belongs to the n-th block, so that its index is computed and
    /// not searched.
    topics: Vec<u32>,
}

impl TopicAssignment {
    /// Assigns `per_connection` of `topics` topics to each of `connections`, shuffled by `seed`.
    /// `topics` must be at least `per_connection`.
    pub fn new(connections: usize, topics: u32, per_connection: usize, seed: u64) -> Self {
        assert!(
            per_connection > 0 && topics as usize >= per_connection,
            "checked by the caller"
        );
        let mut assignment = Self {
            per_connection,
            topic_count: topics,
            topics: vec![0; connections * per_connection],
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut order: Vec<usize> = (0..connections).collect();
        for block in 0..per_connection {
            random.shuffle(&mut order);
            let (first, len) = assignment.block(block);
            for (nth, connection) in order.iter().enumerate() {
                assignment.topics[connection * per_connection + block] = first + nth as u32 % len;
            }
        }
        assignment
    }

    /// Assigns topic 0 to each of `connections`.
    pub fn single_topic(connections: usize) -> Self {
        Self::new(connections, 1, 1, 0)
    }

    /// Returns the first topic of a block and the number of its topics. The last block also
    /// contains the remainder.
    fn block(&self, block: usize) -> (u32, u32) {
        let len = self.topic_count / self.per_connection as u32;
        let first = block as u32 * len;
        let last = block + 1 == self.per_connection;
        (first, if last { self.topic_count - first } else { len })
    }

    /// Returns the topics of a connection.
    pub fn topics(&self, connection: usize) -> &[u32] {
        &self.topics[connection * self.per_connection..][..self.per_connection]
    }

    /// Returns the index of a subscription, below [`TopicAssignment::subscriptions`], or `None` if
    /// the connection has not subscribed to the topic.
    pub fn subscription(&self, connection: usize, topic: u32) -> Option<usize> {
        let block_len = self.topic_count / self.per_connection as u32;
        let block = ((topic / block_len) as usize).min(self.per_connection - 1);
        let subscription = connection * self.per_connection + block;
        (self.topics[subscription] == topic).then_some(subscription)
    }

    /// Returns the number of subscriptions of all connections.
    pub fn subscriptions(&self) -> usize {
        self.topics.len()
    }

    /// Returns the number of deliveries that `published[topic]` publications on each topic cause.
    pub fn deliveries(&self, published: &[u32]) -> u64 {
        self.topics
            .iter()
            .map(|&topic| u64::from(published[topic as usize]))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_even_and_different_and_every_subscription_has_its_index() {
        for (connections, topics, per) in [(3500, 700, 10), (1000, 1, 1), (7, 23, 5), (3, 10, 10)] {
            let assignment = TopicAssignment::new(connections, topics, per, 1);
            let mut subscribers = vec![0; topics as usize];
            for connection in 0..connections {
                let mut found: Vec<_> = Vec::new();
                for &topic in assignment.topics(connection) {
                    subscribers[topic as usize] += 1;
                    found.push(assignment.subscription(connection, topic).unwrap());
                }
                let first = connection * per;
                assert_eq!(found, (first..first + per).collect::<Vec<_>>());
                let own = assignment.topics(connection);
                let foreign = (0..topics).filter(|topic| !own.contains(topic));
                assert!(
                    foreign
                        .into_iter()
                        .all(|topic| assignment.subscription(connection, topic).is_none())
                );
            }
            let topics = topics as usize;
            if (connections * per).is_multiple_of(topics) && topics.is_multiple_of(per) {
                let even = connections * per / topics;
                assert!(subscribers.iter().all(|&count| count == even));
            }
            assert_eq!(
                assignment.deliveries(&vec![2; topics]),
                2 * assignment.subscriptions() as u64
            );
        }
    }
}
