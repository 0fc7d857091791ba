//! Every contradiction is refused, and says what it is.

use std::time::Duration;

use fanfare::config::Contradiction;

use crate::loader::{contradiction, file, flags};

#[test]
fn zeros_that_would_let_nothing_pass_are_refused() {
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
            other => panic!("{key} gave {other}"),
        }
    }
    assert_eq!(
        flags(&["drain.period=0"]).config().drain.period,
        Duration::ZERO
    );
}

#[test]
fn ceilings_hold() {
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
fn a_shared_frame_is_small_enough_to_be_gathered() {
    assert_eq!(
        contradiction(&["ws.batch=15KiB"]).to_string(),
        "ws.batch is 15KiB, above its ceiling of 14KiB"
    );
    assert_eq!(flags(&["ws.batch=14KiB"]).config().ws.batch, 14 * 1024);
    assert_eq!(flags(&["ws.batch=0"]).config().ws.batch, 0);
}

#[test]
fn a_pong_is_due_before_the_next_ping() {
    let found = contradiction(&["ws.ping=8s"]);
    assert!(matches!(found, Contradiction::PongAfterPing { .. }));
    assert!(
        found
            .to_string()
            .starts_with("ws.pong_timeout (8s) is not shorter than ws.ping (8s)")
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
fn origins_are_whole_origins() {
    for (origin, fault) in [
        ("example.com", "has no scheme"),
        ("https://", "has no host"),
        ("https://example.com/", "more than a host"),
        ("https://a.*.example.com", "only in front"),
        ("*,https://example.com", "allows any"),
    ] {
        let found = contradiction(&[&format!("ws.origins={origin}")]).to_string();
        assert!(found.contains(fault), "{origin}: {found}");
    }
    flags(&["ws.origins=*"]).config();
    flags(&["ws.origins=null,https://*.example.com"]).config();
}

#[test]
fn no_two_sockets_share_an_address() {
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
fn endpoints_are_tcp_or_ipc() {
    for (endpoint, fault) in [
        ("udp://127.0.0.1:1", "is neither tcp:// nor ipc://"),
        ("inproc://a", "is neither"),
        ("tcp://127.0.0.1", "has no port"),
        ("tcp://127.0.0.1:x", "has a port that is none"),
        ("tcp://:5560", "has no host"),
        ("ipc://", "has no path"),
    ] {
        let found = contradiction(&[&format!("ingest.router={endpoint}")]).to_string();
        assert!(found.contains(fault), "{endpoint}: {found}");
    }
    let long = format!("ingest.pull=ipc:///{}", "x".repeat(200));
    assert!(contradiction(&[&long]).to_string().contains("too long"));
    flags(&["ingest.pull=tcp://127.0.0.1:*,ipc://@abstract,tcp://[::1]:5560"]).config();
}

#[test]
fn secrets_are_well_formed_and_stay_secret() {
    for (pairs, fault) in [
        ("alice", "entry 1 has no `:`"),
        ("a:b,:x", "entry 2 has an empty user"),
        (
            "a:b,a:c",
            "entry 2 names a user that an earlier entry names",
        ),
    ] {
        let found = contradiction(&[&format!("ingest.plain={pairs}")]).to_string();
        assert!(found.contains(fault), "{pairs}: {found}");
    }
    assert!(matches!(
        contradiction(&["admin.token="]),
        Contradiction::Token { .. }
    ));
    assert!(matches!(
        contradiction(&["admin.token=a b"]),
        Contradiction::Token { .. }
    ));
    let config = flags(&["ingest.plain=alice:hunter2", "admin.token=hunter2"]).config();
    let shown = config.differences().join("\n");
    assert!(
        shown.contains("alice:***") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn cores_are_those_of_the_host() {
    assert_eq!(
        contradiction(&["cpu.cores=0,9"]).to_string(),
        "cpu.cores: core 9 is not one this process may use (0, 1, 2, 3)"
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
fn log_levels_are_levels() {
    for level in ["inof", "info,verbose", "fanfare=loud", ""] {
        let found = contradiction(&[&format!("log.level={level}")]);
        assert!(
            matches!(found, Contradiction::LogLevel { .. }),
            "{level}: {found}"
        );
    }
    flags(&["log.level=warn,fanfare::ingest=trace"]).config();
}

#[test]
fn namespaces_have_one_name_each() {
    let twice = "[[namespace]]\nname = 'a'\n[[namespace]]\nname = 'a'";
    assert_eq!(file(twice).text(), "namespace `a` is given twice");
    assert!(
        contradiction(&["namespace.a:b.publish=true"])
            .to_string()
            .contains("`:`")
    );
    let control = file("[[namespace]]\nname = \"a\\u0007\"").text();
    assert_eq!(
        control,
        "namespace `a\\u{7}` has a control character, which no topic may hold"
    );
    let long = format!("namespace.{}.publish=true", "n".repeat(255));
    assert!(
        contradiction(&[&long])
            .to_string()
            .contains("longer than a topic")
    );
}

#[test]
fn a_measure_of_nothing_is_refused() {
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
fn advice_does_not_contradict_itself() {
    assert_eq!(
        contradiction(&["scale.in_below=80%"]).to_string(),
        "scale.in_below (80%) is not below scale.out_above (70%): advice would contradict itself"
    );
    let found = contradiction(&["scale.urgent_above=70%"]);
    assert!(matches!(found, Contradiction::Disorder { .. }));
}

#[test]
fn the_agent_has_an_address_of_its_own() {
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
