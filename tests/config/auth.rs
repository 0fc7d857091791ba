//! The tables of `[auth]`: keys that are refused, what is never shown, the mode, and warnings.

use fanfare::config::{AuthMode, Contradiction, live_changes};
use serde_json::Value;

use crate::loader::{Loader, contradiction, file, flags, invalid_value};

/// Returns a public key that `tests/access/make_tokens.py` made.
fn public_key(name: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("../access/tokens.json")).expect("JSON");
    let key = all["keys"][name]["public"].as_str();
    key.expect("the file has the key").into()
}

fn with_key(key: &str, name: &str) -> Loader {
    let pem = public_key(name);
    file(&format!("[auth.token]\n{key} = \"\"\"\n{pem}\"\"\"\n"))
}

#[test]
fn the_types_of_keys_are_checked() {
    for (key, name) in [
        ("rsa_public_key", "rsa"),
        ("ecdsa_public_key", "p256"),
        ("ecdsa_public_key", "p384"),
        ("ed25519_public_key", "ed25519"),
    ] {
        let config = with_key(key, name).config();
        assert_eq!(config.auth.mode(), AuthMode::Enforced);
        assert!(config.warnings().is_empty());
    }
    for (key, name, fault) in [
        ("rsa_public_key", "p256", "the key is not an RSA public key"),
        (
            "rsa_public_key",
            "rsa1024",
            "the key is shorter than 2048 bits",
        ),
        (
            "ecdsa_public_key",
            "rsa",
            "the key is not an ECDSA public key",
        ),
        ("ecdsa_public_key", "p521", "use P-256 (ES256) or P-384"),
        ("ecdsa_public_key", "k256", "use P-256 (ES256) or P-384"),
        (
            "ed25519_public_key",
            "p256",
            "the key is not an Ed25519 public",
        ),
    ] {
        let text = with_key(key, name).text();
        let begin = format!(
            "fanfare.toml:2:{}: auth.token.{key}: the key ",
            key.len() + 4
        );
        assert!(text.starts_with(&begin), "{text}");
        assert!(text.contains(fault), "{text}");
    }
}

#[test]
fn values_that_are_no_public_key_are_refused_without_being_shown() {
    for (value, fault) in [
        (
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0",
            "openssl pkey -pubout",
        ),
        (
            "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0",
            "openssl pkey -pubout",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nc2VjcmV0",
            "openssl x509 -pubkey",
        ),
        ("-----BEGIN PUBLIC KEY-----\nc2VjcmV0", "is not"),
        ("c2VjcmV0", "does not begin with -----BEGIN PUBLIC KEY-----"),
        ("", "does not begin with"),
    ] {
        for key in ["rsa_public_key", "ecdsa_public_key", "ed25519_public_key"] {
            let text = flags(&[&format!("auth.subscription_token.{key}={value}")]).text();
            assert!(text.contains(fault), "{text}");
            assert!(!text.contains("c2VjcmV0"), "{text}");
        }
    }
    let secret = "auth.token.hmac_secret_key";
    assert!(invalid_value(secret, "").contains("the secret is empty"));
    let pem = public_key("rsa");
    assert!(invalid_value(secret, &pem).contains("set it as rsa_public_key"));
    let number = file("[auth.token]\nhmac_secret_key = 12345678").text();
    assert!(number.ends_with("expected text"), "{number}");
}

#[test]
fn secrets_and_keys_are_never_shown() {
    let secret = "hunter2hunter2hunter2hunter2hunter2";
    let config = flags(&[
        &format!("auth.token.hmac_secret_key={secret}"),
        &format!("auth.subscription_token.hmac_previous_secret_key={secret}"),
        &format!("auth.token.rsa_public_key={}", public_key("rsa")),
    ])
    .config();
    let shown = format!(
        "{config:?} {:?} {}",
        config.auth,
        config.differences().join("\n")
    );
    assert!(
        !shown.contains("hunter2") && !shown.contains("BEGIN"),
        "{shown}"
    );
    let line = "auth.token.hmac_secret_key = ***".to_owned();
    assert!(config.differences().contains(&line), "{shown}");
}

#[test]
fn any_setting_enforces_tokens_unless_insecure() {
    let secret = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";
    let mode = |settings: &[&str]| flags(settings).config().auth.mode();
    assert_eq!(mode(&[]), AuthMode::Open);
    assert_eq!(mode(&["auth.insecure=true"]), AuthMode::Open);
    assert_eq!(mode(&[secret]), AuthMode::Enforced);
    assert_eq!(mode(&["auth.allow_anonymous=true"]), AuthMode::Enforced);
    assert_eq!(mode(&[secret, "auth.insecure=true"]), AuthMode::Open);
    let subscription = secret.replacen("token", "subscription_token", 1);
    for setting in [
        "auth.private_prefix=%",
        "auth.token.issuer=me",
        &subscription,
    ] {
        let found = contradiction(&[setting]);
        assert!(
            matches!(found, Contradiction::AuthWithoutKey { .. }),
            "{found}"
        );
        assert_eq!(mode(&[setting, secret]), AuthMode::Enforced);
    }
    let text = file("[auth]\nprivate_prefix = '%'").text();
    let begin = "fanfare.toml:2:18: auth is set, but no client could connect; set a key of";
    assert!(text.starts_with(begin), "{text}");
}

#[test]
fn a_claim_with_another_meaning_cannot_name_the_user() {
    let key = "auth.token.user_id_claim";
    assert!(invalid_value(key, "exp").contains("it has another meaning"));
    assert!(invalid_value(key, "").contains("expected the name of a claim"));
}

#[test]
fn patterns_of_channels_are_checked_and_bounded() {
    let text = flags(&["namespace.a.channel_regex=("]).text();
    assert!(text.contains("`(` is not a regular expression"), "{text}");
    let text = flags(&["namespace.a.channel_regex=(a{1000}){1000}"]).text();
    assert!(text.contains("is too large"), "{text}");
    let config = flags(&["namespace.a.channel_regex=^[0-9]+$"]).config();
    let regex = config.namespace("a:1").channel_regex.as_ref();
    assert!(regex.is_some_and(|regex| regex.matches("42") && !regex.matches("4x")));
    let config = flags(&["namespace.a.channel_regex="]).config();
    assert_eq!(config.namespace("a:1").channel_regex, None);
}

#[test]
fn the_prefix_of_private_topics_is_not_part_of_the_namespace() {
    let setting = "namespace.a.allow_publish_for_client=true";
    let config = flags(&[setting, "auth.allow_anonymous=true"]).config();
    let may_publish = |topic| config.namespace(topic).allow_publish_for_client;
    assert!(may_publish("a:1") && may_publish("$a:1") && !may_publish("$b:1"));
    let open = flags(&["namespace.a.payload=text"]).config();
    assert_eq!(
        open.namespace("$a:1").name,
        "",
        "no topic is private in the open mode"
    );
}

#[test]
fn likely_mistakes_have_a_warning() {
    let short = "auth.token.hmac_secret_key=secret";
    let long = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";
    for (settings, begin) in [
        (
            &[short][..],
            "auth.token.hmac_secret_key is shorter than 32",
        ),
        (&["auth.insecure=true"], "auth.insecure is on"),
        (
            &["namespace.a.allow_subscribe_for_client=true"],
            "namespace \"a\" has permissions, but [auth] is not set",
        ),
        (
            &[long, "namespace.a.publish=true"],
            "namespace \"a\" has publish = true",
        ),
        (
            &[long, "auth.subscription_token.issuer=me"],
            "auth.subscription_token has no key",
        ),
    ] {
        let warnings = flags(settings).config().warnings();
        let [warning] = warnings.as_slice() else {
            panic!("{settings:?}: {warnings:?}");
        };
        assert!(warning.starts_with(begin), "{warning}");
        assert!(!warning.contains("secret:"), "{warning}");
    }
    let settings = [long, "namespace.a.allow_publish_for_client=true"];
    assert!(flags(&settings).config().warnings().is_empty());
    let exposure = flags(&[long]).config().exposure();
    assert!(exposure.starts_with("clients are authenticated by tokens;"));
}

#[test]
fn a_reload_changes_keys() {
    let old = with_key("rsa_public_key", "rsa").config();
    let new = with_key("ecdsa_public_key", "p256").config();
    let changes = live_changes(&old, &new);
    assert_eq!(
        changes.changed,
        ["auth.token.rsa_public_key", "auth.token.ecdsa_public_key"]
    );
    assert!(changes.needs_restart.is_empty());
    assert_eq!(changes.applied, new);
    assert!(live_changes(&new, &new).changed.is_empty());
}

#[test]
fn the_namespace_of_personal_channels_must_exist() {
    let secret = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";
    let personal = "auth.personal_channel_namespace=inbox";
    let missing = Contradiction::PersonalNamespace {
        name: "inbox".into(),
    };
    assert_eq!(contradiction(&[secret, personal]), missing);
    let namespace = "namespace.inbox.publish=false";
    let config = flags(&[secret, personal, namespace]).config();
    assert!(!config.auth.personal_channel);
}

#[test]
fn personal_channels_name_their_users() {
    let settings = [
        "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef",
        "auth.user_boundary=",
        "auth.personal_channel=true",
    ];
    assert_eq!(contradiction(&settings), Contradiction::PersonalBoundary);
    assert!(flags(&settings[..2]).config().auth.user_boundary.is_empty());
}

#[test]
fn keys_over_an_unencrypted_connection_have_a_warning() {
    let warnings = |url: &str| {
        let setting = format!("auth.token.jwks_public_endpoint={url}");
        flags(&[&setting]).config().warnings()
    };
    for url in [
        "https://issuer.example/keys",
        "http://localhost:3000/keys",
        "http://127.0.0.1/keys",
        "http://[::1]/keys",
    ] {
        assert!(warnings(url).is_empty(), "{url}");
    }
    let warnings = warnings("http://issuer.example/keys");
    let begin = "auth.token.jwks_public_endpoint does not begin with https://: ";
    assert!(warnings[0].starts_with(begin), "{warnings:?}");
}

#[test]
fn the_limit_on_connections_of_a_user_needs_a_restart() {
    let secret = "auth.token.hmac_secret_key=0123456789abcdef0123456789abcdef";
    let old = flags(&[secret]).config();
    let new = flags(&[secret, "auth.user_connection_limit=5"]).config();
    let changes = live_changes(&old, &new);
    assert_eq!(changes.needs_restart, ["auth.user_connection_limit"]);
    assert_eq!(changes.applied.auth.user_connection_limit, 0);
}
