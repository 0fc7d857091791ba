//! What a configuration says of itself: what is not at its default, and what is likely a mistake.
//! Pure; used where configuration is checked and logged.

use std::fmt;

use super::{Config, KEYS, Key, Namespace, form};

/// What is not at its default, with passwords hidden: configuration may end up in a log.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.differences()).finish()
    }
}

impl Config {
    /// Every key that is not at its default, as `section.key = value`; passwords stay hidden.
    pub fn differences(&self) -> Vec<String> {
        let default = Self::default();
        let differs = |key: &&Key| !(key.same)(self, &default);
        let line = |key: &Key| format!("{} = {}", key.name, (key.show)(self));
        let mut lines: Vec<_> = KEYS.iter().filter(differs).map(line).collect();
        for namespace in &self.namespaces {
            let Namespace {
                name,
                payload,
                slow,
                publish,
                deflate,
            } = namespace;
            let inherited = Namespace {
                slow: self.ws.slow,
                ..default.namespaces[0].clone()
            };
            if *namespace != inherited {
                let (payload, slow) = ((form::PAYLOAD.show)(payload), (form::SLOW.show)(slow));
                lines.push(format!(
                    "namespace {name:?}: payload {payload}, slow {slow}, publish {publish}, \
                     deflate {deflate}"
                ));
            }
        }
        lines
    }

    /// What works and is still likely a mistake, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(listen) = self.admin.listen
            && !listen.ip().is_loopback()
            && self.admin.token.is_none()
        {
            warnings.push(format!(
                "admin.listen ({listen}) is not loopback and admin.token is not set: whoever \
                 reaches it can publish"
            ));
        }
        let ingest = &self.ingest;
        let open = ingest.allow.is_empty() && ingest.plain.is_empty();
        let endpoints = [&ingest.pull, &ingest.sub, &ingest.router]
            .into_iter()
            .flatten();
        let exposed = |endpoint: &&String| {
            endpoint.starts_with("tcp://")
                && !endpoint.starts_with("tcp://127.")
                && !endpoint.starts_with("tcp://localhost:")
                && !endpoint.starts_with("tcp://[::1]:")
        };
        for endpoint in endpoints.filter(exposed).filter(|_| open) {
            warnings.push(format!(
                "{endpoint} is not loopback, and neither ingest.allow nor ingest.plain is set: \
                 whoever reaches it can publish"
            ));
        }
        if self.ws.echo {
            warnings.push("ws.echo is on: /echo is for conformance tests".into());
        }
        warnings
    }
}
