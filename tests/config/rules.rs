//! Values outside their bounds, values that are not well formed, and values that contradict each
//! other are refused, and the errors name the fault.

use std::time::Duration;

use fanfare::config::Contradiction;

use crate::loader::{contradiction, file, flags, invalid_value};

#[test]
fn zero_is_refused_where_nothing_would_work() {
    for key in [
        "ws.max_message",
        "ws.max_topics",
        "ws.max_connections",
        "ws.max_command_rate",
        "ws.ping",
        "ws.pong_timeout",
        "ws.handshake_timeout",
        "ingest.max_payload",
        "ingest.high_water_mark",
        "cpu.shards",
    ] {
        match contradiction(&[&format!("{key}=0")]) {
            Contradiction::Zero { key: found, .. } => assert_eq!(found, key),
            other => panic!("the contradiction of {key} is {other}"),
        }
    }
    assert_eq!(
        flags(&["drain.period=0"]).config().drain.period,
        Duration::ZERO
    );
}

#[test]
fn values_above_their_ceilings_are_refused() {
    for text in [
        "ws.max_message=17MiB",
        "ingest.max_payload=65MiB",
        "ws.outbox=2GiB",
        "ws.batch=16KiB",
        "ingest.high_water_mark=4000000000",
        "ws.handshake_timeout=25h",
        "drain.period=25h",
    ] {
        assert!(
            matches!(contradiction(&[text]), Contradiction::Ceiling { .. }),
            "{text}"
        );
    }
}

#[test]
fn a_shared_frame_is_smaller_than_the_gather_limit() {
    assert_eq!(
        contradiction(&["ws.batch=15KiB"]).to_string(),
        "ws.batch must be at most 14KiB, but is 15KiB"
    );
    assert_eq!(flags(&["ws.batch=14KiB"]).config().ws.batch, 14 * 1024);
    assert_eq!(flags(&["ws.batch=0"]).config().ws.batch, 0);
}

#[test]
fn the_pong_timeout_is_shorter_than_the_ping_interval() {
    let found = contradiction(&["ws.ping=8s"]);
    assert!(matches!(found, Contradiction::PongAfterPing { .. }));
    assert!(
        found
            .to_string()
            .starts_with("ws.pong_timeout (8s) must be shorter than ws.ping (8s)")
    );
    flags(&["ws.ping=9s"]).config();
}

#[test]
fn an_outbox_holds_one_payload() {
    let found = contradiction(&["ws.outbox=512KiB"]);
    assert!(matches!(found, Contradiction::OutboxBelowPayload { .. }));
    flags(&["ws.outbox=512KiB", "ingest.max_payload=512KiB"]).config();
}

#[test]
fn malformed_origins_are_refused() {
    for (origin, fault) in [
        ("example.com", "has no scheme"),
        ("://example.com", "has no scheme"),
        ("ht tps://example.com", "a space in its scheme"),
        ("ws://example.com", "write http for ws"),
        ("WSS://example.com", "https for wss"),
        ("https://", "has no host"),
        ("https://:443", "has no host"),
        ("https://:8443", "has no host"),
        ("https://*.", "has no host"),
        ("https://*.:443", "has no host"),
        ("https://example.com/", "contains a path, query"),
        ("https://example.com?a", "contains a path, query"),
        ("https://user@example.com", "contains a path, query"),
        ("https://*", "contains `*` inside the host"),
        ("https://a.*.example.com", "contains `*` inside the host"),
        ("https://*.*.example.com", "contains `*` inside the host"),
        ("https://a b", "contains a space"),
        ("https://*.a b:443", "contains a space"),
        ("https://żółw.example", "a character outside ASCII"),
        ("https://example.com:", "has a port that is not 1 to 65535"),
        ("https://example.com:0", "has a port that is not 1 to 65535"),
        (
            "https://example.com:99999",
            "has a port that is not 1 to 65535",
        ),
        (
            "https://example.com:+443",
            "has a port that is not 1 to 65535",
        ),
        (
            "https://example.com:0443",
            "has a port that is not 1 to 65535",
        ),
        (
            "https://example.com:https",
            "has a port that is not 1 to 65535",
        ),
        ("https://a:1:2", "has a colon"),
        ("https://::1", "has a colon"),
        ("https://[::1", "do not contain an IPv6 address"),
        ("https://[example.com]", "do not contain an IPv6 address"),
        ("https://*.[::1]", "has no subdomains"),
        ("https://.example.com", "an empty part"),
        ("https://*..example.com", "an empty part"),
        ("*,https://example.com", "allows any"),
    ] {
        let found = invalid_value("ws.origins", origin);
        assert!(found.contains(fault), "{origin}: {found}");
    }
    flags(&["ws.origins=*"]).config();
}

#[test]
fn well_formed_origins_are_accepted() {
    for origins in [
        "null,https://*.example.com",
        "https://example.com:443,http://localhost:65535",
        "http://127.0.0.1:3000,http://[::1]:3000,http://[::1]",
        "https://*.example.com:8443,http://*.localhost:80",
        "chrome-extension://abcdef,capacitor://localhost",
        "https://example.com.,https://a_b.xn--bcher-kva.example",
    ] {
        flags(&[&format!("ws.origins={origins}")]).config();
    }
}

#[test]
fn two_sockets_cannot_share_an_address() {
    for overrides in [
        &["admin.listen=127.0.0.1:8000"][..],
        &["ws.listen=127.0.0.1:8001"],
        &["ingest.pull=tcp://*:5562"],
        &["ingest.pull=tcp://127.0.0.1:8000"],
        &["ingest.pull=ipc:///tmp/a", "ingest.sub=ipc:///tmp/a"],
        &["ingest.pull=tcp://10.0.0.1:1,tcp://10.0.0.1:1"],
        &["ingest.pull=tcp://lo:1,tcp://lo:1"],
    ] {
        let found = contradiction(overrides);
        assert!(
            matches!(found, Contradiction::SameAddress { .. }),
            "{overrides:?}: {found}"
        );
    }
    flags(&["ws.listen=127.0.0.1:0", "admin.listen=127.0.0.1:0"]).config();
    flags(&["ingest.pull=tcp://10.0.0.1:1,tcp://10.0.0.2:1"]).config();
}

#[test]
fn malformed_endpoints_are_refused() {
    for (endpoint, fault) in [
        ("udp://127.0.0.1:1", "is neither tcp:// nor ipc://"),
        ("inproc://a", "is neither"),
        ("tcp://127.0.0.1", "has no port"),
        ("tcp://127.0.0.1:x", "has an invalid port"),
        ("tcp://:5560", "has no host"),
        ("ipc://", "has no path"),
    ] {
        let found = invalid_value("ingest.router", endpoint);
        assert!(found.contains(fault), "{endpoint}: {found}");
    }
    let long = format!("ipc:///{}", "x".repeat(200));
    assert!(invalid_value("ingest.pull", &long).contains("too long"));
    flags(&["ingest.pull=tcp://127.0.0.1:*,ipc://@abstract,tcp://[::1]:5560"]).config();
}

#[test]
fn malformed_secrets_are_refused_and_secrets_are_hidden() {
    for (pairs, fault) in [
        ("alice", "entry 1 has no `:`"),
        ("a:b,:x", "entry 2 has an empty user"),
        (
            "a:b,a:c",
            "entry 2 names a user that an earlier entry names",
        ),
    ] {
        let found = invalid_value("ingest.plain", pairs);
        assert!(found.contains(fault), "{pairs}: {found}");
    }
    assert!(invalid_value("admin.token", "").contains("the token is empty"));
    assert!(invalid_value("admin.token", "a b").contains("the token has characters"));
    // The secret is not shown in the error either.
    assert_eq!(
        flags(&["ingest.plain=hunter2"]).text(),
        "-s ingest.plain=***: ingest.plain: entry 1 has no `:` between user and password"
    );
    assert_eq!(
        file("admin.token = \"hunter 2\"").text(),
        "fanfare.toml:1:15: admin.token: the token has characters that an HTTP header cannot carry"
    );
    let found = invalid_value("admin.api_keys", r#"["one", ""]"#);
    assert!(found.contains("entry 2 is empty"), "{found}");
    let found = invalid_value("admin.api_keys", "one,two 2");
    assert!(found.contains("entry 2 has characters"), "{found}");
    assert!(!found.contains("two"), "{found}");
    let config = flags(&["admin.api_keys=hunter2,other"]).config();
    assert_eq!(config.admin.api_keys.len(), 2);
    let shown = config.differences().join("\n");
    assert!(!shown.contains("hunter2"), "{shown}");
    let config = flags(&["ingest.plain=alice:hunter2", "admin.token=hunter2"]).config();
    let shown = config.differences().join("\n");
    assert!(
        shown.contains("alice:***") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn cores_of_another_host_are_refused() {
    assert_eq!(
        contradiction(&["cpu.cores=0,9"]).to_string(),
        "cpu.cores: this process may not run on core 9; allowed cores: 0, 1, 2, 3"
    );
    assert_eq!(
        contradiction(&["cpu.cores=1,1"]),
        Contradiction::CoreTwice { core: 1 }
    );
    assert_eq!(
        contradiction(&["cpu.shards=5"]),
        Contradiction::MoreShardsThanCores {
            shards: 5,
            cores: 4
        }
    );
    assert_eq!(
        contradiction(&["cpu.shards=3", "cpu.cores=0,1"]),
        Contradiction::MoreShardsThanCores {
            shards: 3,
            cores: 2
        }
    );
    flags(&["cpu.shards=4"]).config();
}

#[test]
fn words_that_are_not_levels_are_refused() {
    for level in ["inof", "info,verbose", "fanfare=loud", ""] {
        let found = invalid_value("log.level", level);
        assert!(found.starts_with(&format!("`{level}`: ")), "{found}");
    }
    flags(&["log.level=warn,fanfare::ingest=trace"]).config();
}

#[test]
fn invalid_and_repeated_names_of_namespaces_are_refused() {
    let twice = "[[namespace]]\nname = 'a'\n[[namespace]]\nname = 'a'";
    assert_eq!(
        file(twice).text(),
        "fanfare.toml:4:1: namespace `a` is given twice; remove one"
    );
    assert!(
        contradiction(&["namespace.a:b.publish=true"])
            .to_string()
            .contains("`:`")
    );
    let control = file("[[namespace]]\nname = \"a\\u0007\"").text();
    assert_eq!(
        control,
        "fanfare.toml:2:1: namespace `a\\u{7}` contains a control character, which no topic may contain"
    );
    let long = format!("namespace.{}.publish=true", "n".repeat(255));
    assert!(
        contradiction(&[&long])
            .to_string()
            .contains("longer than a topic")
    );
}

#[test]
fn a_part_of_the_load_cannot_be_zero() {
    for key in [
        "load.egress",
        "load.lag",
        "load.queued",
        "load.memory",
        "load.connections",
    ] {
        let found = contradiction(&[&format!("{key}=0")]);
        assert!(matches!(found, Contradiction::Zero { key: found, .. } if found == key));
    }
    for key in ["load.cpu", "load.rise"] {
        let found = contradiction(&[&format!("{key}=0%")]);
        assert!(matches!(found, Contradiction::Zero { key: found, .. } if found == key));
    }
}

#[test]
fn levels_of_advice_are_in_order() {
    assert_eq!(
        contradiction(&["scale.in_below=80%"]).to_string(),
        "scale.in_below (80%) must be below scale.out_above (70%); otherwise fanfare advises \
         adding and removing nodes at the same load"
    );
    let found = contradiction(&["scale.urgent_above=70%"]);
    assert!(matches!(found, Contradiction::Disorder { .. }));
}

#[test]
fn the_agent_port_has_its_own_address() {
    let found = contradiction(&["agent.listen=127.0.0.1:8001"]);
    assert!(matches!(
        found,
        Contradiction::SameAddress {
            first: "admin.listen",
            second: "agent.listen",
            ..
        }
    ));
}

#[test]
fn the_token_for_scraping_needs_another_token_for_everything_else() {
    let scrape = "admin.scrape_token=s3cret";
    assert!(
        flags(&[scrape])
            .text()
            .contains("is set without admin.token")
    );
    let same = flags(&[scrape, "admin.token=s3cret"]).text();
    assert!(same.contains("is the same as admin.token"), "{same}");
    assert!(!same.contains("s3cret"), "{same}");
    let config = flags(&[scrape, "admin.token=other"]).config();
    assert!(config.admin.scrape_token.is_some());
}
