//! Publications over HTTP: `POST /publish` with a JSON body. Control thread.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::fabric::{
    BUSY_CODE, Fabric, ReplyTarget, Submission, SubmissionResult, SubmissionSource,
    SubmittedPublication,
};
use crate::limits::ADMIN_PUBLISH_TIMEOUT;

/// The request body: `{"channel":"news","data":{…}}`, with `text` or `b64data` in place of `data`
/// for namespaces of these kinds.
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
            (None, None, Some(data)) => STANDARD
                .decode(data)
                .map_err(|_| "b64data is not valid base64"),
            _ => Err("give exactly one of data, text and b64data"),
        }
    }
}

/// Submits a publication and responds with its result.
///
/// Only JSON bodies are accepted, because a page of another site cannot make a browser send one
/// without the permission of this server.
pub(super) async fn publish(
    State(fabric): State<Arc<Fabric>>,
    Json(publication): Json<Publication>,
) -> Response {
    let topic = publication.channel.clone();
    let payload = match publication.payload() {
        Ok(payload) => payload,
        Err(text) => return refuse(StatusCode::BAD_REQUEST, "payload", text),
    };
    let (sender, receiver) = oneshot::channel();
    let submission = Submission {
        source: SubmissionSource::Admin,
        publications: vec![SubmittedPublication { topic, payload }],
        reply: ReplyTarget::Task(sender),
    };
    if fabric.submissions.submit(submission).is_err() {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            BUSY_CODE,
            "the ingest thread is busy; try again",
        );
    }
    let results = tokio::time::timeout(ADMIN_PUBLISH_TIMEOUT, receiver).await;
    // No results: the ingest thread did not answer in time, or dropped the submission and ended.
    let results = results.ok().and_then(Result::ok).unwrap_or_default();
    match results.first() {
        Some(result) => respond(*result),
        None => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "the ingest thread does not answer",
        ),
    }
}

fn respond(result: SubmissionResult) -> Response {
    let Some(error) = result.error() else {
        return Json(serde_json::json!({})).into_response();
    };
    let status = if result == SubmissionResult::Busy {
        StatusCode::TOO_MANY_REQUESTS
    } else {
        StatusCode::BAD_REQUEST
    };
    refuse(status, error.code, &error.text)
}

fn refuse(status: StatusCode, code: &str, text: &str) -> Response {
    let body = serde_json::json!({ "error": { "code": code, "message": text } });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::fabric::{Rejection, Wake};
    use crate::limits::SUBMISSION_QUEUE_PUBLICATIONS;

    fn fabric() -> Arc<Fabric> {
        let event = tempfile::tempfile().expect("a file replaces an event descriptor");
        Arc::new(Fabric::new(Vec::new(), Wake::new(event), 1))
    }

    /// Publishes to the topic `a` and returns the status of the response.
    fn status(fabric: &Arc<Fabric>) -> StatusCode {
        let publication = Publication {
            channel: "a".into(),
            data: None,
            text: Some("1".into()),
            b64data: None,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime is created");
        let response = publish(State(Arc::clone(fabric)), Json(publication));
        runtime.block_on(response).status()
    }

    /// Handles the next submission on another thread.
    fn handle(fabric: &Arc<Fabric>, handle: impl FnOnce(Submission) + Send + 'static) {
        let fabric = Arc::clone(fabric);
        thread::spawn(move || {
            loop {
                match fabric.submissions.take() {
                    Some(submission) => return handle(submission),
                    None => thread::yield_now(),
                }
            }
        });
    }

    #[test]
    fn the_result_decides_the_status() {
        let rejected = SubmissionResult::Rejected(Rejection::TopicEmpty);
        for (result, expected) in [
            (SubmissionResult::Accepted, StatusCode::OK),
            (rejected, StatusCode::BAD_REQUEST),
            (SubmissionResult::Busy, StatusCode::TOO_MANY_REQUESTS),
        ] {
            let fabric = fabric();
            handle(&fabric, move |submission| match submission.reply {
                ReplyTarget::Task(sender) => sender.send(vec![result]).expect("it waits"),
                other => panic!("not a task: {other:?}"),
            });
            assert_eq!(status(&fabric), expected, "{result:?}");
        }
    }

    #[test]
    fn a_full_queue_is_busy() {
        let fabric = fabric();
        let publication = SubmittedPublication {
            topic: "a".into(),
            payload: Vec::new(),
        };
        let submission = Submission {
            source: SubmissionSource::Admin,
            publications: vec![publication; SUBMISSION_QUEUE_PUBLICATIONS],
            reply: ReplyTarget::Discard,
        };
        assert!(fabric.submissions.submit(submission).is_ok());
        assert_eq!(status(&fabric), StatusCode::TOO_MANY_REQUESTS);
    }

    #[test]
    fn a_dropped_submission_is_unavailable() {
        let fabric = fabric();
        handle(&fabric, drop);
        assert_eq!(status(&fabric), StatusCode::SERVICE_UNAVAILABLE);
    }
}
