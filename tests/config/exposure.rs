//! Settings that decide who can use the server: addresses beyond loopback, which need
//! authentication of clients or the choice of the operator, and the rules for publishers.

use fanfare::config::{Config, Contradiction, live_changes};

use crate::loader::{contradiction, file, flags, invalid_value, source};

const SECRET: &str = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";

#[test]
fn the_default_is_a_loopback_address() {
    let listen = Config::default().ws.listen;
    assert_eq!(listen.to_string(), "127.0.0.1:8000");
}

#[test]
fn other_addresses_need_authentication_or_the_operators_word() {
    for address in [
        "0.0.0.0:8000",
        "[::]:8000",
        "10.0.0.1:8000",
        "128.0.0.1:8000",
        "126.255.255.255:8000",
        "[::ffff:10.0.0.1]:8000",
        "[::ffff:0.0.0.0]:8000",
        "[::2]:8000",
        "[fe80::1]:8000",
        "0.0.0.0:0",
    ] {
        let listen = format!("ws.listen={address}");
        let found = contradiction(&[&listen]);
        assert!(
            matches!(found, Contradiction::OpenToOtherHosts { .. }),
            "{address}: {found}"
        );
        for allowed in [SECRET, "auth.insecure=true", "auth.allow_anonymous=true"] {
            flags(&[&listen, allowed]).config();
        }
    }
    for address in [
        "127.0.0.1:9000",
        "127.255.0.9:8000",
        "[::1]:8000",
        "[::ffff:127.0.0.1]:8000",
    ] {
        flags(&[&format!("ws.listen={address}")]).config();
    }
}

#[test]
fn the_error_names_the_key_the_reason_and_both_remedies_in_one_line() {
    assert_eq!(
        file("[ws]\nlisten = '0.0.0.0:8000'").text(),
        "fanfare.toml:2:10: ws.listen (0.0.0.0:8000) is not a loopback address, and clients are \
         not authenticated, so everyone who reaches it could subscribe to every topic; set a key \
         of [auth.token], or auth.insecure = true to let everyone connect"
    );
}

#[test]
fn settings_that_equal_the_defaults_do_not_open_the_port() {
    let listen = ("FANFARE_WS_LISTEN", "0.0.0.0:8000");
    for equal in [
        ("FANFARE_AUTH_INSECURE", "false"),
        ("FANFARE_AUTH_ALLOW_ANONYMOUS", "false"),
        ("FANFARE_AUTH_TOKEN_AUDIENCE", ""),
        ("FANFARE_AUTH_TOKEN_USER_ID_CLAIM", "sub"),
        ("FANFARE_AUTH_PRIVATE_PREFIX", "$"),
    ] {
        let text = source(None, &[listen, equal], &[]).text();
        assert!(
            text.contains("is not a loopback address"),
            "{equal:?}: {text}"
        );
    }
    // An empty secret is an error of its own, not a default.
    for key in ["TOKEN", "SUBSCRIPTION_TOKEN"] {
        let name = format!("FANFARE_AUTH_{key}_HMAC_SECRET_KEY");
        let text = source(None, &[listen, (&name, "")], &[]).text();
        assert!(text.contains("the secret is empty"), "{text}");
    }
    let empty = file("[ws]\nlisten = '[::]:8000'\n[auth]\n[auth.token]\n").text();
    assert!(empty.contains("is not a loopback address"), "{empty}");
}

#[test]
fn a_reload_cannot_open_a_port_that_other_hosts_reach() {
    let listen = "ws.listen=0.0.0.0:8000";
    let running = flags(&[listen, SECRET]).config();
    // These are valid by themselves. The process keeps its listener.
    for new in [&[][..], &["ws.listen=127.0.0.1:8000"], &["ws.max_topics=5"]] {
        let changes = live_changes(&running, &flags(new).config());
        let refused = changes.check_open();
        assert!(
            matches!(refused, Err(Contradiction::OpenToOtherHosts { .. })),
            "{new:?}"
        );
    }
    for new in [&[listen, "auth.insecure=true"][..], &[SECRET]] {
        let changes = live_changes(&running, &flags(new).config());
        assert_eq!(changes.check_open(), Ok(()), "{new:?}");
    }
    let local = flags(&[SECRET]).config();
    let changes = live_changes(&local, &Config::default());
    assert_eq!(changes.check_open(), Ok(()), "clients of this host");
}

#[test]
fn rules_for_publishers_name_known_users_and_are_shown_as_they_are_written() {
    let key = "ingest.publish_allow";
    assert!(invalid_value(key, "orders:*").contains("`orders:*` has no `=`"));
    assert!(invalid_value(key, "ann=*").contains("must begin with `user:NAME`"));
    let found = contradiction(&["ingest.plain=ann:x", "ingest.publish_allow=user:bob=*"]);
    assert_eq!(
        found,
        Contradiction::UnknownPublisher { user: "bob".into() }
    );
    let settings = [
        "ingest.plain=ann:x",
        "ingest.publish_allow=user:ann=orders:*,10.0.0.0/8=news",
    ];
    let lines = flags(&settings).config().differences();
    let line = r#"ingest.publish_allow = ["user:ann=orders:*", "10.0.0.0/8=news"]"#;
    assert!(lines.iter().any(|each| each == line), "{lines:?}");
    // Rules are a choice, so an endpoint that other hosts reach needs no warning.
    let endpoint = "ingest.pull=tcp://*:5560";
    assert_eq!(flags(&[endpoint]).config().warnings().len(), 1);
    let with_rules = flags(&[endpoint, "ingest.publish_allow=10.0.0.0/8=*"]).config();
    assert!(with_rules.warnings().is_empty());
}
