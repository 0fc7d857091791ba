//! What the admin port answers. Control thread.

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

pub(super) fn routes(sampler: Arc<Sampler>, monitor: Arc<Monitor>) -> Router {
    let fabric = Arc::clone(&sampler.fabric);
    let connections = connections::routes(Arc::clone(&fabric));
    Router::new()
        .route("/metrics", get(metrics))
        .with_state((Arc::clone(&sampler), Arc::clone(&monitor)))
        .route("/stats", get(stats))
        .with_state(sampler)
        .route("/health", get(health))
        .route("/publish", post(publish::publish))
        // The body was read and bounded before it came here.
        .layer(DefaultBodyLimit::disable())
        .with_state(fabric)
        .merge(connections)
        .merge(load::routes(monitor))
}

async fn health(State(fabric): State<Arc<Fabric>>) -> impl IntoResponse {
    let health = fabric.health();
    let status = StatusCode::from_u16(health.http_status()).unwrap_or(StatusCode::OK);
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        health.json(),
    )
}

async fn metrics(
    State((sampler, monitor)): State<(Arc<Sampler>, Arc<Monitor>)>,
) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, openmetrics::CONTENT_TYPE)],
        openmetrics::render(&sampler, &monitor),
    )
}

async fn stats(State(sampler): State<Arc<Sampler>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        stats::render(&sampler),
    )
}
