//! Calls of hooks. Each hook has its own places for requests that are under way, so that a slow
//! hook delays only those who ask it. Service thread.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use tokio::sync::Semaphore;
use tokio::time;

use crate::access::{HookCall, HookResponse};
use crate::config::{HookKind, HooksConfig};
use crate::fabric::Fabric;
use crate::limits::HOOK_RESPONSE_BYTES;
use crate::observe::{LogLimiter, LogPermit, RequestResult};

use super::http_client::{HttpClient, HttpError};

/// All hooks of the configuration.
pub(super) struct Hooks {
    plan: Arc<Plan>,
    client: HttpClient,
    fabric: Arc<Fabric>,
    log: Arc<Mutex<LogLimiter<(HookKind, RequestResult)>>>,
}

/// The hooks of one configuration. Calls keep the one that they began with.
struct Plan {
    config: HooksConfig,
    /// The places for requests of each hook.
    places: [Semaphore; HookKind::ALL.len()],
}

impl Plan {
    fn new(config: HooksConfig) -> Arc<Self> {
        let places = HookKind::ALL.map(|_| Semaphore::new(config.max_concurrent));
        Arc::new(Self { config, places })
    }
}

impl Hooks {
    pub(super) fn new(config: &HooksConfig, client: HttpClient, fabric: Arc<Fabric>) -> Self {
        let hooks = Self {
            plan: Plan::new(config.clone()),
            client,
            fabric,
            log: Arc::default(),
        };
        hooks.mark_in_use();
        hooks
    }

    /// Applies a configuration to later calls. If it differs, the requests that are under way do
    /// not count for the new bound; they end within their time.
    pub(super) fn configure(&mut self, config: &HooksConfig) {
        if self.plan.config != *config {
            self.plan = Plan::new(config.clone());
            self.mark_in_use();
        }
    }

    fn mark_in_use(&self) {
        let is_on = |kind: &HookKind| self.plan.config.get(*kind).is_some();
        for kind in HookKind::ALL.into_iter().filter(is_on) {
            let meters = self.fabric.service_meters.hook(kind);
            meters.is_in_use.store(true, Ordering::Relaxed);
        }
    }

    /// Calls a hook. `asked_at_us` is the beginning of its time.
    pub(super) fn call(
        &self,
        call: HookCall,
        asked_at_us: u64,
    ) -> impl Future<Output = HookResponse> + Send + use<> {
        let plan = Arc::clone(&self.plan);
        let (client, log) = (self.client.clone(), Arc::clone(&self.log));
        let record = CallRecord {
            fabric: Arc::clone(&self.fabric),
            kind: call.kind,
            asked_at_us,
            result: RequestResult::Cancelled,
        };
        async move {
            let (kind, mut record) = (call.kind, record);
            let (result, response) = match request(&plan, client, call, &record).await {
                Ok((status, body)) => {
                    let result = RequestResult::of_status(status);
                    if result != RequestResult::Ok && plan.config.outcome_of(status).is_none() {
                        let fault = HookError::Status(status);
                        report(&plan, &log, kind, result, &fault, record.now_us());
                    }
                    (result, HookResponse::Complete { status, body })
                }
                Err(fault) => {
                    let result = fault.result();
                    report(&plan, &log, kind, result, &fault, record.now_us());
                    (result, HookResponse::Failed)
                }
            };
            record.result = result;
            response
        }
    }
}

/// Why a hook gave no useful response.
#[derive(Debug, thiserror::Error)]
enum HookError {
    #[error("it is off, but was asked")]
    Off,
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    #[error(
        "not called, because all of hooks.max_concurrent requests were under way for {0:?}; it is \
         too slow, or hooks.max_concurrent is too low"
    )]
    NotSent(Duration),
    #[error("the response has the status {0}")]
    Status(u16),
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl HookError {
    fn result(&self) -> RequestResult {
        match self {
            Self::Off => RequestResult::Off,
            Self::Timeout(_) => RequestResult::Timeout,
            Self::NotSent(_) => RequestResult::NotSent,
            Self::Status(status) => RequestResult::of_status(*status),
            Self::Http(error) => error.result(),
        }
    }
}

/// Waits for a place, sends the request and returns the status and the body of the response.
async fn request(
    plan: &Plan,
    client: HttpClient,
    call: HookCall,
    record: &CallRecord,
) -> Result<(u16, Vec<u8>), HookError> {
    let kind = call.kind;
    let hook = plan.config.get(kind).ok_or(HookError::Off)?;
    let meters = record.fabric.service_meters.hook(kind);
    let place = {
        let _waiting = Counted::new(&meters.waiting);
        let place = plan.places[kind as usize].acquire();
        let place = time::timeout(record.time_left(hook.timeout), place).await;
        // A place may become free at the end of the time.
        let place = place
            .ok()
            .filter(|_| !record.time_left(hook.timeout).is_zero());
        place.ok_or(HookError::NotSent(hook.timeout))?
    };
    let _under_way = Counted::new(&meters.under_way);
    let request = post(&plan.config, hook.endpoint.uri(), call);
    let response = client.send(request, HOOK_RESPONSE_BYTES);
    let response = time::timeout(record.time_left(hook.timeout), response).await;
    drop(place);
    let response = response.map_err(|_| HookError::Timeout(hook.timeout))??;
    Ok((response.status, response.body))
}

fn post(
    config: &HooksConfig,
    uri: &hyper::Uri,
    call: HookCall,
) -> Request<Full<hyper::body::Bytes>> {
    let mut headers = HeaderMap::new();
    for header in &config.static_headers {
        headers.insert(header.name().clone(), header.value().clone());
    }
    for (name, _) in &call.headers {
        headers.remove(&**name);
    }
    for (name, value) in call.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        // The client sent them as headers, so that they are valid.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            headers.append(name, value);
        }
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut request = Request::new(Full::from(call.body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers;
    request
}

/// Logs a failure, a few times for each hook and reason in an interval.
fn report(
    plan: &Plan,
    log: &Mutex<LogLimiter<(HookKind, RequestResult)>>,
    kind: HookKind,
    result: RequestResult,
    fault: &HookError,
    now_us: u64,
) {
    let permit = {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.admit((kind, result), now_us)
    };
    let LogPermit::Granted { suppressed } = permit else {
        return;
    };
    let endpoint = plan.config.get(kind).map(|hook| hook.endpoint.to_string());
    let endpoint = endpoint.as_deref().unwrap_or("none");
    tracing::warn!(hook = kind.name(), endpoint, suppressed, "hook: {fault}");
}

/// One more of a gauge, as long as it lives.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(gauge: &'a AtomicU64) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a call when it is dropped, so that one whose task is cancelled is counted too.
struct CallRecord {
    fabric: Arc<Fabric>,
    kind: HookKind,
    asked_at_us: u64,
    result: RequestResult,
}

impl CallRecord {
    fn now_us(&self) -> u64 {
        self.fabric.clock.now_us()
    }

    fn time_left(&self, timeout: Duration) -> Duration {
        let spent_us = self.now_us().saturating_sub(self.asked_at_us);
        timeout.saturating_sub(Duration::from_micros(spent_us))
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        let duration_us = self.now_us().saturating_sub(self.asked_at_us);
        let meters = self.fabric.service_meters.hook(self.kind);
        meters.duration.record(duration_us, 1);
        meters.results.add(self.result);
    }
}

#[cfg(test)]
mod tests;
