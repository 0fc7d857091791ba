//! The errors of a configuration: their order, places and texts, and the keys that they suggest.

use fanfare::config::{Config, ConfigError, ConfigSource, ValueSource};

use crate::loader::{file, flags, source};

#[test]
fn errors_of_unknown_keys_name_the_nearest_key_and_the_place() {
    let text = file("[ws]\nlisten = '127.0.0.1:8000'\n  pong_timout = '3s'").text();
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
fn the_last_part_of_several_keys_suggests_all_of_them() {
    for (name, suggested) in [
        ("listen", "`ws.listen`, `admin.listen` or `agent.listen`"),
        ("topics", "`ws.max_topics`"),
    ] {
        let text = flags(&[&format!("{name}=1")]).text();
        let end = format!("unknown key `{name}`, did you mean {suggested}?");
        assert!(text.ends_with(&end), "{text}");
    }
}

#[test]
fn an_error_of_a_namespace_names_it_and_the_place_of_the_value() {
    let text = file("[[namespace]]\ndeflate = 7\nname = 'prices'").text();
    let begin = "fanfare.toml:2:11: namespace \"prices\": deflate: expected";
    assert!(text.starts_with(begin), "{text}");
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
        "fanfare.toml:16:11: namespace \"\": publish: expected true or false",
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
                assert_eq!(found, [nearest], "{name}");
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
fn a_variable_without_its_table_is_refused_like_a_key_without_its_table() {
    for name in ["listen", "max_topics", "token", "origins"] {
        let suggested = |text: String| {
            let (_, hint) = text.split_once("unknown key ").expect("an unknown key");
            hint.to_owned()
        };
        let variable = format!("FANFARE_{}", name.to_uppercase());
        let text = source(None, &[(&variable, "1")], &[]).text();
        assert!(text.starts_with(&format!("environment variable {variable}: ")));
        assert!(text.contains("did you mean"), "{text}");
        let in_file = file(&format!("{name} = 1")).text();
        assert_eq!(suggested(text), suggested(in_file));
    }
}

#[test]
fn variables_of_kubernetes_services_are_ignored() {
    // The service `fanfare-admin` with a port called http.
    let service = [
        ("FANFARE_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("FANFARE_ADMIN_SERVICE_PORT", "8001"),
        ("FANFARE_ADMIN_SERVICE_PORT_HTTP", "8001"),
        ("FANFARE_ADMIN_PORT", "tcp://10.0.0.1:8001"),
        ("FANFARE_ADMIN_PORT_8001_TCP", "tcp://10.0.0.1:8001"),
        ("FANFARE_ADMIN_PORT_8001_TCP_PROTO", "tcp"),
        ("FANFARE_ADMIN_PORT_8001_TCP_PORT", "8001"),
        ("FANFARE_ADMIN_PORT_8001_TCP_ADDR", "10.0.0.1"),
        ("FANFARE_PORT", "tcp://10.0.0.1:8000"),
    ];
    assert_eq!(source(None, &service, &[]).config(), Config::default());
    let text = source(None, &[("FANFARE_ADMIN_PORT", "8001")], &[]).text();
    assert!(text.contains("unknown key `admin_port`"), "{text}");
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
