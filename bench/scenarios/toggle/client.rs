//! The client that subscribes and unsubscribes continually, and its checks. Receiving thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::client::ledger::Ledger;
use crate::client::reply::is_error;
use crate::client::sink::DeliverySink;
use crate::clock::Clock;
use crate::payload::Stamp;
use crate::publishing::publisher::PublishingProgress;

/// Index of the connection that toggles. The other connections stay subscribed.
pub const TOGGLING_CONNECTION: usize = 0;

/// The stage of the toggling subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStage {
    Unsubscribed,
    /// The subscribe command is sent.
    Subscribing,
    Subscribed,
    /// The unsubscribe command is sent. Publications may still be delivered.
    Unsubscribing,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct ToggleViolations {
    /// Deliveries outside of a subscription.
    pub outside: u64,
    /// Missing publications between the first that must be delivered and the last delivered.
    pub missing: u64,
    /// Deliveries that were not newer than the previous one.
    pub repeated: u64,
    /// Subscriptions without any delivery.
    pub silent: u64,
    /// Replies with an error, and replies that were not received in time.
    pub errors: u64,
}

/// The toggling client. All sequence numbers belong to the only topic.
#[derive(Debug)]
pub struct TogglingClient {
    progress: Arc<PublishingProgress>,
    pub stage: SubscriptionStage,
    /// Time at which the stage began.
    pub stage_since_us: u64,
    /// The last publication that had started when the subscribe reply was read. All later ones must
    /// be delivered.
    started_before: u64,
    /// The last sequence number delivered in this subscription.
    last_delivered: Option<u64>,
    /// The highest sequence number delivered in any subscription.
    newest: u64,
    pub received: u64,
    pub violations: ToggleViolations,
    /// Deliveries on the other connections.
    pub others: Ledger,
    pub clock: Clock,
}

impl DeliverySink for TogglingClient {
    fn delivery(&mut self, connection: usize, stamp: Stamp, _now_us: u64) {
        if connection != TOGGLING_CONNECTION {
            self.others.record(connection - 1, stamp);
            return;
        }
        let sequence = u64::from(stamp.sequence);
        self.received += 1;
        if matches!(
            self.stage,
            SubscriptionStage::Unsubscribed | SubscriptionStage::Subscribing
        ) {
            self.violations.outside += 1;
        }
        if sequence <= self.newest {
            self.violations.repeated += 1;
            return;
        }
        let last = self.last_delivered.unwrap_or(self.started_before);
        self.violations.missing += sequence.saturating_sub(last + 1);
        self.last_delivered = Some(sequence);
        self.newest = sequence;
    }

    fn reply(&mut self, _connection: usize, reply: &[u8]) {
        self.violations.errors += u64::from(is_error(reply));
        if self.stage == SubscriptionStage::Subscribing {
            self.started_before = self.progress.started.load(Ordering::Acquire);
            self.last_delivered = None;
            self.enter(SubscriptionStage::Subscribed);
        } else {
            self.enter(SubscriptionStage::Unsubscribed);
        }
    }
}

impl TogglingClient {
    pub fn new(progress: Arc<PublishingProgress>, others: Ledger, clock: Clock) -> Self {
        Self {
            progress,
            stage: SubscriptionStage::Unsubscribed,
            stage_since_us: clock.now_us(),
            started_before: 0,
            last_delivered: None,
            newest: 0,
            received: 0,
            violations: ToggleViolations::default(),
            others,
            clock,
        }
    }

    /// Returns whether a publication that started after the subscribe reply has been delivered.
    pub fn has_delivery(&self) -> bool {
        self.last_delivered
            .is_some_and(|sequence| sequence > self.started_before)
    }

    /// Enters a stage.
    pub fn enter(&mut self, stage: SubscriptionStage) {
        self.stage = stage;
        self.stage_since_us = self.clock.now_us();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::assignment::TopicAssignment;

    fn subscribing() -> TogglingClient {
        let others = Ledger::new(TopicAssignment::single_topic(0));
        let mut client = TogglingClient::new(Arc::default(), others, Clock::new());
        client.enter(SubscriptionStage::Subscribing);
        client
    }

    fn deliver(client: &mut TogglingClient, sequences: &[u32]) {
        for &sequence in sequences {
            let stamp = Stamp {
                topic: 0,
                sequence,
                due_us: 0,
            };
            client.delivery(TOGGLING_CONNECTION, stamp, 0);
        }
    }

    /// Delivers to a subscription whose reply was read after ten publications had started.
    fn subscribed(sequences: &[u32]) -> (bool, ToggleViolations) {
        let mut client = subscribing();
        client.progress.started.store(10, Ordering::Release);
        client.reply(TOGGLING_CONNECTION, br#"{"id":2,"subscribe":{}}"#);
        deliver(&mut client, sequences);
        (client.has_delivery(), client.violations)
    }

    #[test]
    fn publications_after_the_reply_are_required_and_earlier_ones_allowed() {
        let clean = ToggleViolations::default;
        assert_eq!(subscribed(&[]), (false, clean()));
        assert_eq!(subscribed(&[10]), (false, clean()));
        assert_eq!(subscribed(&[11, 12]), (true, clean()));
        assert_eq!(subscribed(&[8, 9, 10, 11]), (true, clean()));
    }

    #[test]
    fn gaps_and_repeats_are_detected() {
        let missing = |missing| ToggleViolations {
            missing,
            ..ToggleViolations::default()
        };
        assert_eq!(subscribed(&[12]).1, missing(1));
        assert_eq!(subscribed(&[11, 14]).1, missing(2));
        assert_eq!(subscribed(&[8, 10]).1, missing(1));
        assert_eq!(
            subscribed(&[11, 11]).1,
            ToggleViolations {
                repeated: 1,
                ..ToggleViolations::default()
            }
        );
    }

    #[test]
    fn deliveries_outside_of_a_subscription_are_detected() {
        let mut client = subscribing();
        deliver(&mut client, &[1]);
        client.reply(TOGGLING_CONNECTION, br#"{"id":2,"subscribe":{}}"#);
        deliver(&mut client, &[2]);
        client.enter(SubscriptionStage::Unsubscribing);
        deliver(&mut client, &[3]);
        assert_eq!(client.violations.outside, 1);
        client.reply(TOGGLING_CONNECTION, br#"{"id":3,"unsubscribe":{}}"#);
        deliver(&mut client, &[4]);
        assert_eq!(client.violations.outside, 2);
        client.reply(TOGGLING_CONNECTION, br#"{"id":4,"error":{"code":103}}"#);
        assert_eq!(client.violations.errors, 1);
    }
}
