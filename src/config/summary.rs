//! The differences of a configuration from the defaults, warnings about likely mistakes, and who
//! can use the server. Used on the main thread.

use std::fmt;

use super::auth_warnings::auth_warnings;
use super::configuration::Config;
use super::hook::HookKind;
use super::listeners;
use super::registry::{self, NAMESPACE_KEYS};
use super::tables::{AuthMode, Namespace};

/// Writes the differences from the defaults. Passwords are hidden, because the configuration may be
/// logged.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.differences()).finish()
    }
}

impl Config {
    /// Returns every key that differs from its default, as `section.key = value`, and every
    /// namespace. Passwords are hidden.
    pub fn differences(&self) -> Vec<String> {
        let default = Self::default();
        let mut lines: Vec<_> = registry::keys()
            .filter(|key| !(key.is_same)(self, &default))
            .map(|key| format!("{} = {}", key.name, (key.show)(self)))
            .collect();
        let inherited = Namespace::inherited(&self.ws);
        for namespace in self.namespaces.iter().filter(|each| **each != inherited) {
            let values: Vec<_> = NAMESPACE_KEYS
                .iter()
                .filter(|key| key.name != "name")
                .map(|key| format!("{} {}", key.name, (key.show)(namespace)))
                .collect();
            let name = &namespace.name;
            lines.push(format!("namespace {name:?}: {}", values.join(", ")));
        }
        lines
    }

    /// Describes who can use the server: whether clients are authenticated, and which sockets may
    /// be reachable from other hosts.
    pub fn exposure(&self) -> String {
        let reachable = match listeners::reachable_from_other_hosts(self).as_slice() {
            [] => "none".to_owned(),
            sockets => sockets.join(", "),
        };
        let has_hook = self.auth.hooks.get(HookKind::Connect).is_some();
        let clients = match self.auth.mode() {
            AuthMode::Open if self.auth.insecure => {
                "clients are not authenticated: everyone who reaches ws.listen may subscribe to \
                 every topic"
            }
            AuthMode::Open => {
                "only clients of this host can connect, because clients are not authenticated: to \
                 admit clients of other hosts, set a key of [auth.token], and ws.listen to an \
                 address of this host or 0.0.0.0:8000"
            }
            AuthMode::Enforced if self.auth.allow_anonymous => {
                "clients are authenticated by tokens, or anonymous without one"
            }
            AuthMode::Enforced if has_hook => "clients are authenticated by tokens or by a hook",
            AuthMode::Enforced => "clients are authenticated by tokens",
        };
        format!("{clients}; listening for other hosts: {reachable}")
    }

    /// Returns a sentence for every setting that is valid but probably a mistake.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(listen) = self.admin.listen
            && !listen.ip().is_loopback()
            && self.admin.token.is_none()
        {
            warnings.push(format!(
                "admin.listen ({listen}) is not a loopback address and admin.token is not set: \
                 every host that reaches it can publish"
            ));
        }
        let ingest = &self.ingest;
        let is_open = ingest.allow.is_empty() && ingest.plain.is_empty();
        // Rules that admit everyone are chosen.
        if is_open && ingest.publish_allow.is_empty() {
            let endpoints = [&ingest.pull, &ingest.sub, &ingest.router];
            for endpoint in endpoints.into_iter().flatten() {
                if endpoint.is_reachable_from_other_hosts() {
                    warnings.push(format!(
                        "{endpoint} is not a loopback address, and none of ingest.allow, \
                         ingest.plain and ingest.publish_allow is set: every host that reaches \
                         it can publish"
                    ));
                }
            }
        }
        if self.ws.echo {
            warnings.push("ws.echo is on: /echo is for conformance tests".into());
        }
        warnings.extend(auth_warnings(self));
        warnings
    }
}
