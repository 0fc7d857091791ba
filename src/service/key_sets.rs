//! Key sets: one fetch under way for each URL, whatever the number of shards and clients that ask,
//! and the newest key set for those that ask later. Service thread.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::access::{KeySet, KeySetAnswer, KeySetQuestion, KeySetResponse, ServiceAnswer};
use crate::config::{AuthConfig, HttpUrl};
use crate::fabric::Fabric;
use crate::limits::{KEY_SET_AGE, KEY_SET_FETCH_INTERVAL, KEY_SET_RETRY_INTERVAL};
use crate::observe::{LogLimiter, LogPermit};

use super::http_client::HttpClient;
use super::key_set_fetch::{self, FetchError, Fetched};
use super::pending_answer::PendingAnswer;

/// The newest key set of each URL. All clones of this value share the key sets.
#[derive(Clone)]
pub(super) struct KeySets {
    client: HttpClient,
    fabric: Arc<Fabric>,
    /// Never locked across an `await`.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    urls: HashMap<HttpUrl, Entry>,
    log: LogLimiter<&'static str>,
}

/// The state of one URL.
#[derive(Default)]
struct Entry {
    newest: Option<(Arc<KeySet>, u64)>,
    last: Option<Attempt>,
    /// `Some` while a fetch is under way: the questions that it will answer.
    asking: Option<Vec<PendingAnswer>>,
}

/// The last fetch that has ended.
#[derive(Clone, Copy)]
struct Attempt {
    ended_at_us: u64,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Fetched,
    Failed,
}

impl Entry {
    /// Returns the response to a question that needs no fetch.
    fn response_now(&self, key_id: &str, now_us: u64) -> Option<KeySetResponse> {
        let since = |at_us: u64| Duration::from_micros(now_us.saturating_sub(at_us));
        let newest = self.newest.as_ref();
        let newest = newest.filter(|(_, at_us)| since(*at_us) < KEY_SET_AGE);
        let newest = newest.map(|(key_set, at_us)| (Arc::clone(key_set), since(*at_us)));
        if let Some((key_set, age)) = &newest
            && key_set.contains(key_id)
        {
            let (key_set, age) = (Arc::clone(key_set), *age);
            return Some(KeySetResponse::Fetched { key_set, age });
        }
        let last = self.last?;
        let pause = match last.outcome {
            Outcome::Fetched => KEY_SET_FETCH_INTERVAL,
            Outcome::Failed => KEY_SET_RETRY_INTERVAL,
        };
        // The issuer may have added the key since. A client whose token is refused gives up, so the
        // key is unknown only after a fetch.
        (since(last.ended_at_us) < pause).then(|| match (last.outcome, newest) {
            (Outcome::Fetched, Some((key_set, age))) => KeySetResponse::Paused { key_set, age },
            (Outcome::Fetched | Outcome::Failed, _) => KeySetResponse::Unavailable,
        })
    }
}

impl KeySets {
    pub(super) fn new(client: HttpClient, fabric: Arc<Fabric>) -> Self {
        Self {
            client,
            fabric,
            state: Arc::default(),
        }
    }

    /// Forgets the key sets of URLs that are no longer configured.
    pub(super) fn configure(&self, config: &AuthConfig) {
        let urls = [
            &config.token.jwks_public_endpoint,
            &config.subscription_token.jwks_public_endpoint,
        ];
        let is_used = |url: &HttpUrl| urls.iter().any(|used| used.as_ref() == Some(url));
        self.lock()
            .urls
            .retain(|url, entry| is_used(url) || entry.asking.is_some());
    }

    /// Answers a question: now, or with the other questions when a fetch has ended.
    pub(super) fn answer(&self, question: KeySetQuestion, pending: PendingAnswer) {
        let KeySetQuestion { url, key_id } = question;
        let mut state = self.lock();
        let entry = state.urls.entry(url.clone()).or_default();
        if let Some(response) = entry.response_now(&key_id, self.fabric.clock.now_us()) {
            drop(state);
            return pending.give(answer(url, response));
        }
        if let Some(asking) = &mut entry.asking {
            return asking.push(pending);
        }
        entry.asking = Some(vec![pending]);
        drop(state);
        let end = FetchEnd {
            key_sets: self.clone(),
            url,
            fetched: None,
        };
        tokio::spawn(end.fetch());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code between a lock and its release panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a fetch when it is dropped, so that one whose task panics is ended too.
struct FetchEnd {
    key_sets: KeySets,
    url: HttpUrl,
    /// `None` if the fetch has failed.
    fetched: Option<Arc<KeySet>>,
}

impl FetchEnd {
    async fn fetch(mut self) {
        let fetched = key_set_fetch::fetch(&self.key_sets.client, &self.url).await;
        let meters = &self.key_sets.fabric.service_meters;
        meters.key_set_fetches.add(key_set_fetch::result(&fetched));
        match fetched {
            Ok(fetched) => self.accept(fetched),
            Err(error) => self.report(&error),
        }
    }

    fn accept(&mut self, fetched: Fetched) {
        let Fetched { key_set, skipped } = fetched;
        let key_set = Arc::new(key_set);
        let is_new = {
            let state = self.key_sets.lock();
            let newest = state.urls.get(&self.url).and_then(|it| it.newest.as_ref());
            newest.is_none_or(|(newest, _)| *newest != key_set)
        };
        if is_new {
            let (url, keys) = (&self.url, key_set.len());
            tracing::info!(%url, keys, "key set: fetched");
            for key in skipped {
                let (index, fault) = (key.index, key.fault);
                tracing::warn!(%url, "key set: key {index} is not used: it {fault}");
            }
        }
        self.fetched = Some(key_set);
    }

    fn report(&self, error: &FetchError) {
        let now_us = self.key_sets.fabric.clock.now_us();
        let permit = self
            .key_sets
            .lock()
            .log
            .admit(error.result().name(), now_us);
        if let LogPermit::Granted { suppressed } = permit {
            let url = &self.url;
            tracing::warn!(%url, suppressed, "key set: {error}; tokens with new keys are refused");
        }
    }
}

impl Drop for FetchEnd {
    fn drop(&mut self) {
        let now_us = self.key_sets.fabric.clock.now_us();
        let (asking, response) = {
            let mut state = self.key_sets.lock();
            let entry = state.urls.entry(self.url.clone()).or_default();
            let outcome = match self.fetched.take() {
                Some(key_set) => {
                    entry.newest = Some((key_set, now_us));
                    Outcome::Fetched
                }
                None => Outcome::Failed,
            };
            entry.last = Some(Attempt {
                ended_at_us: now_us,
                outcome,
            });
            let response = match (&entry.newest, outcome) {
                (Some((key_set, _)), Outcome::Fetched) => KeySetResponse::Fetched {
                    key_set: Arc::clone(key_set),
                    age: Duration::ZERO,
                },
                _ => KeySetResponse::Unavailable,
            };
            (entry.asking.take(), response)
        };
        for pending in asking.into_iter().flatten() {
            pending.give(answer(self.url.clone(), response.clone()));
        }
    }
}

/// Returns the answer to a question about a URL.
pub(super) fn answer(url: HttpUrl, response: KeySetResponse) -> ServiceAnswer {
    ServiceAnswer::KeySet(KeySetAnswer { url, response })
}

#[cfg(test)]
mod tests;
