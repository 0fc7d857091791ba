//! Publications over HTTP: `POST /publish` with a JSON body. Control thread.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::fabric::{BUSY_CODE, Fabric, SubmissionResult};

use super::publication;
use super::submit::{SubmitError, submit};

/// Submits a publication and responds with its result. The body is JSON, whatever its type is
/// called: `curl -d` calls it a form.
pub(super) async fn publish(State(fabric): State<Arc<Fabric>>, body: Bytes) -> Response {
    let publication = match publication::parse(&body) {
        Ok(publication) => publication,
        Err(error) => {
            let (code, status) = error.code_and_status();
            return refuse(status, code, &error.to_string());
        }
    };
    match submit(&fabric, vec![publication]).await {
        // One publication has one result.
        Ok(results) => respond(results[0]),
        Err(error) => refuse_unsubmitted(error),
    }
}

fn respond(result: SubmissionResult) -> Response {
    let Some(error) = result.error() else {
        return Json(serde_json::json!({})).into_response();
    };
    let status = match result {
        SubmissionResult::Accepted => StatusCode::OK,
        SubmissionResult::Rejected(_) => StatusCode::BAD_REQUEST,
        SubmissionResult::Busy => StatusCode::TOO_MANY_REQUESTS,
        SubmissionResult::Expired => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse(status, error.code, &error.text)
}

fn refuse_unsubmitted(error: SubmitError) -> Response {
    let (status, code) = match error {
        SubmitError::Busy => (StatusCode::TOO_MANY_REQUESTS, BUSY_CODE),
        SubmitError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    refuse(status, code, &error.to_string())
}

fn refuse(status: StatusCode, code: &str, text: &str) -> Response {
    let body = serde_json::json!({ "error": { "code": code, "message": text } });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::config::Config;
    use crate::fabric::{
        Rejection, ReplyTarget, Submission, SubmissionSource, SubmittedPublication, ThreadMonitor,
        ThreadName,
    };
    use crate::limits::{SUBMISSION_QUEUE_PUBLICATIONS, SUBMISSION_TIMEOUT};
    use crate::{ingest, shard};

    fn fabric() -> Arc<Fabric> {
        let wake = shard::wake().expect("the process may open an event descriptor");
        Arc::new(Fabric::new(Vec::new(), wake, 1))
    }

    /// Publishes to the topic `a` and returns the status of the response.
    fn status(fabric: &Arc<Fabric>) -> StatusCode {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime is created");
        let response = publish(
            State(Arc::clone(fabric)),
            Bytes::from_static(br#"{"channel":"a","text":"1"}"#),
        );
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
            (SubmissionResult::Expired, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let fabric = fabric();
            handle(&fabric, move |submission| match submission.reply {
                ReplyTarget::Task(sender) => sender.send(vec![result]).expect("it waits"),
                other => panic!("not a task: {other:?}"),
            });
            assert_eq!(status(&fabric), expected, "{result:?}");
        }
    }

    /// Publishes while the ingest thread is stalled for `stall`. Returns the status, and how many
    /// publications the ingest thread accepted.
    fn publish_during_stall(stall: Duration) -> (StatusCode, u64) {
        let fabric = fabric();
        let publishing = {
            let fabric = Arc::clone(&fabric);
            thread::spawn(move || status(&fabric))
        };
        while fabric.submissions.is_empty() {
            thread::yield_now();
        }
        let submitted = Instant::now();
        while submitted.elapsed() < stall {
            thread::sleep(Duration::from_millis(10));
        }
        let mut config = Config::default();
        for endpoints in [
            &mut config.ingest.pull,
            &mut config.ingest.sub,
            &mut config.ingest.router,
        ] {
            endpoints.clear();
        }
        let sockets = ingest::bind(&config).expect("there is nothing to bind");
        let guard = ThreadMonitor::default().guard(ThreadName::Ingest);
        let ingest = ingest::spawn(sockets, &config, Arc::clone(&fabric), guard);
        let ingest = ingest.expect("the thread starts");
        let status = publishing.join().expect("the request is answered");
        fabric.submissions.close();
        ingest.join().expect("the thread ends");
        (status, fabric.ingest_counts.load().accepted)
    }

    #[test]
    fn a_publication_is_delivered_and_acknowledged_or_neither() {
        let (before, after) = (SUBMISSION_TIMEOUT / 2, SUBMISSION_TIMEOUT);
        assert_eq!(publish_during_stall(before), (StatusCode::OK, 1));
        let (status, accepted) = publish_during_stall(after);
        assert_eq!((status, accepted), (StatusCode::SERVICE_UNAVAILABLE, 0));
    }

    #[test]
    fn a_full_queue_is_busy() {
        let fabric = fabric();
        let publication = SubmittedPublication {
            topic: "a".into(),
            payload: Vec::new(),
            info: None,
        };
        let submission = Submission {
            source: SubmissionSource::Admin,
            publications: vec![publication; SUBMISSION_QUEUE_PUBLICATIONS],
            reply: ReplyTarget::Discard,
            deadline_us: None,
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
