//! Submits publications of the admin port to the ingest thread and waits for their results. Control
//! thread.

use tokio::sync::oneshot;

use crate::fabric::{
    Fabric, ReplyTarget, Submission, SubmissionResult, SubmissionSource, SubmittedPublication,
};
use crate::limits::SUBMISSION_TIMEOUT;

/// Why publications were not submitted, or have no result. No subscriber gets one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SubmitError {
    #[error("the ingest thread is busy; try again")]
    Busy,
    #[error("the server ends; the publication was not taken")]
    Stopping,
}

/// Submits publications and returns one result for each, in their order. Waits as long as it takes:
/// any other answer could be false.
pub(super) async fn submit(
    fabric: &Fabric,
    publications: Vec<SubmittedPublication>,
) -> Result<Vec<SubmissionResult>, SubmitError> {
    let (sender, receiver) = oneshot::channel();
    let submission = Submission {
        source: SubmissionSource::Admin,
        publications,
        reply: ReplyTarget::Task(sender),
        deadline_us: Some(fabric.clock.now_us() + SUBMISSION_TIMEOUT.as_micros() as u64),
    };
    let submitted = fabric.submissions.submit(submission);
    submitted.map_err(|_| SubmitError::Busy)?;
    // Without results, the ingest thread has ended and dropped the submission.
    receiver.await.map_err(|_| SubmitError::Stopping)
}
