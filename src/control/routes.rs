//! What the admin port answers. Control thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use crate::config::Config;
use crate::fabric::Fabric;
use crate::limits::ADMIN_BODY_SLACK;

use super::{metrics, publish, stats};

pub(super) fn routes(config: &Config, fabric: Arc<Fabric>) -> Router {
    let body_bytes = config.ingest.max_payload / 3 * 4 + ADMIN_BODY_SLACK;
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/stats", get(stats))
        .route("/publish", post(publish::publish))
        .layer(DefaultBodyLimit::max(body_bytes))
        .with_state(fabric)
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

async fn metrics(State(fabric): State<Arc<Fabric>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        metrics::render(&fabric),
    )
}

async fn stats(State(fabric): State<Arc<Fabric>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        stats::render(&fabric),
    )
}
