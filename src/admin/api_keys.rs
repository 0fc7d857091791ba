//! Which requests to the server API are answered: those with one of `admin.api_keys`, whose newest
//! value applies. No IO. Control thread.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use serde::Deserialize;

use crate::config::{AdminConfig, ApiKey};
use crate::fabric::{AppliedVersion, Fabric};

/// The header for a key. `Authorization: apikey KEY` and `?api_key=KEY` do the same.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The keys that are in force.
pub(super) struct ApiKeys {
    fabric: Arc<Fabric>,
    /// The version of the configuration from which the keys are.
    applied: AppliedVersion,
    keys: Mutex<Vec<ApiKey>>,
}

#[derive(Deserialize, Default)]
struct Parameters {
    api_key: Option<String>,
}

impl ApiKeys {
    /// Creates the keys of the start.
    pub(super) fn new(config: &AdminConfig, fabric: Arc<Fabric>) -> Self {
        Self {
            fabric,
            applied: AppliedVersion::default(),
            keys: Mutex::new(config.api_keys.clone()),
        }
    }

    /// Returns whether a path belongs to the server API.
    pub(super) fn is_api(path: &str) -> bool {
        path == "/api" || path.starts_with("/api/")
    }

    /// Returns status and text for a request to the server API that must be refused. Looks at its
    /// head only.
    pub(super) fn refusal(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Option<(StatusCode, &'static str)> {
        // Nothing that runs with this lock panics.
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = &self.fabric.config;
        newest.apply(&self.applied, |config| {
            keys.clone_from(&config.admin.api_keys);
        });
        if keys.is_empty() {
            let text = "the server API is off: set admin.api_keys, and send one of the keys as X-API-Key\n";
            return Some((StatusCode::UNAUTHORIZED, text));
        }
        if given(uri, headers).iter().any(|key| matches(&keys, key)) {
            return None;
        }
        let text = "send one of admin.api_keys as X-API-Key\n";
        Some((StatusCode::UNAUTHORIZED, text))
    }
}

/// Returns the keys that a request gives: in a header, as `Authorization`, in the query.
fn given(uri: &Uri, headers: &HeaderMap) -> Vec<Vec<u8>> {
    let own = headers.get(API_KEY).map(|value| value.as_bytes().to_vec());
    let authorization = headers.get(header::AUTHORIZATION);
    let authorization =
        authorization.and_then(|value| match value.to_str().ok()?.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("apikey") => {
                Some(key.as_bytes().to_vec())
            }
            _ => None,
        });
    let query = Query::<Parameters>::try_from_uri(uri);
    let query = query.ok().and_then(|Query(it)| it.api_key);
    [own, authorization, query.map(String::into_bytes)]
        .into_iter()
        .flatten()
        .collect()
}

/// Compares with every key, in a time that does not depend on which one matches.
fn matches(keys: &[ApiKey], given: &[u8]) -> bool {
    keys.iter()
        .fold(false, |found, key| found | key.matches(given))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::shard;

    use super::*;

    fn config(keys: &[&str]) -> Config {
        let keys = keys.iter().map(|key| ApiKey::parse(key).unwrap());
        let mut config = Config::default();
        config.admin.api_keys = keys.collect();
        config
    }

    fn fabric() -> Arc<Fabric> {
        let wake = shard::wake().expect("the process may open an event descriptor");
        Arc::new(Fabric::new(Vec::new(), wake, 1))
    }

    fn status(keys: &ApiKeys, target: &str, header: Option<(&'static str, &str)>) -> u16 {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        let refusal = keys.refusal(&target.parse().unwrap(), &headers);
        refusal.map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn a_key_is_taken_from_two_headers_and_the_query() {
        let keys = ApiKeys::new(&config(&["one", "a&b%"]).admin, fabric());
        for (target, header) in [
            ("/api/info", Some(("x-api-key", "one"))),
            ("/api/info", Some(("authorization", "apikey one"))),
            ("/api/info", Some(("authorization", "ApiKey a&b%"))),
            ("/api?api_key=one", None),
            ("/api?x=1&api_key=a%26b%25", None),
            ("/api?api_key=two", Some(("x-api-key", "one"))),
        ] {
            assert_eq!(status(&keys, target, header), 200, "{target} {header:?}");
        }
        for (target, header) in [
            ("/api/info", None),
            ("/api/info?api_key=", None),
            ("/api/info?api_key=one&api_key=one", None),
            ("/api/info", Some(("x-api-key", ""))),
            ("/api/info", Some(("x-api-key", "on"))),
            ("/api/info", Some(("x-api-key", "one, one"))),
            ("/api/info", Some(("authorization", "Bearer one"))),
            ("/api/info", Some(("authorization", "apikey  one"))),
            ("/api/info", Some(("authorization", "one"))),
        ] {
            assert_eq!(status(&keys, target, header), 401, "{target} {header:?}");
        }
    }

    #[test]
    fn new_keys_apply_to_the_next_request_and_without_keys_there_is_no_api() {
        let fabric = fabric();
        let keys = ApiKeys::new(&config(&[]).admin, Arc::clone(&fabric));
        let ask = |key| status(&keys, "/api", Some(("x-api-key", key)));
        assert_eq!((ask(""), ask("one")), (401, 401));
        fabric.publish_config(Arc::new(config(&["one", "two"])));
        assert_eq!((ask("one"), ask("two")), (200, 200));
        fabric.publish_config(Arc::new(config(&["two"])));
        assert_eq!((ask("one"), ask("two")), (401, 200));
        fabric.publish_config(Arc::new(config(&[])));
        assert_eq!(ask("two"), 401);
    }
}
