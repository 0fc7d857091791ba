//! The negotiation of permessage-deflate: responses and counters.

use fanfare::config::{ApplePolicy, Config};
use fanfare::hub::{ConnectionId, DrainScope};

use crate::harness::HubHarness;
use crate::upstream::{config, push};
use crate::wire::{self, OFFER_FULL, OFFER_NARROW, ServerFrame};

const PATHS: [&str; 3] = ["/connection/websocket", "/raw?topic=a", "/echo"];
const IPHONE: &str = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) \
    AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1\r\n";
const CHROME: &str = "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n";
/// The accepted extension, without a window.
const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// Returns a configuration that serves `/echo`.
fn echo_config() -> Config {
    let mut config = config();
    config.ws.echo = true;
    config
}

/// Returns the `Sec-WebSocket-Extensions` header of the response to an upgrade with these header
/// lines.
fn negotiate(harness: &mut HubHarness, target: &str, headers: &str) -> Option<String> {
    let id = harness.accept();
    harness.send_bytes(id, &wire::upgrade_request_with(target, headers));
    harness.run_turn();
    let extensions = wire::response_header(&harness.socket(id).unread, "sec-websocket-extensions");
    assert_eq!(harness.read_response(id).0, 101);
    extensions
}

/// Returns the number of connections with compression, and the numbers of offers that were declined
/// because of an Apple client, of the client's request, and of the offer's parameters.
fn deflate_counts(harness: &HubHarness) -> [u64; 4] {
    let counts = harness.counts();
    [
        counts.connections_deflate,
        counts.deflate_declined_apple,
        counts.deflate_declined_client,
        counts.deflate_declined_offer,
    ]
}

#[test]
fn every_path_accepts_offers_with_a_supported_window() {
    for path in PATHS {
        let mut harness = HubHarness::new(echo_config());
        // The offer, and the window in the response if the offer is accepted.
        for (offer, window) in [
            ("permessage-deflate", Some(String::new())),
            (
                "permessage-deflate; client_max_window_bits",
                Some(String::new()),
            ),
            (
                "permessage-deflate; server_max_window_bits=15",
                Some("; server_max_window_bits=15".into()),
            ),
            (
                "permessage-deflate; server_max_window_bits=12",
                Some("; server_max_window_bits=12".into()),
            ),
            (
                "permessage-deflate; server_max_window_bits=9, permessage-deflate",
                Some(String::new()),
            ),
            ("permessage-deflate; server_max_window_bits=11", None),
            ("permessage-deflate; unknown", None),
            ("x-webkit-deflate-frame", None),
        ] {
            let headers = format!("Sec-WebSocket-Extensions: {offer}\r\n");
            let expected = window.map(|window| format!("{ACCEPTED}{window}"));
            assert_eq!(
                negotiate(&mut harness, path, &headers),
                expected,
                "{path} {offer}"
            );
        }
        assert_eq!(negotiate(&mut harness, path, ""), None);
        assert_eq!(deflate_counts(&harness), [5, 0, 0, 2], "{path}");
    }
}

#[test]
fn a_request_with_deflate_0_gets_no_compression_on_any_path() {
    for path in PATHS {
        let mut harness = HubHarness::new(echo_config());
        let separator = if path.contains('?') { '&' } else { '?' };
        let target = |query: &str| format!("{path}{separator}{query}");
        assert_eq!(
            negotiate(&mut harness, &target("deflate=0"), OFFER_FULL),
            None
        );
        assert_eq!(
            negotiate(&mut harness, &target("a=b&deflate=0"), OFFER_FULL),
            None
        );
        assert!(negotiate(&mut harness, &target("deflate=1"), OFFER_FULL).is_some());
        assert!(negotiate(&mut harness, &target("deflate"), OFFER_FULL).is_some());
        // Without an offer, nothing is declined.
        assert_eq!(negotiate(&mut harness, &target("deflate=0"), ""), None);
        assert_eq!(deflate_counts(&harness), [2, 0, 2, 0], "{path}");
    }
}

#[test]
fn apple_clients_get_no_compression_unless_it_is_configured() {
    let mut harness = HubHarness::new(echo_config());
    let apple = format!("{IPHONE}{OFFER_FULL}");
    for path in PATHS {
        assert_eq!(negotiate(&mut harness, path, &apple), None, "{path}");
        assert!(negotiate(&mut harness, path, &format!("{CHROME}{OFFER_FULL}")).is_some());
        assert_eq!(negotiate(&mut harness, path, IPHONE), None);
    }
    assert_eq!(deflate_counts(&harness), [3, 3, 0, 0]);
    let mut config = echo_config();
    config.ws.deflate.apple = ApplePolicy::On;
    harness.hub.reconfigure(config.into());
    for path in PATHS {
        assert!(negotiate(&mut harness, path, &apple).is_some(), "{path}");
    }
    assert_eq!(deflate_counts(&harness), [6, 3, 0, 0]);
}

#[test]
fn enabling_and_disabling_compression_applies_to_new_connections() {
    let mut harness = HubHarness::new(config());
    let first = harness.connect_subscriber_with(OFFER_FULL, &["a"]);
    let mut off = config();
    off.ws.deflate.enabled = false;
    harness.hub.reconfigure(off.into());
    let second = harness.connect_subscriber_with(OFFER_FULL, &["a"]);
    harness.hub.reconfigure(config().into());
    let third = harness.connect_subscriber_with(OFFER_NARROW, &["a"]);
    assert_eq!(deflate_counts(&harness), [2, 0, 0, 0]);
    let body = format!("\"{}\"", "x".repeat(1_000));
    harness.publish("a", &body);
    for (id, is_deflated) in [(first, true), (second, false), (third, true)] {
        let received = harness.read_received_frames(id);
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].is_deflated, is_deflated);
        assert_eq!(received[0].frame, ServerFrame::text(&push("a", &body)));
    }
}

#[test]
fn a_refused_handshake_negotiates_no_compression() {
    let mut harness = HubHarness::new(config());
    let foreign = format!("Origin: https://evil.example\r\n{OFFER_FULL}");
    for (target, headers, status) in [
        ("/connection/websocket", &*foreign, 403),
        ("/raw", OFFER_FULL, 400),
        ("/echo", OFFER_FULL, 404),
        ("/health", OFFER_FULL, 200),
    ] {
        let (id, received) = harness.request_upgrade_with(target, headers);
        assert_eq!(received, status, "{target}");
        assert_eq!(harness.socket(id).window_bits, None);
    }
    assert_eq!(harness.counts().connections_deflate, 0);
}

type EndConnection = fn(&mut HubHarness, ConnectionId);

/// Returns the kinds of end of a connection, each with the steps that cause it.
fn endings() -> [(&'static str, EndConnection); 9] {
    [
        ("close", |harness, id| {
            harness.send_bytes(id, &wire::close_frame(1000));
        }),
        ("lost", |harness, id| harness.hub.lost(id)),
        ("end of stream", |harness, id| harness.hub.end_of_stream(id)),
        ("invalid frame", |harness, id| {
            harness.send_bytes(id, b"\x81\x00");
        }),
        ("invalid deflate stream", |harness, id| {
            harness.send_bytes(id, &wire::deflated_client_frame(wire::TEXT, b"\xff\xff"));
        }),
        ("invalid command", |harness, id| {
            harness.send_text(id, "nonsense");
        }),
        ("no pong", |harness, _| harness.advance_clock(120_000_000)),
        ("slow", |harness, id| {
            harness.socket(id).room_bytes = 0;
            // These publications are smaller than the threshold and are sent plain.
            for _ in 0..200 {
                harness.publish("a", &format!("\"{}\"", "x".repeat(200)));
                harness.run_turn();
            }
        }),
        ("drain", |harness, _| {
            harness.hub.drain(DrainScope::All, 0, harness.now_us);
            harness.advance_clock(1_000_000);
        }),
    ]
}

#[test]
fn the_gauge_of_compressed_connections_is_zero_after_every_kind_of_end() {
    for (ending, end) in endings() {
        for headers in [OFFER_FULL, OFFER_NARROW] {
            let mut config = config();
            config.ws.outbox = 8_000;
            config.ingest.max_payload = 8_000;
            config.ws.deflate.threshold = 1_000;
            let mut harness = HubHarness::new(config);
            let id = harness.connect_subscriber_with(headers, &["a"]);
            assert_eq!(harness.counts().connections_deflate, 1);
            end(&mut harness, id);
            harness.run_turn();
            assert_eq!(harness.counts().connections_deflate, 0, "{ending}");
            harness.hub.lost(id);
            harness.run_turn();
            let counts = harness.counts();
            assert_eq!(
                (counts.connections_deflate, counts.connections),
                (0, 0),
                "{ending}"
            );
            if ending != "drain" {
                // The next connection in the slot has no compression.
                let next = harness.connect_subscriber(&["a"]);
                harness.publish("a", &format!("\"{}\"", "x".repeat(2_000)));
                assert!(!harness.read_received_frames(next)[0].is_deflated);
            }
        }
    }
}
