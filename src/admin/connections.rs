//! The connections with the most pending bytes: `GET /connections?limit=10`. Control thread.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fabric::Fabric;
use crate::hub::SlowConnection;
use crate::limits::{SURVEY_LISTED, SURVEY_LISTED_DEFAULT, SURVEY_TIMEOUT};
use crate::observe::escape_for_terminal;

use super::survey::{SurveyError, SurveyResult, Surveyor};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    limit: Option<usize>,
}

pub(super) fn routes(fabric: Arc<Fabric>) -> Router {
    let surveyor = Surveyor::new(fabric, SURVEY_TIMEOUT);
    Router::new()
        .route("/connections", get(get_connections))
        .with_state(Arc::new(surveyor))
}

async fn get_connections(
    State(surveyor): State<Arc<Surveyor>>,
    Query(parameters): Query<Parameters>,
) -> Response {
    let limit = parameters.limit.unwrap_or(SURVEY_LISTED_DEFAULT);
    if !(1..=SURVEY_LISTED).contains(&limit) {
        let text = format!("limit is 1 to {SURVEY_LISTED}\n");
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    match surveyor.survey(limit).await {
        Ok(result) => {
            // A terminal would act on control characters in the name of a user.
            let body = render(result, limit).to_string();
            let body = escape_for_terminal(&body).into_owned();
            ([(CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(SurveyError::Busy) => {
            let text = "others are asking; try again\n";
            (StatusCode::TOO_MANY_REQUESTS, text).into_response()
        }
    }
}

/// Returns the body of the response: the `limit` connections of all shards with the most pending
/// bytes.
fn render(mut result: SurveyResult, limit: usize) -> Value {
    result
        .found
        .sort_by_key(|(_, connection)| Reverse(connection.pending_bytes));
    result.found.truncate(limit);
    let connections: Vec<_> = result.found.iter().map(row).collect();
    json!({ "connections": connections, "silent_shards": result.silent })
}

/// Returns the value that a JSON text is.
fn json_value(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).ok()
}

fn row((shard, connection): &(usize, SlowConnection)) -> Value {
    json!({
        "shard": shard,
        "id": format!("{shard}-{:x}", connection.id.to_bits()),
        "client": connection.client.map(|client| client.to_string()),
        "user": connection.user,
        "info": connection.info.as_deref().and_then(json_value),
        "peer": connection.peer.map(|peer| peer.to_string()),
        "protocol": connection.protocol,
        "topics": connection.topics,
        "pending": connection.pending,
        "pending_bytes": connection.pending_bytes,
        "behind_us": connection.behind_us,
        "blocked": connection.blocked,
        "deflate": connection.deflate,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::thread;
    use std::time::{Duration, Instant};

    use tokio::sync::oneshot;

    use crate::fabric::{ShardRequest, Wake};
    use crate::hub::ConnectionId;

    use super::*;

    /// Returns a surveyor of two shards without a thread.
    fn surveyor(wait_ms: u64) -> Surveyor {
        let wake = || {
            let null = OpenOptions::new().write(true).open("/dev/null");
            Wake::new(null.unwrap())
        };
        let fabric = Fabric::new(vec![wake(), wake()], wake(), 10);
        Surveyor::new(Arc::new(fabric), Duration::from_millis(wait_ms))
    }

    /// Makes a survey and returns the response.
    fn ask(surveyor: &Surveyor, limit: usize) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let result = runtime.unwrap().block_on(surveyor.survey(limit));
        render(result.unwrap(), limit)
    }

    /// Takes a request like a shard and returns the sender of its reply.
    fn take_request(
        surveyor: &Surveyor,
        shard: usize,
    ) -> Option<oneshot::Sender<Vec<SlowConnection>>> {
        match surveyor.fabric.shards[shard].lane.pop_request() {
            Some(ShardRequest::Survey { reply, .. }) => Some(reply),
            None => None,
            other => panic!("not a survey: {other:?}"),
        }
    }

    fn slow(pending_bytes: u64) -> SlowConnection {
        SlowConnection {
            id: ConnectionId::from_bits(7),
            client: None,
            user: None,
            info: None,
            peer: None,
            protocol: "raw",
            topics: 1,
            pending: 1,
            pending_bytes,
            behind_us: Some(5),
            blocked: true,
            deflate: false,
        }
    }

    #[test]
    fn the_replies_of_the_shards_are_merged() {
        let surveyor = surveyor(20_000);
        let answer = |shard: usize, bytes: &[u64]| {
            let reply = loop {
                match take_request(&surveyor, shard) {
                    Some(reply) => break reply,
                    None => thread::yield_now(),
                }
            };
            reply.send(bytes.iter().map(|bytes| slow(*bytes)).collect())
        };
        let answered = thread::scope(|scope| {
            scope.spawn(|| answer(0, &[40, 20]).unwrap());
            scope.spawn(|| answer(1, &[30, 10]).unwrap());
            ask(&surveyor, 3)
        });
        let rows = answered["connections"].as_array().unwrap();
        let facts = rows
            .iter()
            .map(|row| (row["shard"].as_u64(), row["pending_bytes"].as_u64()));
        let expected = [(0, 40), (1, 30), (0, 20)];
        assert!(facts.eq(expected.map(|(shard, bytes)| (Some(shard), Some(bytes)))));
        assert_eq!(rows[1]["id"], "1-7");
        assert_eq!(answered["silent_shards"], json!([]));
    }

    #[test]
    fn a_shard_that_does_not_reply_is_listed_and_gets_no_second_request() {
        let surveyor = surveyor(1);
        assert_eq!(ask(&surveyor, 1)["silent_shards"], json!([0, 1]));
        let late = take_request(&surveyor, 0).unwrap();
        assert_eq!(ask(&surveyor, 1)["silent_shards"], json!([0, 1]));
        assert!(
            take_request(&surveyor, 0).is_none(),
            "its reply is outstanding"
        );
        late.send(vec![slow(1)]).unwrap();
        assert_eq!(
            ask(&surveyor, 1)["connections"],
            json!([]),
            "the reply was too late"
        );
        assert!(
            take_request(&surveyor, 0).is_some(),
            "the shard gets a request again"
        );
    }

    #[test]
    fn a_shard_that_has_ended_is_not_waited_for() {
        let surveyor = surveyor(20_000);
        let began = Instant::now();
        let answered = thread::scope(|scope| {
            for shard in 0..2 {
                let surveyor = &surveyor;
                scope.spawn(move || while take_request(surveyor, shard).is_none() {});
            }
            ask(&surveyor, 1)
        });
        assert_eq!(answered["silent_shards"], json!([0, 1]));
        assert!(began.elapsed() < surveyor.timeout);
    }
}
