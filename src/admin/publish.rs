//! Publications over HTTP: `POST /publish` with a JSON body. Control thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fabric::{Fabric, Origin, Submission, Verdict};
use crate::limits::ADMIN_PUBLISH_TIMEOUT;

/// `{"channel":"news","data":{…}}`, or `text` or `b64data` in place of `data`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Publication {
    channel: String,
    data: Option<Box<RawValue>>,
    text: Option<String>,
    b64data: Option<String>,
}

impl Publication {
    fn payload(self) -> Result<Vec<u8>, &'static str> {
        match (self.data, self.text, self.b64data) {
            (Some(data), None, None) => Ok(data.get().as_bytes().to_vec()),
            (None, Some(text), None) => Ok(text.into_bytes()),
            (None, None, Some(data)) => STANDARD.decode(data).map_err(|_| "b64data is no base64"),
            _ => Err("give exactly one of data, text and b64data"),
        }
    }
}

/// Publishes one message. Only JSON bodies are accepted: a page on another site cannot make a
/// browser send one without asking the server first.
pub(super) async fn publish(
    State(fabric): State<Arc<Fabric>>,
    Json(publication): Json<Publication>,
) -> Response {
    let topic = publication.channel.clone();
    let payload = match publication.payload() {
        Ok(payload) => payload,
        Err(text) => return refuse(StatusCode::BAD_REQUEST, "payload", text),
    };
    let (reply, verdict) = bounded(1);
    let submission = Submission {
        origin: Origin::Admin,
        topic,
        payload,
        reply: Some(reply),
    };
    if fabric.inlet.submit(submission).is_err() {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "busy",
            "ingest is busy; try again",
        );
    }
    match wait(&verdict).await {
        Some(Ok(())) => Json(serde_json::json!({})).into_response(),
        Some(Err((code, text))) => refuse(StatusCode::BAD_REQUEST, code, &text),
        None => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "ingest does not answer",
        ),
    }
}

/// Polls for the result. Ingest answers within microseconds and cannot wake this runtime.
async fn wait(verdict: &Receiver<Verdict>) -> Option<Verdict> {
    let until = Instant::now() + ADMIN_PUBLISH_TIMEOUT;
    while Instant::now() < until {
        match verdict.try_recv() {
            Ok(verdict) => return Some(verdict),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    None
}

fn refuse(status: StatusCode, code: &str, text: &str) -> Response {
    let body = serde_json::json!({ "error": { "code": code, "message": text } });
    (status, Json(body)).into_response()
}
