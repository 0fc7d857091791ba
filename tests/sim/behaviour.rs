//! Random behaviour of clients and publishers, for both simulations.

use fastrand::Rng;

use fanfare::config::{Config, SlowPolicy};

use crate::client::{Client, Kind, TOPICS};
use crate::upstream::{config, namespace};
use crate::wire;

/// Bytes of the largest body of a publication.
pub const LARGEST_BODY: usize = 20_000;

/// Returns a configuration with bounds that are reached.
pub fn random_config(random: &mut Rng) -> Config {
    let mut config = config();
    config.ws.outbox = [500, 2_000, 8_000, 60_000][random.usize(..4)];
    config.ws.deflate.threshold = [0, 256][random.usize(..2)];
    config.ws.max_command_rate = [10, 100_000][random.usize(..2)];
    config.namespaces = vec![
        namespace("", SlowPolicy::Disconnect),
        namespace("old", SlowPolicy::DropOldest),
        namespace("latest", SlowPolicy::Conflate),
    ];
    config
}

/// Changes the rules for compression. Agreements with clients stay in force.
pub fn change_config(config: &mut Config, random: &mut Rng) {
    let deflate = &mut config.ws.deflate;
    deflate.enabled = random.u32(..4) > 0;
    deflate.level = [1, 1, 6][random.usize(..3)];
    deflate.threshold = [0, 256, 2_000][random.usize(..3)];
}

/// Returns a client of a random kind.
pub fn random_client(random: &mut Rng) -> Client {
    let kind = match random.u32(..20) {
        0 => Kind::Health,
        1 => Kind::Silent,
        2..6 => Kind::Raw,
        _ => Kind::Protocol,
    };
    let offer = ["", "", wire::OFFER_FULL, wire::OFFER_NARROW][random.usize(..4)];
    Client::new(kind, &some_topics(random), offer)
}

/// Returns the size of a send buffer; small ones are filled often.
pub fn random_capacity(random: &mut Rng) -> usize {
    let most = [1, 100, 1_000, 100_000][random.usize(..4)];
    random.usize(1..=most)
}

/// Lets a client send something. Returns a description for the log.
pub fn act(client: &mut Client, random: &mut Rng) -> String {
    let topics = some_topics(random);
    let choice = random.u32(..100);
    match choice {
        0 => client.send_unanswered(&wire::close_frame(1000)),
        1 => client.send_unanswered(&wire::client_frame(wire::CLOSE, b"")),
        2 => client.send_unanswered(b"\x81\x00 unmasked"),
        3 => client.send_unanswered(&wire::text_frame("nonsense")),
        4..20 => client.ping(&[b'p'; 40][..choice as usize]),
        _ if client.kind == Kind::Protocol => client.toggle(&topics),
        _ => client.send_unanswered(&wire::client_frame(wire::PONG, b"unasked")),
    }
    format!("acts, {choice} {topics:?}")
}

pub fn some_topics(random: &mut Rng) -> Vec<usize> {
    let count = random.usize(1..4);
    let mut topics = (0..TOPICS.len()).collect::<Vec<_>>();
    random.shuffle(&mut topics);
    topics.truncate(count);
    topics
}

/// Makes the bodies of publications, each different from all others.
pub struct Bodies {
    published: u64,
    /// Letters that do not compress, twice as many as the largest body has.
    noise: String,
}

impl Bodies {
    pub fn new(random: &mut Rng) -> Self {
        let noise = (0..2 * LARGEST_BODY).map(|_| random.alphanumeric());
        Self {
            published: 0,
            noise: noise.collect(),
        }
    }

    /// Returns the bodies of one broadcast, together no larger than the largest body.
    pub fn make(&mut self, joins: bool, random: &mut Rng) -> Vec<String> {
        let (most, count) = match random.u32(..40) {
            0 => (LARGEST_BODY - 100, 1),
            1..4 => (1_000, 3),
            4..16 => (100, 4),
            _ => (100, 1),
        };
        let count = if joins { count } else { 1 };
        let bodies = (0..count).map(|_| {
            self.published += 1;
            let bytes = random.usize(..most);
            // Some compress well, some not at all.
            let padding = if random.bool() {
                "x".repeat(bytes)
            } else {
                let from = random.usize(..LARGEST_BODY);
                self.noise[from..from + bytes].to_owned()
            };
            format!(r#"{{"n":{},"p":"{padding}"}}"#, self.published)
        });
        bodies.collect()
    }
}
