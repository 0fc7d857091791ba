//! `GET /load`, and `POST /drain?share=0.2&period=60s`. Control thread.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use crate::config;
use crate::limits::{SHARE_PERIOD_DEFAULT, TIMEOUT_CEILING};

use super::share::Stage;
use super::{Monitor, Refused};

pub(in crate::control) fn routes(monitor: Arc<Monitor>) -> Router {
    Router::new()
        .route("/load", get(load))
        .route("/drain", post(drain))
        .with_state(monitor)
}

async fn load(State(monitor): State<Arc<Monitor>>) -> Response {
    let body = format!("{:#}\n", monitor.json());
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    share: String,
    period: Option<String>,
}

/// Browsers name the page's origin in every POST to another site, so that no page can be made to
/// move anybody.
async fn drain(
    State(monitor): State<Arc<Monitor>>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let refuse = |status: StatusCode, text: &str| (status, format!("{text}\n")).into_response();
    if headers.contains_key(header::ORIGIN) {
        return refuse(StatusCode::FORBIDDEN, "pages may not ask for this");
    }
    let Some(share) = config::share(&asked.share) else {
        let text = "share is a part of all connections, such as 0.2 or 20%";
        return refuse(StatusCode::BAD_REQUEST, text);
    };
    let period = asked
        .period
        .as_deref()
        .map_or(Some(SHARE_PERIOD_DEFAULT), config::duration);
    let Some(period) = period.filter(|period| *period <= TIMEOUT_CEILING) else {
        let text = "period is a duration such as 60s or 5m, of a day at most";
        return refuse(StatusCode::BAD_REQUEST, text);
    };
    match monitor.shed(share, period) {
        Ok(moving) => {
            let (leaving, connections) = (moving.leaving, moving.connections);
            tracing::info!(leaving, connections, ?period, "moving connections away");
            if !moving.refused.is_empty() {
                let shards = &moving.refused;
                tracing::warn!(?shards, "these shards do not take orders, and move nobody");
            }
            let body = moving.json(Stage::Running, moving.told_before);
            (StatusCode::ACCEPTED, Json(body)).into_response()
        }
        Err(refused @ Refused::Stuck) => {
            refuse(StatusCode::SERVICE_UNAVAILABLE, &refused.to_string())
        }
        Err(refused) => refuse(StatusCode::CONFLICT, &refused.to_string()),
    }
}
