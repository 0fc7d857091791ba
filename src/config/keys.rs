//! The registry of configuration keys: what can be set, where it lives in [`Config`], and whether
//! a SIGHUP changes it live. Reading, reloading and docs/CONFIGURATION.md all go by it.

use super::Config;
use super::form::{self, Form, Raw};

/// One key of a section. A section may stand in another: `ws.deflate` does in `ws`.
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What a value looks like.
    pub form: &'static str,
    /// Whether SIGHUP applies a change without a restart.
    pub live: bool,
    /// What it does: one sentence or two, Markdown.
    pub doc: &'static str,
    pub(super) set: fn(&mut Config, &Raw) -> Result<(), String>,
    pub(super) show: fn(&Config) -> String,
    pub(super) copy: fn(&mut Config, &Config),
    pub(super) same: fn(&Config, &Config) -> bool,
}

impl Key {
    /// The table it stands in: `ws.deflate` of `ws.deflate.level`.
    pub(super) fn section(&self) -> &'static str {
        let (section, _) = self.name.rsplit_once('.').expect("keys are section.key");
        section
    }
}

macro_rules! key {
    ($when:ident $section:ident $(.$field:ident)+, $form:ident, $doc:literal) => {
        Key {
            name: concat!(stringify!($section) $(, ".", stringify!($field))+),
            form: form::$form.words,
            live: $when,
            doc: $doc,
            set: |config, raw| {
                config.$section$(.$field)+ = read(&form::$form, raw)?;
                Ok(())
            },
            show: |config| (form::$form.show)(&config.$section$(.$field)+),
            copy: |to, from| to.$section$(.$field)+.clone_from(&from.$section$(.$field)+),
            same: |one, other| one.$section$(.$field)+ == other.$section$(.$field)+,
        }
    };
}

const LIVE: bool = true;
const RESTART: bool = false;

/// Every key, in the order of the documentation.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key!(RESTART ws.listen, ADDRESS, "Where WebSocket clients connect; it serves `GET /health` too."),
    key!(LIVE ws.origins, TEXTS, "Origins whose pages may connect, such as `https://example.com`, or `https://*.example.com` for every host below. Empty: only pages of the same origin. `*`: any. Clients that send no Origin are not browsers and always may."),
    key!(RESTART ws.ping, DURATION, "How often a connection is pinged. Clients are told when they connect, and count on it."),
    key!(LIVE ws.pong_timeout, DURATION, "How long a ping may go unanswered before the connection is closed. Shorter than `ws.ping`."),
    key!(LIVE ws.handshake_timeout, DURATION, "How long a client may take to send its upgrade request, and then its connect command."),
    key!(LIVE ws.max_message, SIZE, "The largest message a client may send."),
    key!(LIVE ws.max_topics, COUNT, "Topics one connection may hold."),
    key!(RESTART ws.max_connections, COUNT_OR_AUTO, "Connections of the whole process; one more is answered 503, and beyond 64 more the socket is closed without a word. `auto`: what the descriptor limit leaves room for."),
    key!(LIVE ws.max_command_rate, COUNT_U32, "Commands a client may send per second, with a burst of as many."),
    key!(LIVE ws.outbox, SIZE, "Bytes one connection may have pending. Holds at least one publication of `ingest.max_payload`."),
    key!(LIVE ws.slow, SLOW, "What happens to a connection whose outbox is full: it is closed with 3008, loses its oldest publications, or keeps only the latest of each topic while it is behind. A namespace may set its own."),
    key!(LIVE ws.batch, SIZE, "Publications of one topic that arrive together share one frame up to this many bytes: fewer sends, and they compress better than one by one. `0`: each has its own. A topic whose `slow` is `conflate` never shares."),
    key!(RESTART ws.echo, SWITCH, "Serve `/echo` for conformance tests. Never in production."),
    key!(LIVE ws.deflate.enabled, SWITCH, "Whether clients that offer compression get it. A change holds for new connections. One client turns it off for itself with `?deflate=0`."),
    key!(LIVE ws.deflate.level, LEVEL, "How much to spend on size: 1 is fastest, 12 smallest. A publication of 1 MiB takes some 5 ms of a shard at 1 and a quarter of a second at 12, which also takes 9 MB of memory for each shard."),
    key!(LIVE ws.deflate.threshold, SIZE, "Bytes of a frame's payload below which it goes plain: small frames hardly shrink."),
    key!(LIVE ws.deflate.apple, APPLE, "Whether Apple's clients, told by their User-Agent, get it: several versions of theirs fail on compressed frames. A change holds for new connections."),
    key!(RESTART ingest.pull, TEXTS, "ZeroMQ endpoints that publishers PUSH to. `tcp://` or `ipc://`; all bind."),
    key!(RESTART ingest.sub, TEXTS, "ZeroMQ endpoints that publishers connect a PUB socket to."),
    key!(RESTART ingest.router, TEXTS, "ZeroMQ endpoints for REQ and DEALER publishers, which get a reply to every publication."),
    key!(LIVE ingest.max_payload, SIZE, "The largest payload of a publication, from any publisher."),
    key!(RESTART ingest.high_water_mark, COUNT_U32, "Messages libzmq may hold for each publisher before its high-water mark acts: PUSH waits, PUB drops."),
    key!(RESTART ingest.allow, NETWORKS, "Networks that publishers may connect from over TCP. Empty: any that reaches the socket."),
    key!(RESTART ingest.plain, PASSWORDS, "User and password pairs for ZeroMQ PLAIN. Empty: no authentication. PLAIN does not encrypt."),
    key!(RESTART ingest.ipc_mode, MODE, "File mode of `ipc://` sockets."),
    key!(RESTART cpu.shards, COUNT_OR_AUTO, "Shards, each one thread pinned to its core. `auto`: the cores minus one, at least one."),
    key!(RESTART cpu.cores, CORES, "The cores to use: the first for ingest and control, the rest for shards. Ranges such as `\"2-5\"` too. Empty: all that the process is allowed."),
    key!(RESTART admin.listen, ADDRESS_OR_OFF, "Metrics, health, stats and HTTP publish. Keep it on an address that only operators reach. Without a token it answers requests to an IP address or `localhost` only, so that no page can be made to ask it."),
    key!(RESTART admin.token, SECRET, "When set, every admin request needs `Authorization: Bearer TOKEN`."),
    key!(LIVE drain.period, DURATION, "After SIGTERM, connections are closed evenly over this time, so that they do not all reconnect elsewhere at once."),
    key!(LIVE drain.dwell, DURATION, "How long a node that closed a share of its connections (`fanfare drain --share 20%`) goes on announcing the least weight, so that they come back elsewhere."),
    key!(RESTART agent.listen, ADDRESS_OR_OFF, "Where HAProxy's agent-check asks; 5555 by convention. It is opened when every core does its work."),
    key!(LIVE load.cpu, PERCENT, "CPU of the busiest core (a shard's, or that of ingest and control), in percent of it."),
    key!(LIVE load.egress, SIZE_OR_OFF, "Bytes per second to clients, such as what the network interface or its allowance takes."),
    key!(LIVE load.lag, DURATION, "How late a shard gets to what is due: p99 of the last interval."),
    key!(LIVE load.queued, SIZE, "Bytes waiting in outboxes and on lanes."),
    key!(LIVE load.memory, SIZE_OR_AUTO, "Resident memory. `auto`: three quarters of what the cgroup allows, or else of the host's."),
    key!(LIVE load.connections, COUNT, "Connections a node is planned to carry; the same on all nodes. A connection is expected to cost one part in so many until the node knows better, and the announced weight is relative to that."),
    key!(LIVE load.up, DURATION, "Time constant of the smoothing while the load rises."),
    key!(LIVE load.down, DURATION, "The same while it falls."),
    key!(LIVE load.fresh, DURATION, "Time constant with which the charge for a fresh connection fades."),
    key!(LIVE load.hysteresis, PERCENT, "Points by which the weight must move before another one is announced; small weights move by an eighth."),
    key!(LIVE load.rise, PERCENT, "Points per second by which the announced weight may rise. It starts at 1 % and falls at once."),
    key!(LIVE scale.out_above, PERCENT, "Load above which another node is advised, after `scale.out_after`."),
    key!(LIVE scale.out_after, DURATION, "How long the load must stay above `scale.out_above`."),
    key!(LIVE scale.urgent_above, PERCENT, "Load above which another node is advised sooner, after `scale.urgent_after`."),
    key!(LIVE scale.urgent_after, DURATION, "How long the load must stay above `scale.urgent_above`."),
    key!(LIVE scale.in_below, PERCENT, "Load below which one node less is advised, after `scale.in_after`."),
    key!(LIVE scale.in_after, DURATION, "How long the load must stay below `scale.in_below`."),
    key!(RESTART log.format, LOG_FORMAT, "Logs go to stderr, for people or one JSON object per line."),
    key!(LIVE log.level, TEXT, "`error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,fanfare::ingest=debug`."),
    key!(RESTART statsd.address, HOST_OR_OFF, "A statsd to send metrics to over UDP, such as `127.0.0.1:8125`: counters, gauges, and timers whose upper percentiles are right. The name is looked up before every flush."),
    key!(RESTART statsd.prefix, TEXT, "In front of every name. `{host}` stands for the host's name, with `_` for its dots; nodes that share a statsd need it, or their gauges overwrite each other."),
    key!(RESTART statsd.interval, DURATION, "From one flush to the next, at least `1s`: that of the statsd itself, or a whole part of it."),
];

/// What a `[[namespace]]` may say.
#[rustfmt::skip]
pub(super) const NAMESPACE_KEYS: &[(&str, &str, &str, &str)] = &[
    ("name", "text", "", "Topics `name:…` belong to it. The name `\"\"` sets the rules for topics of no configured namespace."),
    ("payload", form::PAYLOAD.words, "json", "What its payloads are; they are checked on the way in."),
    ("slow", form::SLOW.words, "`ws.slow`", "As `ws.slow`, for connections whose outbox this namespace's topics fill."),
    ("publish", form::SWITCH.words, "false", "Whether clients may publish."),
    ("deflate", form::SWITCH.words, "true", "Whether its publications may be compressed. `false` for topics that mix secrets with what an attacker chooses (the length of a compressed message tells on its content), or whose payloads are compressed already."),
];

/// The key called `name`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The names of the sections, as often as they have keys.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(Key::section)
}

/// The keys of a section, those of sections within it too; none if there is no such section.
pub(super) fn keys_in(section: &str) -> Vec<&'static str> {
    let inside = |name: &&str| {
        name.strip_prefix(section)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    KEYS.iter().map(|key| key.name).filter(inside).collect()
}

/// The environment variable of a key or section, without `FANFARE_`.
pub(super) fn variable(name: &str) -> String {
    name.to_uppercase().replace('.', "_")
}

/// The known key that looks most like `name`, with or without its sections.
pub(super) fn nearest(name: &str) -> &'static str {
    let likeness = |known: &str| {
        let ends = known.match_indices('.').map(|(dot, _)| &known[dot + 1..]);
        let each = [known].into_iter().chain(ends);
        each.map(|end| strsim::normalized_damerau_levenshtein(name, end))
            .fold(0.0, f64::max)
    };
    let names = KEYS.iter().map(|key| key.name).chain(["namespace"]);
    names
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .expect("there are keys")
}

fn read<T>(form: &Form<T>, raw: &Raw) -> Result<T, String> {
    (form.read)(raw)
}
