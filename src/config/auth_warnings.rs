//! Warnings about settings of tokens and permissions that are valid but probably a mistake. Used on
//! the main thread.

use super::configuration::Config;
use super::http_url::HttpUrl;
use super::tables::{AuthConfig, AuthMode, Namespace, TokenKeys};
use super::token_keys::HmacSecret;
use crate::limits;

/// Returns a sentence for every such setting.
pub(super) fn auth_warnings(config: &Config) -> Vec<String> {
    let auth = &config.auth;
    let mut warnings = Vec::new();
    if auth.insecure {
        let text =
            "auth.insecure is on: everyone may connect and subscribe, and tokens are ignored";
        warnings.push(text.into());
    }
    let tables = [
        ("auth.token", auth.connection_keys()),
        ("auth.subscription_token", auth.subscription_token.keys()),
    ];
    for (table, keys) in tables {
        warnings.extend(short_secrets(table, keys));
        if keys.key_set.is_some() && keys.has_own_key() {
            warnings.push(format!(
                "{table}.jwks_public_endpoint is set, so the other keys of [{table}] are not used"
            ));
        }
    }
    warnings.extend(unencrypted_key_sets(auth));
    let has_settings = auth.subscription_token != AuthConfig::default().subscription_token;
    if has_settings && auth.subscription_keys().is_none() {
        let text = "auth.subscription_token has no key, so its other settings have no effect";
        warnings.push(text.into());
    }
    let namespaces = config.namespaces.iter();
    warnings.extend(namespaces.filter_map(|namespace| without_effect(auth, namespace)));
    warnings
}

/// Returns a warning for each key set of another host whose URL is not encrypted. A host between
/// this one and the issuer could replace the keys.
fn unencrypted_key_sets(auth: &AuthConfig) -> Vec<String> {
    let tables = [
        ("auth.token", auth.token.keys()),
        ("auth.subscription_token", auth.subscription_token.keys()),
    ];
    let is_exposed = |url: &HttpUrl| !url.is_https() && !url.is_loopback();
    let exposed = tables
        .into_iter()
        .filter(|(_, keys)| keys.key_set.is_some_and(is_exposed));
    let warnings = exposed.map(|(table, _)| {
        format!(
            "{table}.jwks_public_endpoint does not begin with https://: a host between this one and \
             the issuer can replace the keys, and make tokens for every user"
        )
    });
    warnings.collect()
}

fn short_secrets(table: &str, keys: TokenKeys<'_>) -> Vec<String> {
    let secrets = [
        ("hmac_secret_key", keys.hmac_secret),
        ("hmac_previous_secret_key", keys.hmac_previous_secret),
    ];
    let short = secrets
        .into_iter()
        .filter(|(_, secret)| secret.is_some_and(HmacSecret::is_short));
    let bytes = limits::HMAC_SECRET_BYTES;
    let warnings = short.map(|(key, _)| {
        format!(
            "{table}.{key} is shorter than {bytes} bytes: a client may find it by guessing; \
             `openssl rand -base64 32` makes a better one"
        )
    });
    warnings.collect()
}

/// Returns the warning about permissions that do not apply in the mode of the configuration.
fn without_effect(auth: &AuthConfig, namespace: &Namespace) -> Option<String> {
    let name = &namespace.name;
    let may_publish = namespace.allow_publish_for_client
        || namespace.allow_publish_for_subscriber
        || namespace.publish_hook;
    match auth.mode() {
        AuthMode::Open if !auth.insecure && has_permissions(namespace) => Some(format!(
            "namespace {name:?} has permissions, but [auth] is not set: every client may subscribe \
             to every topic"
        )),
        AuthMode::Enforced if namespace.publish && !may_publish => Some(format!(
            "namespace {name:?} has publish = true, which has no effect with [auth]: set \
             allow_publish_for_client or allow_publish_for_subscriber"
        )),
        AuthMode::Open | AuthMode::Enforced => None,
    }
}

fn has_permissions(namespace: &Namespace) -> bool {
    namespace.allow_subscribe_for_client
        || namespace.allow_subscribe_for_anonymous
        || namespace.allow_publish_for_client
        || namespace.allow_publish_for_subscriber
        || namespace.allow_publish_for_anonymous
        || namespace.allow_user_limited_channels
        || namespace.subscribe_hook
        || namespace.publish_hook
        || namespace.sub_refresh_hook
        || namespace.channel_regex.is_some()
}
