//! The sink of a feed: every connection must receive the same payloads in the same order. Receiving
//! thread.

use crate::client::sink::{DeliverySink, Unstamped};
use crate::payload::Stamp;

/// The payloads that every connection must receive in this order.
pub struct ExpectedSequence<'a> {
    payloads: &'a [Vec<u8>],
    /// Number of payloads received by connection.
    received: Vec<usize>,
    /// Payloads with a stamp. Payloads of feeds have none, so these are unexpected.
    pub stamped: u64,
}

impl DeliverySink for ExpectedSequence<'_> {
    fn delivery(&mut self, _connection: usize, _stamp: Stamp, _now_us: u64) {
        self.stamped += 1;
    }

    fn unstamped(&mut self, connection: usize, payload: &[u8]) -> Unstamped {
        let received = &mut self.received[connection];
        let expected = self.payloads.get(*received);
        if expected.is_none_or(|expected| expected != payload) {
            return Unstamped::Unknown;
        }
        *received += 1;
        Unstamped::Expected
    }
}

impl<'a> ExpectedSequence<'a> {
    pub fn new(payloads: &'a [Vec<u8>], connections: usize) -> Self {
        Self {
            payloads,
            received: vec![0; connections],
            stamped: 0,
        }
    }

    /// Returns whether every connection has received `count` payloads.
    pub fn has_received(&self, count: usize) -> bool {
        self.received.iter().all(|received| *received >= count)
    }

    /// Returns the number of deliveries on all connections.
    pub fn received(&self) -> usize {
        self.received.iter().sum()
    }

    pub fn missing(&self) -> u64 {
        let expected = self.payloads.len() * self.received.len();
        (expected - self.received()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_must_arrive_in_order_and_unchanged() {
        let payloads = [b"a".to_vec(), b"b".to_vec()];
        let mut sequence = ExpectedSequence::new(&payloads, 2);
        let mut accepts = |connection, payload: &[u8]| {
            sequence.unstamped(connection, payload) == Unstamped::Expected
        };
        assert!(!accepts(0, b"b"));
        assert!(accepts(0, b"a") && !accepts(0, b"a"));
        assert!(accepts(1, b"a") && accepts(0, b"b"));
        assert!(!accepts(0, b"b"));
        assert_eq!(sequence.missing(), 1);
        assert!(sequence.has_received(1) && !sequence.has_received(2));
    }
}
