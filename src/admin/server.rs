//! The HTTP server of the admin port, with bounds on connections and bytes. Control thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::time::{self, Instant};

use crate::config::Config;
use crate::limits::{ADMIN_ACCEPT_PAUSE, ADMIN_CONNECTIONS};
use crate::load::Monitor;
use crate::metrics::Sampler;
use crate::observe::{Clock, LogLimiter, LogPermit};

use super::access::AccessRule;
use super::api_keys::ApiKeys;
use super::body::{self, BodyMemory};
use super::http_connection;
use super::routes;
use super::slots::{Evicted, Slot, Slots, Stage};

/// The server of the admin port.
pub(crate) struct Admin {
    service: Router,
    slots: Slots,
    clock: Clock,
    /// Bounds the log lines about connections that were closed for new ones.
    limiter: LogLimiter<Stage>,
}

/// The checks of a request before it is routed.
struct RequestChecks {
    rule: AccessRule,
    memory: BodyMemory,
}

impl Admin {
    pub(crate) fn new(config: &Config, sampler: Arc<Sampler>, monitor: Arc<Monitor>) -> Self {
        let api_keys = ApiKeys::new(&config.admin, Arc::clone(&sampler.fabric));
        let checks = Arc::new(RequestChecks {
            rule: AccessRule::new(&config.admin, api_keys),
            memory: BodyMemory::default(),
        });
        let clock = sampler.fabric.clock;
        let routes = routes::routes(&config.admin, sampler, monitor);
        Self {
            service: routes.layer(middleware::from_fn_with_state(checks, check)),
            slots: Slots::default(),
            clock,
            limiter: LogLimiter::default(),
        }
    }

    /// Serves until the process ends. Accepts every connection at once: at the bound, another one
    /// is closed for it.
    pub(crate) async fn serve(mut self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!("the admin port is closed: {error}"),
        };
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // The usual reason is a lack of descriptors. Retrying at once would fail as well.
                time::sleep(ADMIN_ACCEPT_PAUSE).await;
                continue;
            };
            let (slot, evicted) = self.slots.add(Instant::now());
            if let Some(evicted) = evicted {
                self.log_evicted(evicted);
            }
            let connection =
                http_connection::serve(stream, self.service.clone(), Arc::clone(&slot));
            slot.set_task(tokio::spawn(connection).abort_handle());
            // Gives the new connection the opportunity to read its request before the next one is
            // accepted, which may close it.
            tokio::task::yield_now().await;
        }
    }

    /// Logs that a connection was closed for a new one.
    fn log_evicted(&mut self, evicted: Evicted) {
        let permit = self.limiter.admit(evicted.stage, self.clock.now_us());
        let LogPermit::Granted { suppressed } = permit else {
            return;
        };
        let state = match evicted.stage {
            Stage::Head => "waiting for the head of a request",
            Stage::Idle => "idle",
            Stage::Receiving => "waiting for a body",
            Stage::Answering => "waiting for an answer",
        };
        tracing::warn!(
            for_ms = evicted.age.as_millis() as u64,
            suppressed,
            "the admin port has {ADMIN_CONNECTIONS} connections: closed one that was {state}; find \
             out who opens so many"
        );
    }
}

/// Checks the head of a request, and reads its body only if the request is allowed. The body of a
/// refused request is discarded.
async fn check(State(checks): State<Arc<RequestChecks>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Some(refusal) = checks
        .rule
        .refusal(&parts.method, &parts.uri, &parts.headers)
    {
        body::discard(&parts.headers, body).await;
        return refusal.into_response();
    }
    let held = match checks.memory.read(&parts.headers, body).await {
        Ok(held) => held,
        Err(error) => return error.into_response(),
    };
    if let Some(slot) = parts.extensions.get::<Arc<Slot>>() {
        slot.enter(Stage::Answering);
    }
    let _room = held.room; // Until the request is answered.
    next.run(Request::from_parts(parts, held.bytes.into()))
        .await
}
