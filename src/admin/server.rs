//! The HTTP server of the admin port, with bounds on connections, time and bytes. Control thread.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::limits::{
    ADMIN_ACCEPT_PAUSE, ADMIN_BODY_BYTES, ADMIN_CONNECTION_TIMEOUT, ADMIN_CONNECTIONS,
    ADMIN_DISCARD_BYTES,
};
use crate::load::Monitor;
use crate::metrics::Sampler;

use super::access::AccessRule;
use super::routes;

/// The server of the admin port.
pub(crate) struct Admin {
    service: axum::Router,
}

impl Admin {
    pub(crate) fn new(config: &Config, sampler: Arc<Sampler>, monitor: Arc<Monitor>) -> Self {
        let rule = Arc::new(AccessRule::new(config.admin.token.clone()));
        let routes = routes::routes(sampler, monitor);
        Self {
            service: routes.layer(middleware::from_fn_with_state(rule, check)),
        }
    }

    /// Serves until the process ends. The time of each connection is bounded, so that connections
    /// that hang cannot use up [`ADMIN_CONNECTIONS`].
    pub(crate) async fn serve(self, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!("the admin port is closed: {error}"),
        };
        let permits = Arc::new(Semaphore::new(ADMIN_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return; // The semaphore is never closed.
            };
            let Ok((stream, _)) = listener.accept().await else {
                // The usual reason is a lack of descriptors. Retrying at once would fail as well.
                tokio::time::sleep(ADMIN_ACCEPT_PAUSE).await;
                continue;
            };
            let service = TowerToHyperService::new(self.service.clone());
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(true)
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                // Errors of a client need no handling: hyper has answered or closed.
                let _ = tokio::time::timeout(ADMIN_CONNECTION_TIMEOUT, connection).await;
                drop(permit);
            });
        }
    }
}

/// Checks a request and reads its body before it is routed. The body is read even if the request is
/// refused: a response that is sent while bytes are unread can be lost when the socket is reset.
async fn check(State(rule): State<Arc<AccessRule>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = read(body).await;
    if let Some(refusal) = rule.refusal(&parts.headers) {
        return refusal.into_response();
    }
    match body {
        Some(body) => next.run(Request::from_parts(parts, body.into())).await,
        None => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    }
}

/// Reads a body. Returns `None` if the body is incomplete or longer than [`ADMIN_BODY_BYTES`]. The
/// bytes beyond that are read and discarded, up to [`ADMIN_DISCARD_BYTES`].
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
