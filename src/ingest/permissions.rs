//! Which topics a publisher may publish to: `ingest.publish_allow`. Ingest thread.
//!
//! The rules for a publisher are found once, when libzmq asks whether its connection is admitted.
//! The answer names the group of publishers with the same rules as the user id of the connection,
//! and libzmq attaches it to every message. The address of a message would not do: a peer can add a
//! property of that name to its messages if libzmq does not know the address.

use std::net::IpAddr;

use crate::config::{IngestConfig, PublishRule};
use crate::fabric::Rejection;

/// The rules, and the groups of publishers that are known.
pub(super) struct Permissions {
    rules: Vec<PublishRule>,
    /// The indexes of the rules for each group. There are no more groups than combinations of the
    /// configured users and networks.
    groups: Vec<Vec<usize>>,
}

/// The publishers with the same rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Group(usize);

impl Permissions {
    /// Returns `None` if the configuration lets every publisher publish to every topic.
    pub(super) fn new(ingest: &IngestConfig) -> Option<Self> {
        let rules = ingest.publish_allow.clone();
        (!rules.is_empty()).then(|| Self {
            rules,
            groups: Vec::new(),
        })
    }

    /// Returns the group of a publisher that is admitted. `peer` is `None` on an `ipc://` endpoint.
    pub(super) fn group_of(&mut self, user: Option<&str>, peer: Option<IpAddr>) -> Group {
        let rules = self.rules.iter().enumerate();
        let about = rules.filter(|(_, rule)| rule.is_about(user, peer));
        let about: Vec<_> = about.map(|(index, _)| index).collect();
        let known = self.groups.iter().position(|group| *group == about);
        Group(known.unwrap_or_else(|| {
            self.groups.push(about);
            self.groups.len() - 1
        }))
    }

    /// Checks that the publisher of a message may publish to its topic. A publisher without a group
    /// may publish to none.
    pub(super) fn check<P: AsRef<[u8]>>(
        &self,
        group: Option<Group>,
        parts: &[P],
    ) -> Result<(), Rejection> {
        let ([topic, _] | [topic, _, _]) = parts else {
            return Ok(()); // It is rejected for the number of its parts.
        };
        let rules = group.and_then(|group| self.groups.get(group.0));
        let mut rules = rules.into_iter().flatten();
        if rules.any(|index| self.rules[*index].includes(topic.as_ref())) {
            return Ok(());
        }
        Err(Rejection::NotAllowed)
    }
}

impl Group {
    /// Returns the user id for libzmq: the group, and the user for the log.
    pub(super) fn with_user(self, user: Option<&str>) -> String {
        format!("{} {}", self.0, user.unwrap_or_default())
    }

    /// Parses a user id.
    pub(super) fn parse(user_id: &str) -> Option<(Self, Option<&str>)> {
        let (group, user) = user_id.split_once(' ')?;
        let user = Some(user).filter(|user| !user.is_empty());
        Some((Self(group.parse().ok()?), user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(rules: &[&str]) -> Permissions {
        let rules = rules.iter().map(|rule| PublishRule::parse(rule).unwrap());
        let ingest = IngestConfig {
            publish_allow: rules.collect(),
            ..IngestConfig::default()
        };
        Permissions::new(&ingest).expect("there are rules")
    }

    #[test]
    fn without_rules_there_is_nothing_to_check() {
        assert!(Permissions::new(&IngestConfig::default()).is_none());
    }

    #[test]
    fn every_rule_for_a_publisher_adds_topics() {
        let mut all = permissions(&["user:ann=orders:*", "10.0.0.0/8=prices:*", "*=news"]);
        let address = |text: &str| Some(text.parse().expect("an address"));
        let ann = all.group_of(Some("ann"), address("10.1.1.1"));
        let bob = all.group_of(Some("bob"), address("10.1.1.1"));
        let far = all.group_of(Some("ann"), address("192.0.2.1"));
        let ipc = all.group_of(None, None);
        let may = |group, topic: &str| all.check(Some(group), &[topic, "1"]).is_ok();
        for (group, topics) in [
            (ann, [true, true, true]),
            (bob, [false, true, true]),
            (far, [true, false, true]),
            (ipc, [false, false, true]),
        ] {
            let found = ["orders:1", "prices:1", "news"].map(|topic| may(group, topic));
            assert_eq!(found, topics, "{group:?}");
        }
        assert!(!may(ann, "other") && !may(ann, ""));
        let unknown = all.check(None, &["news", "1"]);
        assert_eq!(unknown, Err(Rejection::NotAllowed));
        assert_eq!(
            all.check(Some(Group(9)), &["news", "1"]),
            Err(Rejection::NotAllowed)
        );
    }

    #[test]
    fn publishers_with_the_same_rules_share_a_group() {
        let mut all = permissions(&["10.0.0.0/8=*"]);
        let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let first = all.group_of(None, address(1));
        for last in 2..=255 {
            assert_eq!(all.group_of(Some("ann"), address(last)), first);
        }
        assert_ne!(all.group_of(None, None), first);
        assert_eq!(all.groups.len(), 2);
    }

    #[test]
    fn a_user_id_has_the_group_and_the_user() {
        for user in [None, Some("ann"), Some("ann b")] {
            let text = Group(12).with_user(user);
            assert_eq!(Group::parse(&text), Some((Group(12), user)));
        }
        for text in ["", "12", "ann", "x ann", "-1 ann", "99999999999999999999 a"] {
            assert_eq!(Group::parse(text), None, "{text}");
        }
    }
}
