//! The paths of the admin port, and the pages that are only read. Control thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::config::AdminConfig;
use crate::fabric::Fabric;
use crate::load::Monitor;
use crate::metrics::{Sampler, openmetrics, stats};
use crate::observe::excerpt;

use super::{api, connections, load, publish};

/// Returns the router of all paths.
pub(super) fn routes(config: &AdminConfig, sampler: Arc<Sampler>, monitor: Arc<Monitor>) -> Router {
    let fabric = Arc::clone(&sampler.fabric);
    let api = api::routes(config, Arc::clone(&fabric));
    let connections = connections::routes(Arc::clone(&fabric));
    Router::new()
        .route("/", get(get_index))
        .route("/metrics", get(get_metrics))
        .with_state((Arc::clone(&sampler), Arc::clone(&monitor)))
        .route("/stats", get(get_stats))
        .with_state(sampler)
        .route("/health", get(get_health))
        .route("/publish", post(publish::publish))
        // The server has read the body and checked its length.
        .layer(DefaultBodyLimit::disable())
        .with_state(fabric)
        .merge(api)
        .merge(connections)
        .merge(load::routes(monitor))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
}

async fn unknown_path(uri: Uri) -> impl IntoResponse {
    let path = excerpt(uri.path().as_bytes());
    let text = format!("there is no {path} on this port; GET / lists its paths\n");
    (StatusCode::NOT_FOUND, text)
}

/// Answers a request for a path that has other methods. The router adds the header `Allow`.
async fn wrong_method(method: Method, uri: Uri) -> impl IntoResponse {
    let method = excerpt(method.as_str().as_bytes());
    let path = excerpt(uri.path().as_bytes());
    let text = format!("{path} has no {method}; GET / lists the paths with their methods\n");
    (StatusCode::METHOD_NOT_ALLOWED, text)
}

/// The answer to `GET /`.
const INDEX: &str = concat!(
    "fanfare ",
    env!("CARGO_PKG_VERSION"),
    ", the port for operators (admin.listen)\n\n",
    "GET  /health       the state of the server\n",
    "GET  /metrics      metrics for Prometheus\n",
    "GET  /stats        the same figures as JSON\n",
    "GET  /connections  the connections with the most pending bytes\n",
    "GET  /load         the load, and advice on the number of servers\n",
    "POST /publish      publishes {\"channel\":\"news\",\"data\":{\"hello\":\"world\"}}\n",
    "POST /api/METHOD   the server API for back ends, with one of admin.api_keys as X-API-Key\n",
    "POST /drain        closes a share of the connections: /drain?share=20%25&period=60s\n",
);

async fn get_index() -> &'static str {
    INDEX
}

async fn get_health(State(fabric): State<Arc<Fabric>>) -> impl IntoResponse {
    let health = fabric.health();
    let status = StatusCode::from_u16(health.http_status()).unwrap_or(StatusCode::OK);
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        health.json(),
    )
}

async fn get_metrics(
    State((sampler, monitor)): State<(Arc<Sampler>, Arc<Monitor>)>,
) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, openmetrics::CONTENT_TYPE)],
        openmetrics::render(&sampler, &monitor),
    )
}

async fn get_stats(State(sampler): State<Arc<Sampler>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        stats::render(&sampler),
    )
}
