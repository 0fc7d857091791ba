//! The operators' HTTP server: who may ask, how many at once, for how long. Control thread.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::{Config, same_secret};
use crate::limits::{
    ADMIN_ACCEPT_PAUSE, ADMIN_BODY_BYTES, ADMIN_CONNECTION_TIMEOUT, ADMIN_CONNECTIONS,
    ADMIN_DISCARD_BYTES,
};

use super::load::Monitor;
use super::routes;
use super::sampler::Sampler;

pub(super) struct Admin {
    service: axum::Router,
}

/// What a request must show before it is looked at.
struct Rules {
    token: Option<String>,
}

impl Admin {
    pub(super) fn new(config: &Config, sampler: Arc<Sampler>, monitor: Arc<Monitor>) -> Self {
        let rules = Rules {
            token: config.admin.token.clone(),
        };
        let routes = routes::routes(sampler, monitor);
        Self {
            service: routes.layer(middleware::from_fn_with_state(Arc::new(rules), check)),
        }
    }

    /// Serves until the process ends. Each connection has a bounded time for its requests, so
    /// that a place that is taken comes back.
    pub(super) async fn serve(self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!("the admin port is closed: {error}"),
        };
        let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, as a rule: trying again at once would only burn the core.
                tokio::time::sleep(ADMIN_ACCEPT_PAUSE).await;
                continue;
            };
            let service = TowerToHyperService::new(self.service.clone());
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(true)
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                // What a peer does wrong is answered or cut off; there is nothing to be done here.
                let _ = tokio::time::timeout(ADMIN_CONNECTION_TIMEOUT, connection).await;
                drop(place);
            });
        }
    }
}

/// Turns away who has not the token, and pages that a browser was tricked into by a name that
/// resolves to this host. The body is read in any case: an answer that is sent while bytes are
/// unread may be lost to a reset.
async fn check(State(rules): State<Arc<Rules>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = read(body).await;
    if let Some(refusal) = rules.refusal(&parts.headers) {
        return refusal.into_response();
    }
    match body {
        Some(body) => next.run(Request::from_parts(parts, body.into())).await,
        None => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    }
}

/// The whole body, or `None` if it is longer than [`ADMIN_BODY_BYTES`] or breaks off. What is
/// beyond is read and thrown away, within reason.
async fn read(mut body: Body) -> Option<Vec<u8>> {
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue; // Trailers.
        };
        length += data.len();
        if length > ADMIN_DISCARD_BYTES {
            break;
        }
        if length <= ADMIN_BODY_BYTES {
            kept.extend_from_slice(&data);
        }
    }
    (length <= ADMIN_BODY_BYTES).then_some(kept)
}

impl Rules {
    fn refusal(&self, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        // A page cannot make up the token, so whoever has it may use any name.
        if self.token.is_none() && !is_ours(text(header::HOST)) {
            let hint = "ask by address or as localhost, or set admin.token: other names are not answered\n";
            return Some((StatusCode::MISDIRECTED_REQUEST, hint));
        }
        if !self.admits(text(header::AUTHORIZATION)) {
            let hint = "send the header Authorization: Bearer with the value of admin.token\n";
            return Some((StatusCode::UNAUTHORIZED, hint));
        }
        None
    }

    fn admits(&self, authorization: Option<&str>) -> bool {
        let Some(token) = &self.token else {
            return true;
        };
        let given = authorization
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or("");
        same_secret(token.as_bytes(), given.as_bytes())
    }
}

/// Whether a Host header is an address or localhost, with or without a port.
fn is_ours(host: Option<&str>) -> bool {
    let Some(host) = host else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
