//! Test doubles and fixtures for a hub: an upstream that records its calls, broadcasts whose
//! payloads are sent unchanged, and a configuration to vary.

use std::cell::{Ref, RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use fanfare::config::{Config, Namespace, PayloadKind, SlowPolicy};
use fanfare::delivery::{Broadcast, CODECS, Codec, Joined, NamespaceRules, TopicHasher};
use fanfare::hub::{SocketAdmission, Upstream, UserAdmission};
use fanfare::observe::Health;

/// The calls that an upstream has received, and the results that it returns.
#[derive(Debug)]
pub struct UpstreamState {
    /// Hashes of the topics that the hub wants.
    pub wanted_hashes: BTreeSet<u64>,
    /// Number of connections that receive each codec.
    pub connections_by_codec: [i64; CODECS],
    /// Number of sockets admitted, and number of those that have left.
    pub admitted: u64,
    pub left: u64,
    /// Number of sockets at which further sockets get no upgrade.
    pub max_connections: u64,
    /// Number of sockets at which further sockets are refused.
    pub max_sockets: u64,
    pub health: Health,
    /// Connections of each user that were admitted and have not left, if there is a limit.
    pub users: BTreeMap<String, usize>,
    /// Maximum number of connections of a user.
    pub user_limit: Option<usize>,
}

/// An upstream that records its calls. Clones share one state.
#[derive(Clone)]
pub struct RecordingUpstream(Rc<RefCell<UpstreamState>>);

impl RecordingUpstream {
    pub fn state(&self) -> Ref<'_, UpstreamState> {
        self.0.borrow()
    }

    pub fn state_mut(&self) -> RefMut<'_, UpstreamState> {
        self.0.borrow_mut()
    }
}

impl Default for RecordingUpstream {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(UpstreamState {
            wanted_hashes: BTreeSet::new(),
            connections_by_codec: [0; CODECS],
            admitted: 0,
            left: 0,
            max_connections: u64::MAX,
            max_sockets: u64::MAX,
            health: Health::Ok,
            users: BTreeMap::new(),
            user_limit: None,
        })))
    }
}

impl Upstream for RecordingUpstream {
    fn admit(&self) -> SocketAdmission {
        let mut state = self.state_mut();
        let sockets = state.admitted - state.left;
        if sockets >= state.max_sockets {
            return SocketAdmission::Refused;
        }
        state.admitted += 1;
        if sockets < state.max_connections {
            SocketAdmission::Admitted
        } else {
            SocketAdmission::OverLimit
        }
    }

    fn leave(&self) {
        self.state_mut().left += 1;
    }

    fn enter_user(&self, user: &str) -> UserAdmission {
        assert!(!user.is_empty(), "anonymous clients are not counted");
        let mut state = self.state_mut();
        let Some(limit) = state.user_limit else {
            return UserAdmission::Admitted;
        };
        let count = state.users.entry(user.into()).or_default();
        if *count >= limit {
            return UserAdmission::OverLimit;
        }
        *count += 1;
        UserAdmission::Admitted
    }

    fn leave_user(&self, user: &str) {
        let mut state = self.state_mut();
        if state.user_limit.is_none() {
            return;
        }
        let count = state.users.get_mut(user).expect("the user was admitted");
        *count -= 1;
        if *count == 0 {
            state.users.remove(user);
        }
    }

    fn want(&mut self, topic_hash: u64, wanted: bool) {
        let hashes = &mut self.state_mut().wanted_hashes;
        let is_changed = if wanted {
            hashes.insert(topic_hash)
        } else {
            hashes.remove(&topic_hash)
        };
        assert!(is_changed, "interest is set once and cleared once");
    }

    fn add_codec(&self, codec: Codec) {
        self.state_mut().connections_by_codec[codec as usize] += 1;
    }

    fn remove_codec(&self, codec: Codec) {
        let count = &mut self.state_mut().connections_by_codec[codec as usize];
        *count -= 1;
        assert!(
            *count >= 0,
            "a codec is removed once per connection that added it"
        );
    }

    fn health(&self) -> Health {
        self.state().health.clone()
    }
}

/// The rules of a namespace with JSON payloads, compression and joined publications.
pub const JSON_RULES: NamespaceRules = NamespaceRules {
    payload_kind: PayloadKind::Json,
    may_deflate: true,
    may_join: true,
};

/// Returns a broadcast of several publications of one topic.
pub fn joined_broadcast(
    hasher: &TopicHasher,
    topic: &str,
    bodies: &[&str],
    rules: NamespaceRules,
    arrived_us: u64,
) -> Broadcast {
    let (first, others) = bodies.split_first().expect("at least one publication");
    let hash = hasher.hash(topic);
    let mut broadcast = Broadcast::new(topic, hash, first.as_bytes(), None, rules, arrived_us);
    for body in others {
        assert_eq!(
            broadcast.join(body.as_bytes(), None, usize::MAX),
            Joined::Added
        );
    }
    broadcast
}

/// Returns the push that a client of the client protocol receives for a publication.
pub fn push(topic: &str, body: &str) -> String {
    format!(r#"{{"push":{{"channel":"{topic}","pub":{{"data":{body}}}}}}}"#)
}

/// Returns a namespace `name:…` with JSON payloads.
pub fn namespace(name: &str, slow: SlowPolicy) -> Namespace {
    Namespace {
        name: name.into(),
        payload: PayloadKind::Json,
        slow,
        ..Config::default().namespaces[0].clone()
    }
}

/// Returns the documented defaults.
pub fn config() -> Config {
    Config::default()
}
