//! Carries out one method of the server API. Publications go to the ingest thread like any other.
//! Control thread.

use std::sync::Arc;

use crate::admin::submit::submit;
use crate::config::AdminConfig;
use crate::fabric::{Fabric, SubmissionResult, SubmittedPublication};
use crate::limits::{API_REQUEST_ITEMS, SOCKET_TURN_BYTES, SOCKET_TURN_MESSAGES, SURVEY_TIMEOUT};
use crate::protocol::codes::ClientError;

use super::answers::{Answer, ApiError, Done, Outcome, Published, published};
use super::channels::ChannelLister;
use super::node::NodeIdentity;
use super::pattern::Pattern;
use super::requests::{Broadcast, Channels, Method, Publish, object};
use super::user_actions::UserActor;
use super::user_requests;

/// The parts of the process that the methods use.
pub(super) struct Executor {
    fabric: Arc<Fabric>,
    lister: ChannelLister,
    actor: UserActor,
    identity: NodeIdentity,
}

/// The rest of the bounds on one HTTP request, so that its answer has a bounded size.
pub(super) struct Allowance {
    /// Commands, and channels of broadcasts.
    items: usize,
    has_list: bool,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            items: API_REQUEST_ITEMS,
            has_list: true,
        }
    }
}

impl Allowance {
    /// Takes a number of commands or of channels.
    pub(super) fn take_items(&mut self, items: usize) -> Result<(), ApiError> {
        let Some(rest) = self.items.checked_sub(items) else {
            let text = format!(
                "a request has at most {API_REQUEST_ITEMS} commands and channels of broadcasts; \
                 send several requests"
            );
            return Err(ApiError::new(ClientError::LimitExceeded, text));
        };
        self.items = rest;
        Ok(())
    }

    /// Takes the only list of channels.
    fn take_list(&mut self) -> Result<(), ApiError> {
        if !std::mem::take(&mut self.has_list) {
            let text = "a request has at most one `channels`; send several requests";
            return Err(ApiError::new(ClientError::LimitExceeded, text));
        }
        Ok(())
    }
}

impl Executor {
    pub(super) fn new(config: &AdminConfig, fabric: Arc<Fabric>) -> Self {
        Self {
            lister: ChannelLister::new(Arc::clone(&fabric), SURVEY_TIMEOUT),
            actor: UserActor::new(Arc::clone(&fabric), SURVEY_TIMEOUT),
            identity: NodeIdentity::new(config),
            fabric,
        }
    }

    /// Carries out a method. The parameters are JSON.
    pub(super) async fn run(
        &self,
        method: Method,
        parameters: &[u8],
        allowance: &mut Allowance,
    ) -> Result<Outcome, ApiError> {
        match method {
            Method::Publish => self.publish(&object(parameters)?).await,
            Method::Broadcast => self.broadcast(&object(parameters)?, allowance).await,
            Method::Info => Ok(Outcome::Info {
                nodes: [self.identity.node(&self.fabric)],
            }),
            Method::Channels => {
                let parameters: Channels = object(parameters)?;
                let pattern = Pattern::parse(&parameters.pattern);
                let pattern = pattern
                    .map_err(|fault| ApiError::bad_request(format!("the pattern {fault}")))?;
                allowance.take_list()?;
                let channels = self.lister.list(&pattern).await?;
                Ok(Outcome::Channels { channels })
            }
            Method::Subscribe | Method::Unsubscribe | Method::Disconnect | Method::Refresh => {
                if let Some(action) =
                    user_requests::parse(method, parameters, self.fabric.clock.unix_s())?
                {
                    self.actor.carry_out(action).await?;
                }
                Ok(Outcome::Done(Done {}))
            }
            Method::NotAvailable => Err(ApiError::new(
                ClientError::NotAvailable,
                "this server does not have the method yet",
            )),
        }
    }

    async fn publish(&self, request: &Publish<'_>) -> Result<Outcome, ApiError> {
        let publication = SubmittedPublication {
            topic: request.channel.clone(),
            payload: request.payload()?,
            info: None,
        };
        let results = submit(&self.fabric, vec![publication]).await?;
        // One publication has one result.
        published(results[0]).map(Outcome::Published)
    }

    /// Publishes to each channel. Each submission copies the payload for each of its channels, so
    /// its size is bounded, and the next one waits for its results.
    async fn broadcast(
        &self,
        request: &Broadcast<'_>,
        allowance: &mut Allowance,
    ) -> Result<Outcome, ApiError> {
        if request.channels.is_empty() {
            return Err(ApiError::bad_request(
                "name one channel or more in `channels`",
            ));
        }
        allowance.take_items(request.channels.len())?;
        let payload = request.payload()?;
        let at_once = SOCKET_TURN_BYTES / payload.len().max(1);
        let at_once = at_once.clamp(1, SOCKET_TURN_MESSAGES);
        let mut responses = Vec::with_capacity(request.channels.len());
        for channels in request.channels.chunks(at_once) {
            let publication = |channel: &String| SubmittedPublication {
                topic: channel.clone(),
                payload: payload.clone(),
                info: None,
            };
            let publications = channels.iter().map(publication).collect();
            match submit(&self.fabric, publications).await {
                Ok(results) => responses.extend(results.into_iter().map(answer)),
                Err(error) => {
                    let all = std::iter::repeat_n(Answer::Error(error.into()), channels.len());
                    responses.extend(all);
                }
            }
        }
        Ok(Outcome::Broadcast { responses })
    }
}

/// Returns the answer to one publication of a broadcast.
fn answer(result: SubmissionResult) -> Answer<Published> {
    published(result).into()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::{Value, json};

    use crate::fabric::{ReplyTarget, Submission, SubmissionSource};
    use crate::limits::SUBMISSION_QUEUE_PUBLICATIONS;
    use crate::shard;

    use super::*;

    fn executor() -> Executor {
        let wake = shard::wake().expect("the process may open an event descriptor");
        let fabric = Arc::new(Fabric::new(Vec::new(), wake, 1));
        Executor::new(&AdminConfig::default(), fabric)
    }

    fn run(executor: &Executor, method: Method, parameters: &Value) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let parameters = parameters.to_string();
        let mut allowance = Allowance::default();
        let result = executor.run(method, parameters.as_bytes(), &mut allowance);
        let answer: Answer<Outcome> = runtime.block_on(result).into();
        serde_json::to_value(answer).unwrap()
    }

    /// Runs a method while submissions are answered. Returns the answer, and the submissions.
    fn run_answered(
        method: Method,
        parameters: &Value,
        results: impl Fn(usize) -> SubmissionResult,
    ) -> (Value, Vec<Vec<SubmittedPublication>>) {
        let executor = executor();
        let mut submissions = Vec::new();
        let answer = thread::scope(|scope| {
            let running = scope.spawn(|| run(&executor, method, parameters));
            while !running.is_finished() {
                let Some(submission) = executor.fabric.submissions.take() else {
                    thread::yield_now();
                    continue;
                };
                let results = (0..submission.publications.len()).map(&results).collect();
                submissions.push(submission.publications);
                match submission.reply {
                    ReplyTarget::Task(sender) => sender.send(results).expect("it waits"),
                    other => panic!("not a task: {other:?}"),
                }
            }
            running.join().unwrap()
        });
        (answer, submissions)
    }

    fn lengths(submissions: &[Vec<SubmittedPublication>]) -> Vec<usize> {
        submissions.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_broadcast_has_one_response_per_channel_in_their_order() {
        let parameters = json!({"channels": ["a", "", "c"], "data": {"x": 1}});
        let results = |index| match index {
            1 => SubmissionResult::Busy,
            _ => SubmissionResult::Accepted,
        };
        let (answer, submissions) = run_answered(Method::Broadcast, &parameters, results);
        let responses = &answer["result"]["responses"];
        assert_eq!(responses[0], json!({"result": {}}));
        assert_eq!(responses[1]["error"]["code"], 111);
        assert_eq!(responses[2], json!({"result": {}}));
        let topics = submissions.concat();
        let topics: Vec<_> = topics.iter().map(|it| &*it.topic).collect();
        assert_eq!(topics, ["a", "", "c"]);
    }

    #[test]
    fn a_large_broadcast_is_submitted_in_parts_of_bounded_size() {
        let channels = vec!["a"; 2 * SOCKET_TURN_MESSAGES + 1];
        let accepted = |_| SubmissionResult::Accepted;
        let parameters = json!({"channels": channels, "data": 1});
        let (answer, submissions) = run_answered(Method::Broadcast, &parameters, accepted);
        assert_eq!(
            lengths(&submissions),
            [SOCKET_TURN_MESSAGES, SOCKET_TURN_MESSAGES, 1]
        );
        let responses = answer["result"]["responses"].as_array().unwrap();
        assert_eq!(responses.len(), channels.len());
        let data = "x".repeat(SOCKET_TURN_BYTES / 2);
        let parameters = json!({"channels": ["a", "b", "c"], "data": data});
        let (_, submissions) = run_answered(Method::Broadcast, &parameters, accepted);
        assert_eq!(lengths(&submissions), [1, 1, 1]);
    }

    #[test]
    fn a_full_queue_is_code_111_for_each_channel() {
        let executor = executor();
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
        assert!(executor.fabric.submissions.submit(submission).is_ok());
        let answer = run(
            &executor,
            Method::Publish,
            &json!({"channel": "a", "data": 1}),
        );
        assert_eq!(answer["error"]["code"], 111);
        let parameters = json!({"channels": ["a", "b"], "data": 1});
        let answer = run(&executor, Method::Broadcast, &parameters);
        let responses = answer["result"]["responses"].as_array().unwrap();
        assert_eq!(responses.len(), 2);
        assert!(responses.iter().all(|it| it["error"]["code"] == 111));
    }

    #[test]
    fn what_a_request_may_contain_is_bounded() {
        let channels = vec!["a"; API_REQUEST_ITEMS + 1];
        let parameters = json!({"channels": channels, "data": 1});
        let answer = run(&executor(), Method::Broadcast, &parameters);
        assert_eq!(answer["error"]["code"], 106);
        let mut allowance = Allowance::default();
        assert!(allowance.take_items(API_REQUEST_ITEMS - 1).is_ok());
        assert!(allowance.take_items(2).is_err() && allowance.take_items(1).is_ok());
        assert!(allowance.take_items(1).is_err());
        assert!(allowance.take_list().is_ok() && allowance.take_list().is_err());
    }

    #[test]
    fn wrong_parameters_and_missing_methods_have_their_codes() {
        let executor = executor();
        for (method, parameters, code) in [
            (Method::Broadcast, json!({"channels": [], "data": 1}), 107),
            (Method::Broadcast, json!({"channels": ["a"]}), 107),
            (Method::Publish, json!([]), 107),
            (Method::Channels, json!({"pattern": "[a]"}), 107),
            (Method::Disconnect, json!({}), 107),
            (Method::NotAvailable, json!({"user": "a"}), 108),
        ] {
            let answer = run(&executor, method, &parameters);
            assert_eq!(answer["error"]["code"], code, "{method:?} {parameters}");
        }
        let info = run(&executor, Method::Info, &json!({}));
        assert_eq!(info["result"]["nodes"][0]["num_clients"], 0);
        let none = json!({"result": {"channels": {}}});
        assert_eq!(run(&executor, Method::Channels, &json!({})), none);
    }
}
