//! Results and errors of the server API, as its SDKs read them. Control thread.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::admin::submit::SubmitError;
use crate::fabric::SubmissionResult;
use crate::protocol::codes::ClientError;

use super::node::Node;

/// Why a method failed. The codes are those of the client protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    kind: ClientError,
    /// The instruction for the author of the back end.
    text: String,
}

impl ApiError {
    pub(super) fn new(kind: ClientError, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(ClientError::BadRequest, text)
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> ClientError {
        self.kind
    }
}

impl Serialize for ApiError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("code", &self.kind.code())?;
        let message = format!("{}: {}", self.kind.message(), self.text);
        map.serialize_entry("message", &message)?;
        map.end()
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let kind = match error {
            SubmitError::Busy => ClientError::TooManyRequests,
            SubmitError::Stopping => ClientError::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

/// The answer to one method: `{"result":...}` or `{"error":...}`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer<R> {
    Result(R),
    Error(ApiError),
}

impl<R> From<Result<R, ApiError>> for Answer<R> {
    fn from(result: Result<R, ApiError>) -> Self {
        match result {
            Ok(result) => Self::Result(result),
            Err(error) => Self::Error(error),
        }
    }
}

/// The result of a method.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Published(Published),
    Broadcast { responses: Vec<Answer<Published>> },
    Info { nodes: [Node; 1] },
    Channels { channels: BTreeMap<String, Channel> },
    Done(Done),
}

/// The result of a method that has nothing to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Done {}

/// The result of one publication. It has no offset, because there is no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Published {}

/// A channel of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Channel {
    pub(super) num_clients: u64,
}

/// Returns the result of one publication, or the error for the back end.
pub(super) fn published(result: SubmissionResult) -> Result<Published, ApiError> {
    let Some(error) = result.error() else {
        return Ok(Published {});
    };
    let kind = match result {
        SubmissionResult::Accepted | SubmissionResult::Rejected(_) => ClientError::BadRequest,
        SubmissionResult::Busy => ClientError::TooManyRequests,
        SubmissionResult::Expired => ClientError::Internal,
    };
    Err(ApiError::new(kind, error.text))
}

/// The answer to one command of a batch: its result under the name of the method, or an error.
#[derive(Clone, Debug)]
pub(super) struct BatchReply {
    pub(super) method: String,
    pub(super) result: Result<Outcome, ApiError>,
}

impl Serialize for BatchReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match &self.result {
            Ok(outcome) => map.serialize_entry(&self.method, outcome)?,
            Err(error) => map.serialize_entry("error", error)?,
        }
        map.end()
    }
}

/// The answer to a batch.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BatchAnswer {
    pub(super) replies: Vec<BatchReply>,
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use crate::fabric::Rejection;

    use super::*;

    #[test]
    fn answers_have_the_form_that_sdks_read() {
        let answer = Answer::from(Ok(Outcome::Published(Published {})));
        assert_eq!(to_value(&answer).unwrap(), json!({"result": {}}));
        let busy: Answer<Outcome> = Answer::from(Err(SubmitError::Busy.into()));
        let message = "too many requests: the ingest thread is busy; try again";
        let error = json!({"error": {"code": 111, "message": message}});
        assert_eq!(to_value(&busy).unwrap(), error);
        let responses = vec![
            published(SubmissionResult::Accepted).into(),
            published(SubmissionResult::Rejected(Rejection::TopicEmpty)).into(),
        ];
        let reply = BatchReply {
            method: "broadcast".into(),
            result: Ok(Outcome::Broadcast { responses }),
        };
        let message = "bad request: the topic is empty: name a topic";
        let error = json!({"error": {"code": 107, "message": message}});
        let expected = json!({"broadcast": {"responses": [{"result": {}}, error]}});
        assert_eq!(to_value(&reply).unwrap(), expected);
    }

    #[test]
    fn results_of_publications_have_codes_of_centrifugo() {
        let code = |result| published(result).map_err(|error| error.kind().code());
        assert_eq!(code(SubmissionResult::Accepted), Ok(Published {}));
        assert_eq!(code(SubmissionResult::Busy), Err(111));
        assert_eq!(code(SubmissionResult::Expired), Err(100));
        for rejection in Rejection::ALL {
            assert_eq!(code(SubmissionResult::Rejected(rejection)), Err(107));
        }
    }
}
