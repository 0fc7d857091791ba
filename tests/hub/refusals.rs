//! Reports of refused handshakes for the log: the reason, the remedy, and their number.

use fanfare::hub::{RefusalReason, RefusedHandshake};
use fanfare::limits::{LOG_EXCERPT_BYTES, LOG_INTERVAL, LOG_LINES};

use crate::harness::{HubHarness, TICK_US};
use crate::upstream::config;
use crate::wire::upgrade_request_with;

const CLIENT: &str = "/connection/websocket";

/// Sends one request, and returns what the hub reports about it.
fn report(harness: &mut HubHarness, target: &str, headers: &str) -> Option<RefusedHandshake> {
    let id = harness.accept();
    harness.send_bytes(id, &upgrade_request_with(target, headers));
    let report = harness.hub.poll_refused_handshake();
    assert!(
        report
            .as_ref()
            .is_none_or(|report| report.id == Some(id) && report.suppressed == 0)
    );
    assert_eq!(harness.hub.poll_refused_handshake(), None, "one report");
    report
}

#[test]
fn a_forbidden_origin_is_reported_with_the_entry_that_allows_it() {
    let mut harness = HubHarness::new(config());
    let header = "Origin: http://localhost:3000\r\n";
    let refused = report(&mut harness, CLIENT, header).expect("a report");
    assert_eq!(refused.reason, RefusalReason::Origin);
    let remedy = "add \"http://localhost:3000\" to ws.origins";
    assert!(refused.text.contains(remedy), "{}", refused.text);
}

#[test]
fn text_of_a_client_is_clipped_and_escaped() {
    let mut harness = HubHarness::new(config());
    let long = format!("Origin: https://{}.example\r\n", "x".repeat(500));
    for header in [&long, "Origin: \"a\tb\"\r\n", "Origin: http://a/b\r\n"] {
        let refused = report(&mut harness, CLIENT, header).expect("a report");
        assert!(
            !refused.text.contains("add \""),
            "no entry allows this origin: {}",
            refused.text
        );
        assert!(refused.text.len() < 2 * LOG_EXCERPT_BYTES);
        assert!(!refused.text.contains('\t'));
    }
    let path = format!("/{}?token=secret", "p".repeat(500));
    let refused = report(&mut harness, &path, "").expect("a report");
    assert_eq!(refused.reason, RefusalReason::Request);
    let (fault, path) = refused.text.split_once(" (path ").expect("the path");
    assert!(fault.starts_with("not found: "), "{fault}");
    assert!(path.len() < 2 * LOG_EXCERPT_BYTES, "{path}");
    assert!(!refused.text.contains("secret"));
}

#[test]
fn an_accepted_handshake_is_not_reported() {
    let mut harness = HubHarness::new(config());
    assert_eq!(report(&mut harness, CLIENT, ""), None);
    assert_eq!(report(&mut harness, "/health", ""), None);
}

#[test]
fn a_person_with_a_browser_gets_the_paths_and_is_not_reported() {
    let mut harness = HubHarness::new(config());
    for path in ["/", "/?a=b", "/favicon.ico"] {
        let id = harness.accept();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        harness.send_bytes(id, request.as_bytes());
        assert_eq!(harness.hub.poll_refused_handshake(), None, "{path}");
    }
    assert_eq!(harness.counts().refused_request, 0);
    let client = report(&mut harness, "/", "").expect("a report");
    assert_eq!(client.reason, RefusalReason::Request);
    let id = harness.accept();
    harness.send_bytes(id, b"GET /connection HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(
        harness.hub.poll_refused_handshake().is_some(),
        "a wrong path"
    );
    assert_eq!(harness.counts().refused_request, 2);
}

#[test]
fn a_request_head_that_never_ends_is_reported() {
    let mut harness = HubHarness::new(config());
    let id = harness.accept();
    harness.send_bytes(id, b"GET /");
    harness.advance_clock(config().ws.handshake_timeout.as_micros() as u64 + TICK_US);
    let refused = harness.hub.poll_refused_handshake().expect("a report");
    assert_eq!(
        (refused.id, refused.reason),
        (Some(id), RefusalReason::Timeout)
    );
    assert_eq!(harness.counts().refused_timeout, 1);
}

#[test]
fn many_refusals_of_a_kind_are_reported_by_number() {
    let mut harness = HubHarness::new(config());
    let origin = "Origin: http://localhost:3000\r\n";
    for _ in 0..LOG_LINES {
        assert!(report(&mut harness, CLIENT, origin).is_some());
    }
    for _ in 0..100 {
        assert_eq!(report(&mut harness, CLIENT, origin), None);
    }
    let other = report(&mut harness, "/nowhere", "");
    assert!(other.is_some(), "another kind has its own bound");
    harness.now_us += LOG_INTERVAL.as_micros() as u64;
    let id = harness.accept();
    harness.send_bytes(id, &upgrade_request_with(CLIENT, origin));
    let refused = harness.hub.poll_refused_handshake().expect("a report");
    assert_eq!(refused.suppressed, 100);
    assert_eq!(harness.counts().refused_origin, u64::from(LOG_LINES) + 101);
}
