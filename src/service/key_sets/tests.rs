//! Fetches of key sets: who waits for one, how often there is one, and issuers that fail.

use std::time::Instant;

use serde_json::{Value, json};

use crate::access::ServiceQuestion;
use crate::config::Config;
use crate::limits::{KEY_SET_BYTES, KEY_SET_KEYS};
use crate::observe::RequestResult;
use crate::service::tests::{Asker, Reaction, Stub, run};

use super::*;

fn key(id: &str) -> Value {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x})
}

/// Returns a response with a key set that has these keys.
fn key_set(ids: &[&str]) -> Reaction {
    let keys: Vec<_> = ids.iter().map(|id| key(id)).collect();
    Reaction::ok(&json!({ "keys": keys }).to_string())
}

fn question(stub: &Stub, id: &str) -> ServiceQuestion {
    ServiceQuestion::KeySet(KeySetQuestion {
        url: HttpUrl::parse(&stub.url).unwrap(),
        key_id: id.into(),
    })
}

/// Returns the key set of an answer, or `None` if it is not available.
fn keys(answer: ServiceAnswer) -> Option<Arc<KeySet>> {
    let ServiceAnswer::KeySet(answer) = answer else {
        panic!("{answer:?} is not the answer about a key set");
    };
    match answer.response {
        KeySetResponse::Fetched { key_set, .. } => Some(key_set),
        KeySetResponse::Paused { .. } | KeySetResponse::Unavailable => None,
    }
}

/// Runs `test` with an issuer and shards that ask for its key set.
fn with_issuer(reaction: Reaction, test: impl AsyncFnOnce(&Stub, &mut Asker)) {
    run(async {
        let stub = Stub::start(reaction).await;
        let (mut asker, mut handler) = Asker::new(&Config::default());
        tokio::select! {
            () = test(&stub, &mut asker) => {}
            () = handler.run() => unreachable!("the handler does not end"),
        }
    });
}

fn fetches(asker: &Asker) -> Vec<(RequestResult, u64)> {
    let results = &asker.fabric.service_meters.key_set_fetches;
    let counts = RequestResult::ALL.map(|result| (result, results.get(result)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

#[test]
fn all_who_ask_during_a_fetch_share_it() {
    with_issuer(key_set(&["a"]), async |stub, asker| {
        for _ in 0..1000 {
            asker.ask(0, question(stub, "a"));
            asker.ask(1, question(stub, "a"));
        }
        for shard in [0, 1] {
            for _ in 0..1000 {
                let (_, answer) = asker.answer(shard).await;
                assert!(keys(answer).unwrap().contains("a"));
            }
        }
        assert_eq!(stub.requests().len(), 1);
        let request = stub.requests().pop().unwrap();
        assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
        assert_eq!(fetches(asker), [(RequestResult::Ok, 1)]);
    });
}

#[test]
fn invented_keys_do_not_cause_fetches_and_known_ones_need_none() {
    with_issuer(key_set(&["a"]), async |stub, asker| {
        for number in 0..200 {
            let id = format!("invented {number}");
            let fetched = keys(asker.ask_and_wait(question(stub, &id)).await);
            // Only the first question is answered by a fetch. Others may come too early.
            assert_eq!(
                fetched.map(|keys| keys.contains(&id)),
                (number == 0).then_some(false)
            );
            let answer = asker.ask_and_wait(question(stub, "a")).await;
            assert!(keys(answer).unwrap().contains("a"));
        }
        assert_eq!(stub.requests().len(), 1);
    });
}

#[test]
fn an_issuer_that_fails_is_asked_twice_and_then_again_after_a_pause() {
    with_issuer(Reaction::Respond(500, Vec::new()), async |stub, asker| {
        let began = Instant::now();
        for _ in 0..50 {
            assert_eq!(keys(asker.ask_and_wait(question(stub, "a")).await), None);
        }
        if began.elapsed() < KEY_SET_RETRY_INTERVAL {
            assert_eq!(stub.requests().len(), 2);
        }
        stub.react(key_set(&["a"]));
        tokio::time::sleep(KEY_SET_RETRY_INTERVAL).await;
        let answer = asker.ask_and_wait(question(stub, "a")).await;
        assert!(keys(answer).unwrap().contains("a"));
        assert!(fetches(asker).contains(&(RequestResult::Ok, 1)));
    });
}

#[test]
fn documents_that_are_no_key_set_or_too_large_are_refused() {
    let many: Vec<_> = (0..=KEY_SET_KEYS).map(|id| key(&id.to_string())).collect();
    let million = format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(1_000_000));
    let cases = [
        (Reaction::ok("<html>"), RequestResult::Invalid),
        (
            Reaction::ok(&json!({ "keys": many }).to_string()),
            RequestResult::Invalid,
        ),
        (Reaction::ok(&million), RequestResult::TooLarge),
        (
            Reaction::Respond(200, vec![b' '; KEY_SET_BYTES + 1]),
            RequestResult::TooLarge,
        ),
        (
            Reaction::Respond(404, b"{}".into()),
            RequestResult::Status4xx,
        ),
        (
            Reaction::Respond(301, Vec::new()),
            RequestResult::StatusOther,
        ),
        (
            Reaction::Bytes(b"garbage\r\n".into()),
            RequestResult::Broken,
        ),
        (Reaction::Bytes(Vec::new()), RequestResult::Broken),
        (Reaction::Silence, RequestResult::Timeout),
    ];
    for (reaction, expected) in cases {
        with_issuer(reaction, async |stub, asker| {
            let began = Instant::now();
            let answer = asker.ask_and_wait(question(stub, "a")).await;
            assert_eq!(keys(answer), None, "{expected:?}");
            assert_eq!(fetches(asker), [(expected, 1)]);
            assert_eq!(stub.requests().len(), 2, "{expected:?}");
            assert!(began.elapsed() < Duration::from_secs(8), "{expected:?}");
        });
    }
}

/// Returns an entry whose last fetch has ended at 0 and brought the key `a`, if it did not fail.
fn entry(outcome: Outcome) -> Entry {
    let document = json!({ "keys": [key("a")] }).to_string();
    let (key_set, _) = KeySet::parse(document.as_bytes()).unwrap();
    Entry {
        newest: Some((Arc::new(key_set), 0)),
        last: Some(Attempt {
            ended_at_us: 0,
            outcome,
        }),
        asking: None,
    }
}

#[test]
fn the_age_of_a_key_set_and_of_the_last_fetch_decide_about_the_next() {
    const SECOND_US: u64 = 1_000_000;
    let fetched = entry(Outcome::Fetched);
    let is_fetched = |response| matches!(response, Some(KeySetResponse::Fetched { .. }));
    let hour_us = KEY_SET_AGE.as_micros() as u64;
    assert!(is_fetched(fetched.response_now("a", hour_us - 1)));
    assert_eq!(fetched.response_now("a", hour_us), None);
    let paused = fetched.response_now("b", 10 * SECOND_US - 1);
    assert!(matches!(paused, Some(KeySetResponse::Paused { .. })));
    assert_eq!(fetched.response_now("b", 10 * SECOND_US), None);

    let failed = entry(Outcome::Failed);
    let unavailable = Some(KeySetResponse::Unavailable);
    assert!(is_fetched(failed.response_now("a", SECOND_US)));
    assert_eq!(failed.response_now("b", SECOND_US - 1), unavailable);
    assert_eq!(failed.response_now("b", SECOND_US), None);
    assert_eq!(Entry::default().response_now("a", 0), None);
}

#[test]
fn a_fetch_that_is_cancelled_answers_all_who_wait() {
    let (asker, handler) = run(async {
        let stub = Stub::start(Reaction::Silence).await;
        let (mut asker, mut handler) = Asker::new(&Config::default());
        asker.ask(0, question(&stub, "a"));
        asker.ask(1, question(&stub, "b"));
        let fetching = async {
            while stub.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = fetching => {}
            () = handler.run() => unreachable!("the handler does not end"),
        }
        (asker, handler)
    });
    handler.close();
    for shard in &asker.fabric.shards {
        let (_, answer) = shard.service_answers.pop().expect("there is an answer");
        assert_eq!(keys(answer), None);
        assert_eq!(shard.service_answers.pop(), None);
    }
}
