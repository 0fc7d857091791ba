//! The configuration as operators use it. This file tests the sources and their order, the reload
//! and the generated pages. `errors` tests the errors and their order. `nested` tests nested
//! tables. `rules` tests bounds and contradictions.

mod auth;
mod errors;
mod exposure;
mod hooks;
mod loader;
mod nested;
mod rules;

use std::path::PathBuf;
use std::time::Duration;

use loader::{file, flags, source};

use fanfare::config::{
    Config, Endpoint, Key, Layout, LogFormat, NAMESPACE_KEYS, OriginRule, PayloadKind,
    PlainCredential, SlowPolicy, keys, live_changes, reference, template,
};

#[test]
fn without_sources_the_defaults_are_used() {
    let config = flags(&[]).config();
    assert_eq!(config, Config::default());
    assert!(config.differences().is_empty() && config.warnings().is_empty());
    assert_eq!(config.namespaces.len(), 1);
    assert_eq!(config.namespace("anything").payload, PayloadKind::Json);
}

#[test]
fn a_file_sets_every_kind_of_value() {
    let config = file(
        r#"
        [ws]
        listen = "[::]:9000"
        origins = ["https://a.example", "https://b.example:8443"]
        ping = "1m"
        max_connections = 5000
        outbox = "2MiB"
        slow = "conflate"
        [ingest]
        pull = "ipc:///run/fanfare/pull"
        allow = ["10.0.0.0/8", "::1"]
        plain = ["orders:s3cret:with:colons"]
        ipc_mode = 0o660
        [cpu]
        shards = 2
        cores = [0, "2-3"]
        [admin]
        listen = "off"
        token = "t0ken"
        [log]
        format = "json"
        level = "warn,fanfare=debug"
        [auth]
        insecure = true
        [[namespace]]
        name = "chat"
        payload = "text"
        publish = true
        [[namespace]]
        name = "prices"
        slow = "drop_oldest"
        deflate = false
        "#,
    )
    .config();
    assert_eq!(config.ws.listen, "[::]:9000".parse().expect("an address"));
    let origins: Vec<_> = config.ws.origins.iter().map(OriginRule::as_str).collect();
    assert_eq!(origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(config.ws.ping, Duration::from_secs(60));
    assert_eq!(config.ws.max_connections, Some(5000));
    assert_eq!(config.ws.outbox, 2 * 1024 * 1024);
    let pull: Vec<_> = config.ingest.pull.iter().map(Endpoint::as_str).collect();
    assert_eq!(pull, ["ipc:///run/fanfare/pull"]);
    assert_eq!(config.ingest.allow.len(), 2);
    let plain = &config.ingest.plain;
    assert!(plain.len() == 1 && plain[0].matches(b"orders", b"s3cret:with:colons"));
    assert_eq!(config.ingest.ipc_mode, 0o660);
    assert_eq!(config.cpu.cores, [0, 2, 3]);
    assert_eq!(
        config.cpu.layout(&[0, 1, 2, 3]),
        Layout {
            ingest: 0,
            shards: vec![2, 3]
        }
    );
    assert_eq!(config.admin.listen, None);
    assert_eq!(config.log.format, LogFormat::Json);
    let chat = config.namespace("chat:lobby");
    assert!(chat.publish && chat.payload == PayloadKind::Text);
    assert_eq!(
        chat.slow,
        SlowPolicy::Conflate,
        "the namespace inherits ws.slow"
    );
    assert_eq!(config.namespace("prices:x").slow, SlowPolicy::DropOldest);
    assert!(chat.deflate && !config.namespace("prices:x").deflate);
    assert_eq!(config.namespace("unknown:x").name, "");
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_both() {
    let text = "[ws]\nping = '20s'\npong_timeout = '3s'\nmax_topics = 1";
    let environment = [
        ("FANFARE_WS_PONG_TIMEOUT", "4s"),
        ("FANFARE_WS_MAX_TOPICS", "2"),
    ];
    let config = source(
        Some(text),
        &environment,
        &["ws.max_topics=3", "ws.max_topics=4"],
    )
    .config();
    assert_eq!(config.ws.ping, Duration::from_secs(20));
    assert_eq!(config.ws.pong_timeout, Duration::from_secs(4));
    assert_eq!(config.ws.max_topics, 4);
}

#[test]
fn text_is_a_list_with_commas_or_an_array() {
    let config = flags(&["ws.origins=https://a.example, https://b.example"]).config();
    assert_eq!(config.ws.origins.len(), 2);
    let config = flags(&[r#"ingest.plain=["a:x,y", "b:z"]"#]).config();
    let pairs = ["a:x,y", "b:z"].map(|pair| PlainCredential::parse(pair).expect("a pair"));
    assert_eq!(config.ingest.plain, pairs);
    assert!(flags(&["ingest.sub="]).config().ingest.sub.is_empty());
    assert_eq!(flags(&["cpu.cores=0,2-3"]).config().cpu.cores, [0, 2, 3]);
}

#[test]
fn every_key_can_be_set_to_its_default_from_the_environment() {
    for key in keys() {
        let row = format!("| `{}` |", key.name);
        let page = reference();
        let line = page
            .lines()
            .find(|line| line.starts_with(&row))
            .expect("a row per key");
        let default = line
            .split(" | ")
            .nth(2)
            .expect("the third column")
            .trim_matches('`');
        if default == "none" {
            continue; // A secret or key is not set by default, and no value means that.
        }
        let name = format!("FANFARE_{}", key.name.to_uppercase().replace('.', "_"));
        let config = source(None, &[(&name, default)], &[]).config();
        assert_eq!(config, Config::default(), "{name}={default}");
    }
}

#[test]
fn flags_set_keys_of_namespaces() {
    let config = flags(&[
        "namespace.bin.payload=binary",
        "namespace..publish=true",
        "ws.slow=conflate",
    ])
    .config();
    assert_eq!(config.namespace("bin:x").payload, PayloadKind::Binary);
    assert!(config.namespace("x").publish && !config.namespace("bin:x").publish);
    assert_eq!(config.namespace("x").slow, SlowPolicy::Conflate);
}

#[test]
fn the_port_offset_moves_addresses_that_are_not_set() {
    let config = flags(&["port_offset=100"]).config();
    let ingest = &config.ingest;
    let endpoints = [&ingest.pull, &ingest.sub, &ingest.router].map(|it| it[0].as_str());
    let expected = [
        "tcp://127.0.0.1:5660",
        "tcp://127.0.0.1:5662",
        "tcp://127.0.0.1:5663",
    ];
    assert_eq!(endpoints, expected);
    let listeners = [
        Some(config.ws.listen),
        config.admin.listen,
        config.agent.listen,
    ];
    let address = |text: &str| Some(text.parse().expect("an address"));
    assert_eq!(
        listeners,
        [address("127.0.0.1:8100"), address("127.0.0.1:8101"), None]
    );

    let text =
        "port_offset = 100\n[ws]\nlisten = '127.0.0.1:8000'\n[ingest]\npull = 'tcp://*:5560'";
    let environment = [
        ("FANFARE_PORT_OFFSET", "200"),
        ("FANFARE_AGENT_LISTEN", "127.0.0.1:5555"),
    ];
    let config = source(Some(text), &environment, &[]).config();
    let listeners = [
        Some(config.ws.listen),
        config.admin.listen,
        config.agent.listen,
    ];
    let expected = ["127.0.0.1:8000", "127.0.0.1:8201", "127.0.0.1:5555"].map(address);
    assert_eq!(
        listeners, expected,
        "addresses that are set stay, also at the default"
    );
    assert_eq!(config.ingest.pull[0].as_str(), "tcp://*:5560");
    assert_eq!(config.ingest.sub[0].as_str(), "tcp://127.0.0.1:5762");

    let largest = flags(&["port_offset=57534"]).config();
    assert_eq!(largest.admin.listen.map(|it| it.port()), Some(u16::MAX));
    for offset in ["57535", "4294967295"] {
        let error = flags(&[&format!("port_offset={offset}")]).text();
        assert!(
            error.contains("port_offset must be at most 57534"),
            "{error}"
        );
    }
}

#[test]
fn sockets_that_other_hosts_reach_are_named() {
    let reachable = |settings: &[&str]| {
        let insecure = ["auth.insecure=true"];
        let exposure = flags(&[&insecure, settings].concat()).config().exposure();
        assert!(exposure.starts_with("clients are not authenticated"));
        exposure.rsplit_once(": ").unwrap().1.to_owned()
    };
    let open = "ws.listen=0.0.0.0:8000";
    assert_eq!(reachable(&[open]), "ws.listen = 0.0.0.0:8000");
    assert_eq!(reachable(&[]), "none");
    assert_eq!(
        reachable(&["admin.listen=[::]:8001", "ingest.pull=tcp://eth0:5560"]),
        "admin.listen = [::]:8001, ingest.pull = tcp://eth0:5560"
    );
    assert_eq!(reachable(&["ingest.pull=ipc:///run/fanfare/pull"]), "none");
    // With the defaults, the sentence names who can connect, and the keys that change it.
    let defaults = Config::default().exposure();
    assert!(
        defaults.starts_with("only clients of this host can connect, because"),
        "{defaults}"
    );
    assert!(
        defaults.contains("set a key of [auth.token], and ws.listen"),
        "{defaults}"
    );
    assert!(
        defaults.ends_with("listening for other hosts: none"),
        "{defaults}"
    );
}

#[test]
fn addresses_that_other_hosts_reach_cause_warnings() {
    let config = flags(&["admin.listen=0.0.0.0:8001", "ingest.pull=tcp://*:5560"]).config();
    assert_eq!(config.warnings().len(), 2, "{:?}", config.warnings());
    let config = flags(&[
        "admin.listen=0.0.0.0:8001",
        "admin.token=t",
        "ingest.pull=tcp://*:5560",
        "ingest.allow=10.0.0.0/8",
    ])
    .config();
    assert!(config.warnings().is_empty());
    assert_eq!(flags(&["ws.echo=true"]).config().warnings().len(), 1);
}

#[test]
fn a_reload_applies_live_keys_and_names_the_others() {
    let old = Config::default();
    let new = flags(&[
        "ws.pong_timeout=3s",
        "ws.listen=127.0.0.1:9000",
        "ws.ping=30s",
        "log.level=debug",
        "ws.batch=0",
        "ws.deflate.level=6",
        "namespace.a.publish=true",
    ])
    .config();
    let changes = live_changes(&old, &new);
    assert_eq!(
        changes.changed,
        [
            "ws.pong_timeout",
            "ws.batch",
            "ws.deflate.level",
            "log.level",
            "namespace"
        ]
    );
    assert_eq!(changes.needs_restart, ["ws.listen", "ws.ping"]);
    assert_eq!(changes.applied.ws.pong_timeout, Duration::from_secs(3));
    assert_eq!(changes.applied.ws.ping, old.ws.ping);
    assert_eq!(changes.applied.ws.batch, 0);
    assert_eq!(changes.applied.ws.deflate.level, 6);
    assert_eq!(changes.applied.ws.listen, old.ws.listen);
    assert_eq!(changes.applied.namespaces, new.namespaces);

    let none = live_changes(&old, &old);
    assert!(none.changed.is_empty() && none.needs_restart.is_empty() && none.applied == old);
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md");
    if std::env::var_os("FANFARE_BLESS").is_some() {
        std::fs::write(&path, reference()).expect("the page is written");
    }
    let found = std::fs::read_to_string(&path).expect("the page exists");
    assert!(
        found == reference(),
        "docs/CONFIGURATION.md is out of date; FANFARE_BLESS=1 rewrites it"
    );
}

#[test]
fn the_file_that_packages_install_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tuning/fanfare.toml");
    if std::env::var_os("FANFARE_BLESS").is_some() {
        std::fs::write(&path, template()).expect("the file is written");
    }
    let found = std::fs::read_to_string(&path).expect("the file exists");
    assert!(
        found == template(),
        "tuning/fanfare.toml is out of date; FANFARE_BLESS=1 rewrites it"
    );
}

#[test]
fn the_file_that_packages_install_has_the_defaults_with_and_without_comments() {
    assert_eq!(file(&template()).config(), Config::default());
    let is_key = |line: &&str| line.starts_with(['[', '#']) && !line.starts_with("# ");
    let page = template();
    let lines = page.lines().filter(is_key);
    let lines: Vec<_> = lines.map(|line| line.trim_start_matches('#')).collect();
    let text = format!("\n{}\n", lines.join("\n"));
    let names = keys().map(Key::short_name);
    for name in names.chain(NAMESPACE_KEYS.iter().map(|key| key.name)) {
        assert!(text.contains(&format!("\n{name} = ")), "{name}");
    }
    // Secrets and keys have no default.
    let lines = text.lines().filter(|line| !line.ends_with(" = \"…\""));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let (before, namespace) = text
        .split_once("[[namespace]]")
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .expect("the file has a namespace");
    assert_eq!(file(&before).config(), Config::default());
    let config = file(&format!("[[namespace]]{namespace}")).config();
    assert_eq!(config.namespace("chat:x").payload, PayloadKind::Json);
}

#[test]
fn the_file_on_the_reference_page_loads() {
    let page = reference();
    let (_, rest) = page.split_once("```toml\n").expect("the page has a file");
    let (text, _) = rest.split_once("```").expect("the file ends");
    let config = file(text).config();
    assert_eq!(config.ws.deflate.level, 6);
    assert_eq!(config.namespace("prices:x").slow, SlowPolicy::Conflate);
}
