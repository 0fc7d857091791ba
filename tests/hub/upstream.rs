//! What stands around a hub under test: an upstream that writes down what it is asked, publications
//! with bodies as they are, and a configuration to vary.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use fanfare::config::{Config, Namespace, PayloadKind, SlowPolicy};
use fanfare::delivery::{Broadcast, CODECS, Codec, NamespaceRules, TopicHasher};
use fanfare::hub::{SocketAdmission, Upstream};
use fanfare::observe::Health;

/// What the hub asked for, and what it is answered.
#[derive(Debug)]
pub struct Asked {
    /// Topics wanted, by hash.
    pub wanted: BTreeMap<u64, i64>,
    /// Connections that take each codec.
    pub codecs: [i64; CODECS],
    pub admits: u64,
    pub leaves: u64,
    /// Sockets from which on no upgrade is answered, and none is even taken.
    pub limit: u64,
    pub ceiling: u64,
    pub health: Health,
}

/// A shared view of [`Asked`].
#[derive(Clone)]
pub struct FakeUpstream(pub Rc<RefCell<Asked>>);

impl Default for FakeUpstream {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(Asked {
            wanted: BTreeMap::new(),
            codecs: [0; CODECS],
            admits: 0,
            leaves: 0,
            limit: u64::MAX,
            ceiling: u64::MAX,
            health: Health::Ok,
        })))
    }
}

impl Upstream for FakeUpstream {
    fn admit(&self) -> SocketAdmission {
        let mut asked = self.0.borrow_mut();
        let inside = asked.admits - asked.leaves;
        if inside >= asked.ceiling {
            return SocketAdmission::Refused;
        }
        asked.admits += 1;
        if inside < asked.limit {
            SocketAdmission::Admitted
        } else {
            SocketAdmission::OverLimit
        }
    }

    fn leave(&self) {
        self.0.borrow_mut().leaves += 1;
    }

    fn want(&mut self, topic_hash: u64, wanted: bool) {
        let mut asked = self.0.borrow_mut();
        let count = asked.wanted.entry(topic_hash).or_default();
        *count += if wanted { 1 } else { -1 };
        assert!(
            (0..=1).contains(count),
            "interest is set once and cleared once"
        );
        if *count == 0 {
            asked.wanted.remove(&topic_hash);
        }
    }

    fn add_codec(&self, codec: Codec) {
        self.0.borrow_mut().codecs[codec as usize] += 1;
    }

    fn remove_codec(&self, codec: Codec) {
        let count = &mut self.0.borrow_mut().codecs[codec as usize];
        *count -= 1;
        assert!(
            *count >= 0,
            "a codec is removed once per connection that added it"
        );
    }

    fn health(&self) -> Health {
        self.0.borrow().health.clone()
    }
}

/// JSON that may be compressed, and share a broadcast.
pub const RULES: NamespaceRules = NamespaceRules {
    kind: PayloadKind::Json,
    deflates: true,
    joins: true,
};

/// A publication whose body is JSON.
pub fn message(hasher: &TopicHasher, topic: &str, body: &str, arrived_us: u64) -> Broadcast {
    joined(hasher, topic, &[body], RULES, arrived_us)
}

/// Publications that share a broadcast.
pub fn joined(
    hasher: &TopicHasher,
    topic: &str,
    bodies: &[&str],
    rules: NamespaceRules,
    arrived_us: u64,
) -> Broadcast {
    let (first, others) = bodies.split_first().expect("at least one");
    let hash = hasher.hash(topic);
    let mut broadcast = Broadcast::new(topic, hash, first.as_bytes(), rules, arrived_us);
    for body in others {
        assert!(broadcast.join(body.as_bytes(), usize::MAX), "{topic} joins");
    }
    broadcast
}

/// What a client of the protocol gets for a publication.
pub fn push(topic: &str, body: &str) -> String {
    format!(r#"{{"push":{{"channel":"{topic}","pub":{{"data":{body}}}}}}}"#)
}

/// A namespace `name:…` of JSON payloads.
pub fn namespace(name: &str, slow: SlowPolicy) -> Namespace {
    Namespace {
        name: name.into(),
        payload: PayloadKind::Json,
        slow,
        publish: false,
        deflate: true,
    }
}

/// The documented defaults, to vary.
pub fn config() -> Config {
    Config::default()
}
