//! The configuration as operators use it. This file tests the sources and their order, invalid
//! values, the reload and the generated pages. `nested` tests nested tables. `rules` tests bounds
//! and contradictions.

mod loader;
mod nested;
mod rules;

use std::path::PathBuf;
use std::time::Duration;

use loader::{file, flags, source};

use fanfare::config::{
    Config, ConfigError, ConfigSource, Endpoint, Key, Layout, LogFormat, NAMESPACE_KEYS,
    OriginRule, PayloadKind, PlainCredential, SlowPolicy, ValueSource, keys, live_changes,
    reference, template,
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
        if key.name == "admin.token" {
            continue; // It is not set by default, and no value means that.
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
fn errors_of_unknown_keys_name_the_nearest_key_and_the_place() {
    let text = file("[ws]\nlisten = '0.0.0.0:8000'\n  pong_timout = '3s'").text();
    assert_eq!(
        text,
        "fanfare.toml:3:3: unknown key `ws.pong_timout`, did you mean `ws.pong_timeout`?"
    );
    let text = file("[wss]\nping = '3s'").text();
    assert_eq!(
        text,
        "fanfare.toml:2:1: unknown key `wss.ping`, did you mean `ws.ping`?"
    );
    let text = file("max_payload = 3").text();
    assert_eq!(
        text,
        "fanfare.toml:1:1: unknown key `max_payload`, did you mean `ingest.max_payload`?"
    );
    let text = file("[[namespace]]\nname = 'a'\npaylod = 'json'").text();
    assert_eq!(
        text,
        "fanfare.toml:3:1: unknown key `namespace.paylod`, did you mean `payload`?"
    );
    let text = flags(&["drain.perod=1s"]).text();
    assert_eq!(
        text,
        "-s drain.perod=1s: unknown key `drain.perod`, did you mean `drain.period`?"
    );
}

#[test]
fn a_key_is_suggested_only_if_its_name_is_close() {
    for (key, suggested) in [
        ("ws.pings", Some("ws.ping")),
        ("ws.lisen", Some("ws.listen")),
        ("webserver.listen", None),
        ("ws.tls", None),
        ("ws.port", None),
        ("zzz", None),
        ("redis.url", None),
        ("namespaces", Some("namespace")),
    ] {
        let text = flags(&[&format!("{key}=1")]).text();
        let end = match suggested {
            Some(suggested) => format!(", did you mean `{suggested}`?"),
            None => "; `fanfare keys` lists all keys".into(),
        };
        assert_eq!(text, format!("-s {key}=1: unknown key `{key}`{end}"));
    }
    let text = file("[[namespace]]\nname = 'a'\nhistory = 1").text();
    assert!(
        text.ends_with("`namespace.history`; `fanfare keys` lists all keys"),
        "{text}"
    );
}

#[test]
fn all_errors_are_returned_in_the_order_of_the_sources() {
    let text = "[ws]\nzzz = 1\nping = 3\npong_timeout = '9s'\nmax_topics = 0\n\
                [ingest]\npull = 'x'\nmax_payload = '2MiB'\n[admin]\ntoken = 1.5\n\
                [ws.deflate]\nlevel = 99\n[[namespace]]\nname = 'a:b'\n[[namespace]]\npublish = 1\n";
    let environment = [("FANFARE_LOG_FORMAT", "xml"), ("FANFARE_CPU_SHARDS", "9")];
    let overrides = ["drain.period=1", "nonsense"];
    let texts = source(Some(text), &environment, &overrides).texts();
    let beginnings = [
        "fanfare.toml:2:1: unknown key `ws.zzz`",
        "fanfare.toml:3:8: ws.ping: expected a duration",
        "fanfare.toml:5:14: ws.max_topics must not be 0",
        "fanfare.toml:7:8: ingest.pull: `x` is neither",
        "fanfare.toml:8:15: ws.outbox (1MiB) must not be smaller than ingest.max_payload",
        "fanfare.toml:10:9: admin.token: expected text",
        "fanfare.toml:12:9: ws.deflate.level: expected a level",
        "fanfare.toml:14:1: namespace `a:b` contains `:`",
        "fanfare.toml:15:1: a namespace needs a name",
        "fanfare.toml:16:1: namespace.publish: expected true or false",
        "environment variable FANFARE_LOG_FORMAT: log.format: expected one of",
        "environment variable FANFARE_CPU_SHARDS: cpu.shards is 9",
        "-s drain.period=1: drain.period: expected a duration",
        "-s nonsense: expected section.key=value",
    ];
    for (text, beginning) in texts.iter().zip(beginnings) {
        assert!(text.starts_with(beginning), "{text} is not {beginning}");
    }
    assert_eq!(texts.len(), beginnings.len(), "{texts:#?}");
}

#[test]
fn all_errors_of_syntax_are_returned_without_their_consequences() {
    let texts = source(
        Some("[ws\nping = 3\n[log]\nlevel = \n"),
        &[],
        &["ws.pong_timeout=30s"],
    )
    .texts();
    let lines: Vec<_> = texts
        .iter()
        .filter_map(|text| text.split(':').nth(1))
        .collect();
    assert_eq!(lines, ["1", "4"], "{texts:#?}");
}

#[test]
fn unknown_variables_similar_to_keys_are_refused() {
    for (name, nearest) in [
        ("FANFARE_WS_PNG", "ws.ping"),
        ("FANFARE_WSS_PING", "ws.ping"),
    ] {
        match source(None, &[(name, "1")], &[]).error() {
            ConfigError::UnknownKey {
                at: ValueSource::Environment(at),
                nearest: found,
                ..
            } => {
                assert_eq!(at, name);
                assert_eq!(found, Some(nearest), "{name}");
            }
            other => panic!("the error of {name} is {other}"),
        }
    }
    let section = source(None, &[("FANFARE_WS_X", "1")], &[]).text();
    let expected = "environment variable FANFARE_WS_X: unknown key `ws_x`; \
                    `fanfare keys` lists all keys";
    assert_eq!(section, expected);
    let foreign = [
        ("FANFARE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("FANFARE_SERVICE_HOST", "x"),
    ];
    assert_eq!(source(None, &foreign, &[]).config(), Config::default());
}

#[test]
fn errors_of_invalid_values_name_the_expected_format() {
    let place = file("[ws]\nping = 25").text();
    assert_eq!(
        place,
        "fanfare.toml:2:8: ws.ping: expected a duration such as 25s, 500ms, 2m or 1h, found `25`"
    );
    for (text, wanted) in [
        ("ws.listen=8000", "an address such as"),
        ("ws.outbox=1MB", "a size such as"),
        ("ws.max_topics=-1", "a whole number"),
        ("ws.max_connections=many", "a whole number"),
        ("ws.slow=drop", "one of disconnect, drop_oldest, conflate"),
        ("ws.echo=yes", "true or false"),
        ("ws.batch=1KB", "a size such as"),
        ("ws.deflate.apple=off", "one of decline, on"),
        ("ingest.allow=10.0.0.0/33", "a network such as"),
        ("ingest.ipc_mode=0888", "an octal file mode"),
        ("cpu.cores=a", "a core such as"),
        ("admin.listen=on", "or off"),
        ("log.format=xml", "one of human, json"),
        ("namespace.a.payload=xml", "one of json, text, binary"),
        ("namespace.a.deflate=1", "true or false"),
    ] {
        let error = flags(&[text]).text();
        assert!(error.contains(wanted), "{text}: {error}");
    }
    for text in [
        "[ws]\nping = 1.5",
        "[ws]\nping = true",
        "[ws]\norigins = {}",
        "[ws]\nping = []",
    ] {
        assert!(
            matches!(file(text).error(), ConfigError::Value { .. }),
            "{text}"
        );
    }
}

#[test]
fn errors_of_invalid_files_name_the_place() {
    assert!(file("[ws]\nping = ").text().starts_with("fanfare.toml:2:"));
    assert!(
        file("[namespace]\nname = 'a'")
            .text()
            .contains("[[namespace]]")
    );
    assert!(
        file("[[namespace]]\npayload = 'json'")
            .text()
            .contains("needs a name")
    );
    assert!(file("namespace = [1]").text().contains("is a table"));
    assert!(
        flags(&["ws.ping"])
            .text()
            .contains("expected section.key=value")
    );
    let missing = ConfigSource {
        file: Some("/nonexistent.toml".into()),
        ..Default::default()
    };
    let errors = missing.load().expect_err("there is no such file");
    let errors: Vec<_> = errors.into_iter().collect();
    assert!(matches!(errors[..], [ConfigError::Read { .. }]));
}

#[test]
fn sockets_that_other_hosts_reach_are_named() {
    let reachable = |settings: &[&str]| {
        let exposure = flags(settings).config().exposure();
        assert!(exposure.starts_with("clients are not authenticated"));
        exposure.rsplit_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(reachable(&[]), "ws.listen = 0.0.0.0:8000");
    let local = "ws.listen=127.0.0.1:8000";
    assert_eq!(reachable(&[local]), "none");
    assert_eq!(
        reachable(&[
            local,
            "admin.listen=[::]:8001",
            "ingest.pull=tcp://eth0:5560"
        ]),
        "admin.listen = [::]:8001, ingest.pull = tcp://eth0:5560"
    );
    assert_eq!(
        reachable(&[local, "ingest.pull=ipc:///run/fanfare/pull"]),
        "none"
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
    let text = format!("{}\n", lines.join("\n"));
    let names = keys().map(Key::short_name);
    for name in names.chain(NAMESPACE_KEYS.iter().map(|key| key.name)) {
        assert!(text.contains(&format!("\n{name} = ")), "{name}");
    }
    let (before, after) = text
        .split_once("token = \"…\"\n")
        .expect("the token has no default");
    let (before, namespace) = format!("{before}{after}")
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
