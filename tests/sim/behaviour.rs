//! The random behaviour of clients and publishers, in both simulations.

use fastrand::Rng;

use fanfare::config::{Config, HttpUrl, SlowPolicy};

use crate::client::{Client, Kind, TOPICS};
use crate::upstream::{config, namespace};
use crate::wire;

/// The size of the largest body of a publication, in bytes.
pub const MAX_BODY_BYTES: usize = 20_000;

/// Returns a random configuration with bounds that are low enough to be reached.
pub fn random_config(random: &mut Rng) -> Config {
    let mut config = config();
    config.ws.outbox = [500, 2_000, 8_000, 60_000][random.usize(..4)];
    config.ws.deflate.threshold = [0, 256][random.usize(..2)];
    config.ws.max_command_rate = [10, 100_000][random.usize(..2)];
    config.ws.max_receive_rate = [300, 4 * 1024 * 1024][random.usize(..2)];
    config.namespaces = vec![
        namespace("", SlowPolicy::Disconnect),
        namespace("old", SlowPolicy::DropOldest),
        namespace("latest", SlowPolicy::Conflate),
    ];
    config
}

/// Lets a hook decide who may connect, and allows everything else.
pub fn add_connect_hook(config: &mut Config) {
    let url = HttpUrl::parse("http://127.0.0.1:1/").expect("it is a URL");
    config.auth.hooks.connect.endpoint = Some(url);
    // Raw connections ask no hook.
    config.auth.allow_anonymous = true;
    for namespace in &mut config.namespaces {
        namespace.allow_subscribe_for_client = true;
        namespace.allow_subscribe_for_anonymous = true;
        namespace.allow_publish_for_client = true;
        namespace.allow_publish_for_anonymous = true;
    }
}

/// Changes the rules for compression. The parameters that were agreed with a client stay in force.
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
        6..10 => Kind::Protobuf,
        _ => Kind::Json,
    };
    let offer = ["", "", wire::OFFER_FULL, wire::OFFER_NARROW][random.usize(..4)];
    Client::new(kind, &some_topics(random), offer)
}

/// Returns a random size of a send buffer, in bytes. Most buffers are small, so that they are often
/// full.
pub fn random_capacity(random: &mut Rng) -> usize {
    let max_bytes = [1, 100, 1_000, 100_000][random.usize(..4)];
    random.usize(1..=max_bytes)
}

/// Lets a client send a random message. Returns a description of it for the log.
pub fn send_random(client: &mut Client, random: &mut Rng) -> String {
    let topics = some_topics(random);
    let choice = random.u32(..100);
    match choice {
        0 => client.send_unanswered(&wire::close_frame(1000)),
        1 => client.send_unanswered(&wire::client_frame(wire::CLOSE, b"")),
        2 => client.send_unanswered(b"\x81\x00 unmasked"),
        3 => client.send_unanswered(&wire::text_frame("nonsense")),
        4..20 => client.ping(&[b'p'; 40][..choice as usize]),
        _ if client.kind.has_commands() => client.toggle(&topics),
        _ => client.send_unanswered(&wire::client_frame(wire::PONG, b"unasked")),
    }
    format!("sends, {choice} {topics:?}")
}

/// Returns one to three random topics.
pub fn some_topics(random: &mut Rng) -> Vec<usize> {
    let count = random.usize(1..4);
    let mut topics = (0..TOPICS.len()).collect::<Vec<_>>();
    random.shuffle(&mut topics);
    topics.truncate(count);
    topics
}

/// Creates the bodies of publications. No two bodies are equal.
pub struct Bodies {
    published: u64,
    /// Random letters that do not compress, twice as many as the largest body has.
    random_text: String,
}

impl Bodies {
    pub fn new(random: &mut Rng) -> Self {
        let random_text = (0..2 * MAX_BODY_BYTES).map(|_| random.alphanumeric());
        Self {
            published: 0,
            random_text: random_text.collect(),
        }
    }

    /// Returns the bodies of one broadcast. If `may_join` is set, there may be several, which
    /// together are no larger than the largest body.
    pub fn create(&mut self, may_join: bool, random: &mut Rng) -> Vec<String> {
        let (max_bytes, count) = match random.u32(..40) {
            0 => (MAX_BODY_BYTES - 100, 1),
            1..4 => (1_000, 3),
            4..16 => (100, 4),
            _ => (100, 1),
        };
        let count = if may_join { count } else { 1 };
        let bodies = (0..count).map(|_| {
            self.published += 1;
            let bytes = random.usize(..max_bytes);
            // Some bodies compress well, others do not compress.
            let padding = if random.bool() {
                "x".repeat(bytes)
            } else {
                let from = random.usize(..MAX_BODY_BYTES);
                self.random_text[from..from + bytes].to_owned()
            };
            format!(r#"{{"n":{},"p":"{padding}"}}"#, self.published)
        });
        bodies.collect()
    }
}
