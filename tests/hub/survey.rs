//! Surveys: the search for the connections with the most pending bytes.

use std::collections::HashSet;

use fanfare::hub::{SlowConnection, Survey, SurveyProgress};
use fanfare::limits::SURVEY_SLOTS;

use serde_json::json;

use crate::harness::{HubHarness, SECOND_US};
use crate::tokens::{self, NOW_S, token};
use crate::upstream::{config, push};

/// Runs a survey to its end. Returns the connections found and the number of steps.
fn run_survey(harness: &mut HubHarness, limit: usize) -> (Vec<SlowConnection>, usize) {
    let mut survey = Survey::new(limit);
    let mut steps = 1;
    while harness.hub.survey(&mut survey, harness.now_us) == SurveyProgress::InProgress {
        steps += 1;
    }
    (survey.into_found(), steps)
}

#[test]
fn a_connection_without_pending_bytes_is_not_found() {
    let mut harness = HubHarness::new(config());
    assert_eq!(run_survey(&mut harness, 10), (Vec::new(), 1));
    for _ in 0..2 * SURVEY_SLOTS {
        harness.accept();
    }
    harness.connect_subscriber(&["a"]);
    harness.publish("a", "1");
    harness.run_turn();
    let nothing = (Vec::new(), 1);
    assert_eq!(
        run_survey(&mut harness, 10),
        nothing,
        "one step, which visits no slot"
    );
}

#[test]
fn a_slow_connection_is_described() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_slow_subscriber(&["a", "b"], 5);
    harness.publish("a", "1");
    harness.run_turn();
    harness.now_us += SECOND_US;
    harness.publish_joined("b", &["2", "3"]);
    harness.run_turn();
    harness.now_us += SECOND_US;
    let expected = SlowConnection {
        id,
        client: run_survey(&mut harness, 1).0[0].client,
        user: None,
        info: None,
        peer: None,
        protocol: "client",
        topics: 2,
        pending: 3,
        pending_bytes: harness.counts().pending_bytes,
        behind_us: Some(2 * SECOND_US),
        blocked: true,
        deflate: false,
    };
    assert_eq!(run_survey(&mut harness, 10).0, [expected]);
    harness.add_room(id, usize::MAX);
    assert_eq!(run_survey(&mut harness, 10).0, []);
}

#[test]
fn the_user_and_short_information_are_in_the_description() {
    let mut config = config();
    tokens::demand(&mut config);
    let mut harness = HubHarness::new(config);
    harness.hub.set_unix_time(NOW_S);
    for (user, info_bytes) in [("ann".to_owned(), 10), ("x".repeat(2_000), 2_000)] {
        let id = harness.open_websocket("/connection/websocket");
        let info = "i".repeat(info_bytes - 2);
        let claims = json!({"sub": user, "info": info, "channels": ["a"]});
        let connect = json!({"id": 1, "connect": {"token": token(&claims)}});
        harness.send_text(id, &connect.to_string());
        harness.read_texts(id);
        harness.socket(id).room_bytes = 1;
    }
    harness.publish("a", "1");
    harness.run_turn();
    let (mut found, _) = run_survey(&mut harness, 10);
    found.sort_by_key(|connection| connection.user.clone());
    assert_eq!(found[0].user.as_deref(), Some("ann"));
    assert_eq!(found[0].info.as_deref(), Some(&b"\"iiiiiiii\""[..]));
    let long = found[1].user.as_deref().unwrap();
    assert!(long.starts_with("xxx") && long.ends_with("...") && long.len() < 1_000);
    assert_eq!(found[1].info, None);
}

#[test]
fn a_client_is_found_under_the_id_in_its_connect_reply() {
    let mut harness = HubHarness::new(config());
    let mut clients = HashSet::new();
    for _ in 0..3 {
        let id = harness.open_websocket("/connection/websocket");
        harness.send_text(id, r#"{"id":1,"connect":{}}"#);
        let reply = harness.read_texts(id).remove(0);
        harness.send_text(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
        harness.read_texts(id);
        harness.socket(id).room_bytes = 0;
        harness.publish("a", "1");
        harness.run_turn();
        let client = run_survey(&mut harness, 1).0[0]
            .client
            .expect("it has connected");
        let field = format!(r#""client":"{client}""#);
        assert!(reply.contains(&field), "{reply}");
        assert_eq!(client.get_version_num(), 4);
        assert!(clients.insert(client), "each client has its own id");
        // The next client uses the same slot.
        harness.hub.lost(id);
        harness.run_turn();
    }
}

#[test]
fn protocol_and_compression_of_a_connection_are_described() {
    let mut harness = HubHarness::new(config());
    let raw = harness.open_websocket("/raw?topic=a");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let deflating = harness.connect_subscriber_with(offer, &["a"]);
    harness.socket(raw).room_bytes = 0;
    harness.socket(deflating).room_bytes = 0;
    harness.publish("a", "1");
    harness.run_turn();
    let mut found = run_survey(&mut harness, 10).0;
    found.sort_by_key(|connection| connection.protocol);
    let mut described = Vec::new();
    for connection in &found {
        let has_client_id = connection.client.is_some();
        described.push((connection.protocol, has_client_id, connection.deflate));
    }
    assert_eq!(described, [("client", true, true), ("raw", false, false)]);
}

#[test]
fn the_largest_outboxes_are_found_in_bounded_steps() {
    let mut harness = HubHarness::new(config());
    let slots = 2 * SURVEY_SLOTS + 1;
    let mut slow = Vec::new();
    for slot in 0..slots {
        // On the first and the last slots of steps. Each has one more publication pending than the
        // one before.
        if slot % (SURVEY_SLOTS / 2) == 0 {
            slow.push(harness.connect_slow_subscriber(&[&format!("t{slot}")], 0));
            for _ in 0..slow.len() {
                harness.publish(&format!("t{slot}"), "1");
            }
            harness.run_turn();
        } else {
            harness.accept();
        }
    }
    let (found, steps) = run_survey(&mut harness, 3);
    let ids: Vec<_> = found.iter().map(|each| each.id).collect();
    assert_eq!(ids, [slow[4], slow[3], slow[2]]);
    assert_eq!(
        steps,
        3 + 3,
        "three steps over the slots, and one for each connection found"
    );
    let pending: Vec<_> = found.iter().map(|each| each.pending).collect();
    assert_eq!(pending, [5, 4, 3]);
}

#[test]
fn connections_that_end_or_catch_up_during_a_survey_are_left_out() {
    let mut harness = HubHarness::new(config());
    let [slow, lost, reading] = [(); 3].map(|()| harness.connect_slow_subscriber(&["a"], 0));
    harness.publish("a", "1");
    harness.run_turn();
    let mut survey = Survey::new(10);
    let progress = harness.hub.survey(&mut survey, harness.now_us);
    assert_eq!(progress, SurveyProgress::InProgress);
    harness.hub.lost(lost);
    harness.add_room(reading, usize::MAX);
    assert_eq!(harness.read_texts(reading), [push("a", "1")]);
    // Another connection, without pending bytes, uses the slot.
    assert_eq!(harness.accept().slot(), lost.slot());
    while harness.hub.survey(&mut survey, harness.now_us) == SurveyProgress::InProgress {}
    let found = survey.into_found();
    let ids: Vec<_> = found.iter().map(|each| each.id).collect();
    assert_eq!(ids, [slow]);
}

#[test]
fn pending_replies_have_no_age() {
    let mut harness = HubHarness::new(config());
    let id = harness.connect_client();
    harness.socket(id).room_bytes = 0;
    harness.send_text(id, r#"{"id":2,"subscribe":{"channel":"a"}}"#);
    harness.run_turn();
    let found = run_survey(&mut harness, 1).0;
    assert_eq!((found[0].pending, found[0].behind_us), (0, None));
    assert!(found[0].pending_bytes > 0);
}
