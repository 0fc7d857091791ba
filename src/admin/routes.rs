//! The paths of the admin port, and the pages that are only read. Control thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::fabric::Fabric;
use crate::load::Monitor;
use crate::metrics::{Sampler, openmetrics, stats};

use super::{connections, load, publish};

/// Returns the router of all paths.
pub(super) fn routes(sampler: Arc<Sampler>, monitor: Arc<Monitor>) -> Router {
    let fabric = Arc::clone(&sampler.fabric);
    let connections = connections::routes(Arc::clone(&fabric));
    Router::new()
        .route("/metrics", get(get_metrics))
        .with_state((Arc::clone(&sampler), Arc::clone(&monitor)))
        .route("/stats", get(get_stats))
        .with_state(sampler)
        .route("/health", get(get_health))
        .route("/publish", post(publish::publish))
        // The server has read the body and checked its length.
        .layer(DefaultBodyLimit::disable())
        .with_state(fabric)
        .merge(connections)
        .merge(load::routes(monitor))
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
