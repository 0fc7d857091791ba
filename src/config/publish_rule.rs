//! One entry of `ingest.publish_allow`: which publishers may publish to which topics. Parsed when
//! the configuration is read, used by the ingest thread.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Some publishers, and the topics that they may publish to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishRule {
    publishers: Publishers,
    topics: TopicPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Publishers {
    All,
    /// Those on a Unix socket.
    Ipc,
    Network(IpNet),
    /// Those with this user of `ingest.plain`.
    User(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TopicPattern {
    Exact(String),
    Prefix(String),
}

impl PublishRule {
    /// Parses a rule. The error completes the sentence "the rule ...".
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (publishers, topics) = text
            .split_once('=')
            .ok_or("has no `=` between publishers and topics, as in `user:ann=orders:*`")?;
        Ok(Self {
            publishers: Publishers::parse(publishers.trim())?,
            topics: TopicPattern::parse(topics.trim())?,
        })
    }

    /// Returns the user that the rule names.
    pub fn user(&self) -> Option<&str> {
        match &self.publishers {
            Publishers::User(user) => Some(user),
            Publishers::All | Publishers::Ipc | Publishers::Network(_) => None,
        }
    }

    /// Returns whether the rule is about a publisher with this user, if it has one, and this
    /// address. `None` as the address stands for a Unix socket.
    pub fn is_about(&self, user: Option<&str>, peer: Option<IpAddr>) -> bool {
        match &self.publishers {
            Publishers::All => true,
            Publishers::Ipc => peer.is_none(),
            Publishers::Network(network) => peer.is_some_and(|peer| network.contains(&peer)),
            Publishers::User(name) => user == Some(name.as_str()),
        }
    }

    /// Returns whether the topics of the rule include this one.
    pub fn includes(&self, topic: &[u8]) -> bool {
        match &self.topics {
            TopicPattern::Exact(name) => topic == name.as_bytes(),
            TopicPattern::Prefix(prefix) => topic.starts_with(prefix.as_bytes()),
        }
    }
}

impl Publishers {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "*" => return Ok(Self::All),
            "ipc" => return Ok(Self::Ipc),
            _ => {}
        }
        if let Some(user) = text.strip_prefix("user:") {
            return if user.is_empty() {
                Err("names no user after `user:`")
            } else {
                Ok(Self::User(user.into()))
            };
        }
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network = text.parse().or_else(|_| address());
        network.map(Self::Network).map_err(
            |_| "must begin with `user:NAME`, a network such as `10.0.0.0/8`, `ipc` or `*`",
        )
    }
}

impl TopicPattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("names no topic after `=`; `*` stands for every topic");
        }
        Ok(match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.into()),
            None => Self::Exact(text.into()),
        })
    }
}

impl fmt::Display for PublishRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.publishers {
            Publishers::All => out.write_str("*"),
            Publishers::Ipc => out.write_str("ipc"),
            Publishers::Network(network) => write!(out, "{network}"),
            Publishers::User(user) => write!(out, "user:{user}"),
        }?;
        match &self.topics {
            TopicPattern::Exact(name) => write!(out, "={name}"),
            TopicPattern::Prefix(prefix) => write!(out, "={prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> PublishRule {
        PublishRule::parse(text).expect("the rule is valid")
    }

    #[test]
    fn a_rule_is_about_users_networks_sockets_or_everyone() {
        let ip = |text: &str| Some(text.parse().expect("an address"));
        let is_about = |text, user, peer| rule(text).is_about(user, peer);
        assert!(is_about("user:ann=*", Some("ann"), None));
        assert!(!is_about("user:ann=*", Some("Ann"), ip("10.0.0.1")));
        assert!(!is_about("user:ann=*", None, ip("10.0.0.1")));
        assert!(is_about("10.0.0.0/8=*", None, ip("10.1.2.3")));
        assert!(is_about("10.0.0.1=*", Some("ann"), ip("10.0.0.1")));
        assert!(!is_about("10.0.0.0/8=*", None, ip("11.0.0.1")));
        assert!(!is_about("0.0.0.0/0=*", Some("ann"), None));
        assert!(is_about("::1 = *", None, ip("::1")));
        assert!(is_about("ipc=*", None, None) && !is_about("ipc=*", None, ip("::1")));
        assert!(is_about("*=*", None, None) && is_about("*=*", Some("a"), ip("::1")));
    }

    #[test]
    fn topics_are_a_name_or_a_prefix_that_ends_with_a_star() {
        let includes = |text, topic: &str| rule(text).includes(topic.as_bytes());
        assert!(includes("*=orders:*", "orders:1") && includes("*=orders:*", "orders:"));
        assert!(!includes("*=orders:*", "orders") && !includes("*=orders:*", "$orders:1"));
        assert!(includes("*=news", "news") && !includes("*=news", "news2"));
        assert!(includes("*=*", "") && includes("*=*", "anything"));
        assert!(
            includes("*=a=b", "a=b"),
            "the first `=` ends the publishers"
        );
        assert!(includes("*=a**", "a*b") && !includes("*=a**", "ab"));
    }

    #[test]
    fn malformed_rules_have_a_reason() {
        for (text, words) in [
            ("orders:*", "has no `=`"),
            ("ann=orders:*", "must begin with `user:NAME`"),
            ("10.0.0.0/33=*", "must begin with"),
            ("=*", "must begin with"),
            ("user:=*", "names no user"),
            ("user:ann=", "names no topic"),
            ("user:ann= ", "names no topic"),
        ] {
            let error = PublishRule::parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        for text in ["user:a b=x:*", "10.0.0.0/8=*", "ipc=news", "*=$orders:*"] {
            assert_eq!(rule(text).to_string(), text);
        }
    }
}
