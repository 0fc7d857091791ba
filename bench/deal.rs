//! Which connection subscribes to which topics. Receiving thread.

/// Topics dealt out evenly: each connection has the same number, all different, and each topic
/// the same number of subscribers as far as the numbers divide.
#[derive(Debug)]
pub struct Deal {
    per_connection: usize,
    topic_count: u32,
    /// `per_connection` topics for each connection; the n-th from the n-th block of topics, so
    /// that a topic's place is computed, not searched.
    topics: Vec<u32>,
}

impl Deal {
    /// `per_connection` of `topics` topics for each of `connections`, shuffled by `seed`.
    /// There must be at least as many topics as one connection takes.
    pub fn new(connections: usize, topics: u32, per_connection: usize, seed: u64) -> Self {
        assert!(
            per_connection > 0 && topics as usize >= per_connection,
            "checked by the caller"
        );
        let mut deal = Self {
            per_connection,
            topic_count: topics,
            topics: vec![0; connections * per_connection],
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let mut order: Vec<usize> = (0..connections).collect();
        for place in 0..per_connection {
            random.shuffle(&mut order);
            let (first, len) = deal.block(place);
            for (nth, connection) in order.iter().enumerate() {
                deal.topics[connection * per_connection + place] = first + nth as u32 % len;
            }
        }
        deal
    }

    /// The first topic of a block and how many it has; the last block takes what is left over.
    fn block(&self, place: usize) -> (u32, u32) {
        let len = self.topic_count / self.per_connection as u32;
        let first = place as u32 * len;
        let last = place + 1 == self.per_connection;
        (first, if last { self.topic_count - first } else { len })
    }

    /// The topics of a connection.
    pub fn topics(&self, connection: usize) -> &[u32] {
        &self.topics[connection * self.per_connection..][..self.per_connection]
    }

    /// The number of a pair of connection and topic, below [`Deal::pairs`]. `None`: the
    /// connection did not subscribe to it.
    pub fn pair(&self, connection: usize, topic: u32) -> Option<usize> {
        let block_len = self.topic_count / self.per_connection as u32;
        let place = ((topic / block_len) as usize).min(self.per_connection - 1);
        let pair = connection * self.per_connection + place;
        (self.topics[pair] == topic).then_some(pair)
    }

    /// How many pairs of connection and topic there are.
    pub fn pairs(&self) -> usize {
        self.topics.len()
    }

    /// How many deliveries publishing `published[topic]` times to each topic makes.
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
    fn topics_are_even_different_and_found_again() {
        for (connections, topics, per) in [(3500, 700, 10), (1000, 1, 1), (7, 23, 5), (3, 10, 10)] {
            let deal = Deal::new(connections, topics, per, 1);
            let mut subscribers = vec![0; topics as usize];
            for connection in 0..connections {
                let mut pairs: Vec<_> = Vec::new();
                for &topic in deal.topics(connection) {
                    subscribers[topic as usize] += 1;
                    pairs.push(deal.pair(connection, topic).unwrap());
                }
                let first = connection * per;
                assert_eq!(pairs, (first..first + per).collect::<Vec<_>>());
                let foreign = (0..topics).filter(|topic| !deal.topics(connection).contains(topic));
                assert!(
                    foreign
                        .into_iter()
                        .all(|topic| deal.pair(connection, topic).is_none())
                );
            }
            let topics = topics as usize;
            if (connections * per).is_multiple_of(topics) && topics.is_multiple_of(per) {
                let even = connections * per / topics;
                assert!(subscribers.iter().all(|&count| count == even));
            }
            assert_eq!(deal.deliveries(&vec![2; topics]), 2 * deal.pairs() as u64);
        }
    }
}
