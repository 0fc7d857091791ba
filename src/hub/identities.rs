//! The users of the connections of one shard, and when connections and subscriptions expire. Shard
//! core.
//!
//! Only connections with a user, with information about the user or with something that expires
//! have an entry, so that other connections cost no memory.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};

use super::connection_id::ConnectionId;

/// A time that is never reached.
pub(super) const NEVER_US: u64 = u64::MAX;

/// The record of one subscription.
#[derive(Debug)]
struct SubscriptionRecord {
    topic: Box<str>,
    /// When the subscription ends, in microseconds, or [`NEVER_US`].
    ends_us: u64,
    /// Information about the user in this topic for others, as JSON.
    info: Option<Box<[u8]>>,
}

/// The client of one connection. Small, because every connection with a token has one.
#[derive(Debug, Default)]
struct Identity {
    user: Box<str>,
    /// Information about the user for others, as JSON.
    info: Option<Box<[u8]>>,
    /// When the connection is closed, in microseconds, or [`NEVER_US`].
    ends_us: u64,
    /// The subscriptions that end or have information. Boxed: most clients have none.
    #[allow(clippy::box_collection)]
    subscriptions: Option<Box<Vec<SubscriptionRecord>>>,
}

impl Identity {
    /// Returns the time of its entry in the list of expiries.
    fn next_us(&self) -> u64 {
        let subscriptions = self.subscriptions.iter().flat_map(|list| list.iter());
        let first = subscriptions.map(|record| record.ends_us).min();
        self.ends_us.min(first.unwrap_or(NEVER_US))
    }
}

/// A grant that has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    Connection,
    /// The subscription to this topic.
    Subscription(Box<str>),
}

/// The identities of one shard, and what expires next.
#[derive(Debug, Default)]
pub(super) struct Identities {
    by_connection: HashMap<ConnectionId, Box<Identity>>,
    /// One entry for each identity with something that expires: its earliest time.
    expiries: BTreeSet<(u64, u64)>,
}

impl Identities {
    /// Records who a client is and when its connection is closed.
    pub(super) fn set(
        &mut self,
        id: ConnectionId,
        user: &str,
        info: Option<Box<[u8]>>,
        ends_us: u64,
    ) {
        if user.is_empty() && info.is_none() && ends_us == NEVER_US {
            return;
        }
        self.change(id, |identity| {
            identity.user = user.into();
            identity.info = info;
            identity.ends_us = ends_us;
        });
    }

    /// Records when the connection of a client is closed.
    pub(super) fn set_end(&mut self, id: ConnectionId, ends_us: u64) {
        if ends_us != NEVER_US || self.by_connection.contains_key(&id) {
            self.change(id, |identity| identity.ends_us = ends_us);
        }
    }

    /// Records new information about the user of a connection.
    pub(super) fn set_info(&mut self, id: ConnectionId, info: Box<[u8]>) {
        self.change(id, |identity| identity.info = Some(info));
    }

    /// Records when a subscription ends, and the information about the user in its topic.
    pub(super) fn set_subscription(
        &mut self,
        id: ConnectionId,
        topic: &str,
        ends_us: u64,
        info: Option<Box<[u8]>>,
    ) {
        let is_recorded = ends_us != NEVER_US || info.is_some();
        if !is_recorded && !self.by_connection.contains_key(&id) {
            return;
        }
        self.change(id, |identity| {
            let mut list = identity.subscriptions.take().unwrap_or_default();
            list.retain(|record| *record.topic != *topic);
            if is_recorded {
                list.push(SubscriptionRecord {
                    topic: topic.into(),
                    ends_us,
                    info,
                });
            }
            identity.subscriptions = (!list.is_empty()).then_some(list);
        });
    }

    /// Records when a subscription ends, and keeps the information about the user in its topic.
    pub(super) fn set_subscription_end(&mut self, id: ConnectionId, topic: &str, ends_us: u64) {
        let info = self.subscription_info(id, topic).map(Into::into);
        self.set_subscription(id, topic, ends_us, info);
    }

    /// Forgets what is recorded of a subscription.
    pub(super) fn forget_subscription(&mut self, id: ConnectionId, topic: &str) {
        self.set_subscription(id, topic, NEVER_US, None);
    }

    /// Forgets the client of a connection. Returns its user, if there is a record of the client.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<str>> {
        if self.by_connection.is_empty() {
            return None;
        }
        let identity = self.by_connection.remove(&id)?;
        self.expiries.remove(&(identity.next_us(), id.to_bits()));
        if self.by_connection.is_empty() {
            self.by_connection = HashMap::new();
        }
        Some(identity.user)
    }

    /// Keeps all connections and subscriptions for ever.
    pub(super) fn never_expire(&mut self) {
        self.expiries.clear();
        for identity in self.by_connection.values_mut() {
            identity.ends_us = NEVER_US;
            for record in identity
                .subscriptions
                .iter_mut()
                .flat_map(|list| list.iter_mut())
            {
                record.ends_us = NEVER_US;
            }
        }
    }

    /// Returns the user of a connection. `""` is the anonymous user.
    pub(super) fn user(&self, id: ConnectionId) -> &str {
        self.by_connection
            .get(&id)
            .map_or("", |identity| &identity.user)
    }

    /// Returns the information about the user of a connection.
    pub(super) fn info(&self, id: ConnectionId) -> Option<&[u8]> {
        self.by_connection.get(&id)?.info.as_deref()
    }

    /// Returns the information about the user of a connection in a topic.
    pub(super) fn subscription_info(&self, id: ConnectionId, topic: &str) -> Option<&[u8]> {
        let list = self.by_connection.get(&id)?.subscriptions.as_ref()?;
        let record = list.iter().find(|record| *record.topic == *topic)?;
        record.info.as_deref()
    }

    /// Returns when something expires next.
    pub(super) fn deadline_us(&self) -> Option<u64> {
        self.expiries.first().map(|(due_us, _)| *due_us)
    }

    /// Returns the next connection of which something has expired. The caller closes the connection
    /// or ends the subscription, which removes the record.
    pub(super) fn expired(&self, now_us: u64) -> Option<(ConnectionId, Expired)> {
        let (due_us, bits) = *self.expiries.first()?;
        if due_us > now_us {
            return None;
        }
        let id = ConnectionId::from_bits(bits);
        let identity = self.by_connection.get(&id)?;
        if identity.ends_us <= now_us {
            return Some((id, Expired::Connection));
        }
        let mut list = identity.subscriptions.iter().flat_map(|list| list.iter());
        let record = list.find(|record| record.ends_us <= now_us)?;
        Some((id, Expired::Subscription(record.topic.clone())))
    }

    /// Changes an identity and moves its entry in the list of expiries.
    fn change(&mut self, id: ConnectionId, change: impl FnOnce(&mut Identity)) {
        let bits = id.to_bits();
        let identity = self.by_connection.entry(id).or_insert_with(|| {
            Box::new(Identity {
                ends_us: NEVER_US,
                ..Identity::default()
            })
        });
        self.expiries.remove(&(identity.next_us(), bits));
        change(identity);
        let next_us = identity.next_us();
        if next_us != NEVER_US {
            self.expiries.insert((next_us, bits));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> ConnectionId {
        ConnectionId::from_bits(number)
    }

    #[test]
    fn a_client_without_identity_has_no_entry() {
        let mut identities = Identities::default();
        identities.set(id(1), "", None, NEVER_US);
        identities.set_end(id(1), NEVER_US);
        identities.set_subscription_end(id(1), "a", NEVER_US);
        assert!(identities.by_connection.is_empty());
        assert_eq!(identities.user(id(1)), "");
        assert_eq!(identities.deadline_us(), None);
    }

    #[test]
    fn information_about_a_subscription_stays_until_the_subscription_ends() {
        let mut identities = Identities::default();
        identities.set(id(1), "ann", Some((*b"1").into()), NEVER_US);
        identities.set_subscription(id(1), "a", NEVER_US, Some((*b"2").into()));
        identities.set_subscription_end(id(1), "a", 100);
        assert_eq!(identities.deadline_us(), Some(100));
        identities.never_expire();
        assert_eq!(identities.deadline_us(), None);
        assert_eq!(identities.subscription_info(id(1), "a"), Some(&b"2"[..]));
        assert_eq!(identities.subscription_info(id(1), "b"), None);
        identities.forget_subscription(id(1), "a");
        assert_eq!(identities.subscription_info(id(1), "a"), None);
    }

    #[test]
    fn the_earliest_end_is_next() {
        let mut identities = Identities::default();
        identities.set(id(1), "ann", None, 500);
        identities.set(id(2), "bob", None, 300);
        identities.set_subscription_end(id(1), "a", 200);
        identities.set_subscription_end(id(1), "b", 400);
        assert_eq!(identities.deadline_us(), Some(200));
        assert_eq!(identities.expired(199), None);
        let subscription = Expired::Subscription("a".into());
        assert_eq!(identities.expired(200), Some((id(1), subscription)));
        // A refresh of the subscription, and of the other connection.
        identities.set_subscription_end(id(1), "a", 900);
        identities.set_end(id(2), 1_000);
        assert_eq!(identities.deadline_us(), Some(400));
        identities.set_subscription_end(id(1), "b", NEVER_US);
        assert_eq!(identities.expired(500), Some((id(1), Expired::Connection)));
        identities.remove(id(1));
        assert_eq!(identities.deadline_us(), Some(1_000));
        assert_eq!(identities.user(id(2)), "bob");
        identities.remove(id(2));
        assert!(identities.expiries.is_empty());
    }
}
