//! What the admin port answers. Control thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::fabric::Fabric;

use super::load::{self, Monitor};
use super::{metrics, publish, stats};

pub(super) fn routes(fabric: Arc<Fabric>, monitor: Arc<Monitor>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .with_state((Arc::clone(&fabric), Arc::clone(&monitor)))
        .route("/health", get(health))
        .route("/stats", get(stats))
        .route("/publish", post(publish::publish))
        // The body was read and bounded before it came here.
        .layer(DefaultBodyLimit::disable())
        .with_state(fabric)
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
    State((fabric, monitor)): State<(Arc<Fabric>, Arc<Monitor>)>,
) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics::render(&fabric, &monitor),
    )
}

async fn stats(State(fabric): State<Arc<Fabric>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        stats::render(&fabric),
    )
}
