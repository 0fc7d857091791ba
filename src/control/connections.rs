//! The connections with the most pending: `GET /connections?limit=10`. Control thread.
//!
//! Each shard looks for its own, a page in each turn, and answers on a channel; nobody waits for
//! one that does not.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use crossbeam_channel::{Receiver, TryRecvError, bounded};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::fabric::{Fabric, Order};
use crate::hub::SlowConnection;
use crate::limits::{SURVEY_LISTED, SURVEY_LISTED_DEFAULT, SURVEY_TIMEOUT};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<usize>,
}

/// Asks the shards, one survey at a time.
struct Surveyor {
    fabric: Arc<Fabric>,
    /// How long it waits for the shards, and before for those who asked first.
    wait: Duration,
    /// The answer that each shard owes. One that owes is not asked again, so that a stuck shard's
    /// orders do not pile up.
    owed: Mutex<Vec<Option<Receiver<Vec<SlowConnection>>>>>,
}

/// What the shards said.
#[derive(Default)]
struct Surveyed {
    /// Each with its shard.
    found: Vec<(usize, SlowConnection)>,
    /// Shards that did not answer in time.
    silent: Vec<usize>,
}

pub(super) fn routes(fabric: Arc<Fabric>) -> Router {
    let surveyor = Surveyor::new(fabric, SURVEY_TIMEOUT);
    Router::new()
        .route("/connections", get(connections))
        .with_state(Arc::new(surveyor))
}

async fn connections(
    State(surveyor): State<Arc<Surveyor>>,
    Query(asked): Query<Asked>,
) -> Response {
    let limit = asked.limit.unwrap_or(SURVEY_LISTED_DEFAULT);
    if !(1..=SURVEY_LISTED).contains(&limit) {
        let text = format!("limit is 1 to {SURVEY_LISTED}\n");
        return (StatusCode::BAD_REQUEST, text).into_response();
    }
    let Some(surveyed) = surveyor.ask(limit).await else {
        let text = "others are asking; try again\n";
        return (StatusCode::TOO_MANY_REQUESTS, text).into_response();
    };
    Json(surveyed.json(limit)).into_response()
}

impl Surveyor {
    fn new(fabric: Arc<Fabric>, wait: Duration) -> Self {
        let owed = fabric.shards.iter().map(|_| None).collect();
        Self {
            fabric,
            wait,
            owed: Mutex::new(owed),
        }
    }

    /// `None`: others asked first and it takes too long.
    async fn ask(&self, limit: usize) -> Option<Surveyed> {
        let mut owed = tokio::time::timeout(self.wait, self.owed.lock())
            .await
            .ok()?;
        let mut surveyed = Surveyed::default();
        let mut asked = Vec::new();
        for (shard, owed) in owed.iter_mut().enumerate() {
            let late = owed.as_ref().map(Receiver::try_recv);
            if late == Some(Err(TryRecvError::Empty)) {
                surveyed.silent.push(shard);
                continue;
            }
            let (reply, answer) = bounded(1);
            *owed = Some(answer);
            // An order that is not taken drops the channel, which is seen as an answer below.
            let order = Order::Survey { limit, reply };
            self.fabric.shards[shard].lane.order(order);
            asked.push(shard);
        }
        let until = Instant::now() + self.wait;
        while !asked.is_empty() && Instant::now() < until {
            asked.retain(|shard| !surveyed.take(*shard, &mut owed[*shard]));
            // A shard cannot wake this runtime, so it is asked a few times.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        surveyed.silent.extend(asked);
        surveyed.silent.sort_unstable();
        Some(surveyed)
    }
}

impl Surveyed {
    /// Takes a shard's answer. False: it has none yet.
    fn take(&mut self, shard: usize, owed: &mut Option<Receiver<Vec<SlowConnection>>>) -> bool {
        match owed.as_ref().map(Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return false,
            Some(Ok(found)) => {
                let found = found.into_iter().map(|connection| (shard, connection));
                self.found.extend(found);
            }
            // It has ended, or its orders are full.
            Some(Err(TryRecvError::Disconnected)) | None => self.silent.push(shard),
        }
        *owed = None;
        true
    }

    fn json(mut self, limit: usize) -> Value {
        self.found
            .sort_by_key(|(_, connection)| Reverse(connection.pending_bytes));
        self.found.truncate(limit);
        let connections: Vec<_> = self.found.iter().map(row).collect();
        json!({ "connections": connections, "silent_shards": self.silent })
    }
}

fn row((shard, connection): &(usize, SlowConnection)) -> Value {
    json!({
        "shard": shard,
        "id": format!("{shard}-{:x}", connection.id.to_bits()),
        "client": connection.client.map(|client| client.to_string()),
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

    use crossbeam_channel::Sender;

    use crate::fabric::Wake;
    use crate::hub::ConnectionId;

    use super::*;

    /// Two shards that nobody runs.
    fn surveyor(wait_ms: u64) -> Surveyor {
        let wake = || {
            let null = OpenOptions::new().write(true).open("/dev/null");
            Wake::new(null.unwrap())
        };
        let fabric = Fabric::new(vec![wake(), wake()], wake(), 10);
        Surveyor::new(Arc::new(fabric), Duration::from_millis(wait_ms))
    }

    fn ask(surveyor: &Surveyor, limit: usize) -> Value {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let surveyed = runtime.unwrap().block_on(surveyor.ask(limit));
        surveyed.unwrap().json(limit)
    }

    fn ordered(surveyor: &Surveyor, shard: usize) -> Option<Sender<Vec<SlowConnection>>> {
        match surveyor.fabric.shards[shard].lane.pop_order() {
            Some(Order::Survey { reply, .. }) => Some(reply),
            None => None,
            other => panic!("not a survey: {other:?}"),
        }
    }

    fn slow(pending_bytes: u64) -> SlowConnection {
        SlowConnection {
            id: ConnectionId::from_bits(7),
            client: None,
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
    fn the_shards_answers_are_merged() {
        let surveyor = surveyor(20_000);
        let answer = |shard: usize, bytes: &[u64]| {
            let reply = loop {
                match ordered(&surveyor, shard) {
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
    fn a_shard_that_does_not_answer_is_named_and_not_asked_twice() {
        let surveyor = surveyor(1);
        assert_eq!(ask(&surveyor, 1)["silent_shards"], json!([0, 1]));
        let late = ordered(&surveyor, 0).unwrap();
        assert_eq!(ask(&surveyor, 1)["silent_shards"], json!([0, 1]));
        assert!(ordered(&surveyor, 0).is_none(), "it owes an answer already");
        late.send(vec![slow(1)]).unwrap();
        assert_eq!(ask(&surveyor, 1)["connections"], json!([]), "too late");
        assert!(ordered(&surveyor, 0).is_some(), "it is asked again");
    }

    #[test]
    fn a_shard_that_has_ended_is_silent_at_once() {
        let surveyor = surveyor(20_000);
        let began = Instant::now();
        let answered = thread::scope(|scope| {
            for shard in 0..2 {
                let surveyor = &surveyor;
                scope.spawn(move || while ordered(surveyor, shard).is_none() {});
            }
            ask(&surveyor, 1)
        });
        assert_eq!(answered["silent_shards"], json!([0, 1]));
        assert!(began.elapsed() < surveyor.wait);
    }
}
