//! The registry of configuration keys: what can be set, where it lives in [`Config`], and whether
//! a SIGHUP changes it live. Reading, reloading and docs/CONFIGURATION.md all go by it.

use super::Config;
use super::form::{self, Form, Raw};

/// One key of a section.
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

macro_rules! key {
    ($when:ident $section:ident.$field:ident, $form:ident, $doc:literal) => {
        Key {
            name: concat!(stringify!($section), ".", stringify!($field)),
            form: form::$form.words,
            live: $when,
            doc: $doc,
            set: |config, raw| {
                config.$section.$field = read(&form::$form, raw)?;
                Ok(())
            },
            show: |config| (form::$form.show)(&config.$section.$field),
            copy: |to, from| to.$section.$field.clone_from(&from.$section.$field),
            same: |one, other| one.$section.$field == other.$section.$field,
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
    key!(RESTART ws.echo, SWITCH, "Serve `/echo` for conformance tests. Never in production."),
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
    key!(RESTART log.format, LOG_FORMAT, "Logs go to stderr, for people or one JSON object per line."),
    key!(LIVE log.level, TEXT, "`error`, `warn`, `info`, `debug` or `trace`, or a filter such as `info,fanfare::ingest=debug`."),
];

/// What a `[[namespace]]` may say.
#[rustfmt::skip]
pub(super) const NAMESPACE_KEYS: &[(&str, &str, &str, &str)] = &[
    ("name", "text", "", "Topics `name:…` belong to it. The name `\"\"` sets the rules for topics of no configured namespace."),
    ("payload", form::PAYLOAD.words, "json", "What its payloads are; they are checked on the way in."),
    ("slow", form::SLOW.words, "`ws.slow`", "As `ws.slow`, for connections whose outbox this namespace's topics fill."),
    ("publish", form::SWITCH.words, "false", "Whether clients may publish."),
];

/// The key called `name`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The names of the sections, as often as they have keys.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .filter_map(|key| key.name.split_once('.'))
        .map(|(section, _)| section)
}

/// The known key that looks most like `name`, with or without its section.
pub(super) fn nearest(name: &str) -> &'static str {
    let likeness = |known: &str| {
        let bare = known.split_once('.').map_or(known, |(_, key)| key);
        let whole = strsim::normalized_damerau_levenshtein(name, known);
        whole.max(strsim::normalized_damerau_levenshtein(name, bare))
    };
    let names = KEYS.iter().map(|key| key.name).chain(["namespace"]);
    names
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .expect("there are keys")
}

fn read<T>(form: &Form<T>, raw: &Raw) -> Result<T, String> {
    (form.read)(raw)
}
