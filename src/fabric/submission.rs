//! A submission: publications that another thread of the process hands to the ingest thread, and
//! the results that the ingest thread returns. Created on shard threads and the control thread.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::hub::Ticket;
use crate::protocol::ClientInfo;

use super::rejection::Rejection;

/// The sender of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmissionSource {
    /// Clients of one shard.
    Client,
    /// The admin port.
    Admin,
    /// The watchdog. Its publications show whether every thread makes progress.
    Canary,
}

/// One publication of a submission, as the sender supplied it. The ingest thread checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedPublication {
    pub topic: String,
    pub payload: Vec<u8>,
    /// The client that has sent the publication, if clients are authenticated.
    pub info: Option<Arc<ClientInfo>>,
}

impl SubmittedPublication {
    /// Returns the bytes of all parts.
    fn bytes(&self) -> usize {
        let info_bytes = self.info.as_ref().map_or(0, |info| info.bytes());
        self.topic.len() + self.payload.len() + info_bytes
    }
}

/// Publications that wait for the ingest thread. It takes them in order.
#[derive(Debug)]
pub struct Submission {
    pub source: SubmissionSource,
    pub publications: Vec<SubmittedPublication>,
    pub reply: ReplyTarget,
    /// The time until which the ingest thread may take the submission, in microseconds of the
    /// process clock. It refuses the publications afterwards. `None` if it may take it at any time.
    pub deadline_us: Option<u64>,
}

impl Submission {
    /// Returns whether the submission is taken too late at `now_us`.
    pub fn is_expired(&self, now_us: u64) -> bool {
        self.deadline_us
            .is_some_and(|deadline_us| deadline_us <= now_us)
    }

    /// Returns the bytes of its publications.
    pub(super) fn bytes(&self) -> usize {
        let publications = self.publications.iter();
        publications.map(SubmittedPublication::bytes).sum()
    }
}

/// Where the results of a submission go: one result per publication, in the same order.
#[derive(Debug)]
pub enum ReplyTarget {
    /// The results are discarded.
    Discard,
    /// A tokio task. If the ingest thread ends first, the sender is dropped and the task gets an
    /// error.
    Task(oneshot::Sender<Vec<SubmissionResult>>),
    /// Pending commands of a shard, one ticket per publication. The results travel on the lane of
    /// the shard, in order with its batches.
    Shard { index: usize, tickets: Vec<Ticket> },
}

impl ReplyTarget {
    /// Returns the tickets of a shard; other targets have none.
    pub(super) fn into_tickets(self) -> Vec<Ticket> {
        match self {
            Self::Discard | Self::Task(_) => Vec::new(),
            Self::Shard { tickets, .. } => tickets,
        }
    }
}

/// The result of one publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmissionResult {
    /// The publication has its place in the order of its topic, and is on the lane of every shard
    /// that may want it.
    Accepted,
    /// The publication is not valid. Another attempt has the same result.
    Rejected(Rejection),
    /// The lane of a shard that may want the publication is full. No shard gets the publication;
    /// the sender may try again.
    Busy,
    /// The ingest thread took the publication after its deadline. No shard gets the publication;
    /// the sender may try again.
    Expired,
}

/// A result other than [`SubmissionResult::Accepted`], as a publisher reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishError {
    /// The metric label `reason` of `fanfare_rejected_total`.
    pub code: &'static str,
    /// An instruction for the publisher.
    pub text: String,
}

/// The code of [`SubmissionResult::Busy`].
pub const BUSY_CODE: &str = "busy";

/// The code of [`SubmissionResult::Expired`].
const EXPIRED_CODE: &str = "expired";

impl SubmissionResult {
    /// Returns the code and the text for the publisher, or `None` if the publication is accepted.
    pub fn error(self) -> Option<PublishError> {
        let (code, text) = match self {
            Self::Accepted => return None,
            Self::Rejected(rejection) => (rejection.name(), rejection.to_string()),
            Self::Busy => (
                BUSY_CODE,
                "a shard cannot keep up: send the publication again later".into(),
            ),
            Self::Expired => (
                EXPIRED_CODE,
                "the ingest thread did not take the publication in time: send it again later"
                    .into(),
            ),
        };
        Some(PublishError { code, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_but_accepted_has_a_code_and_a_text() {
        assert_eq!(SubmissionResult::Accepted.error(), None);
        for rejection in Rejection::ALL {
            let error = SubmissionResult::Rejected(rejection).error();
            let error = error.expect("a rejection is an error");
            assert_eq!(error.code, rejection.name());
            assert_eq!(error.text, rejection.to_string());
        }
        for (result, code) in [
            (SubmissionResult::Busy, "busy"),
            (SubmissionResult::Expired, "expired"),
        ] {
            let error = result.error().expect("the result is an error");
            assert_eq!(error.code, code);
            assert!(error.text.len() > 20);
            assert!(!Rejection::ALL.map(Rejection::name).contains(&error.code));
        }
    }
}
