//! `GET /load`, and `POST /drain?share=0.2&period=60s`. Control thread.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use crate::config;
use crate::limits::{SHARE_PERIOD_DEFAULT, TIMEOUT_CEILING};
use crate::load::{Monitor, ShareDrainError};

pub(super) fn routes(monitor: Arc<Monitor>) -> Router {
    Router::new()
        .route("/load", get(get_load))
        .route("/drain", post(post_drain))
        .with_state(monitor)
}

async fn get_load(State(monitor): State<Arc<Monitor>>) -> Response {
    let body = format!("{:#}\n", monitor.json());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    share: String,
    period: Option<String>,
}

/// Starts the drain of a share.
async fn post_drain(
    State(monitor): State<Arc<Monitor>>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let Some(share) = config::share(&parameters.share) else {
        let text = "share is a part of all connections, such as 0.2 or 20%";
        return refuse(StatusCode::BAD_REQUEST, text);
    };
    let period = match &parameters.period {
        Some(text) => config::duration(text).filter(|period| *period <= TIMEOUT_CEILING),
        None => Some(SHARE_PERIOD_DEFAULT),
    };
    let Some(period) = period else {
        let text = "period is a duration such as 60s or 5m, of a day at most";
        return refuse(StatusCode::BAD_REQUEST, text);
    };
    match monitor.drain_share(share, period) {
        Ok(drain) => {
            let (leaving, connections) = (drain.leaving, drain.connections);
            tracing::info!(leaving, connections, ?period, "moving connections away");
            if !drain.refused_shards.is_empty() {
                let shards = &drain.refused_shards;
                tracing::warn!(?shards, "these shards take no requests and close nothing");
            }
            (StatusCode::ACCEPTED, Json(drain.json_at_start())).into_response()
        }
        Err(error @ ShareDrainError::NoShard) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
        Err(error @ (ShareDrainError::Draining | ShareDrainError::Running)) => {
            refuse(StatusCode::CONFLICT, &error.to_string())
        }
    }
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
