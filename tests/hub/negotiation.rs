//! permessage-deflate agreed on or not, as the hub answers and counts it.

use fanfare::config::{ApplePolicy, Config};
use fanfare::hub::{ConnectionId, DrainScope};

use crate::upstream::config;
use crate::wire::{self, FULL, Frame, NARROW};
use crate::world::World;

const PATHS: [&str; 3] = ["/connection/websocket", "/raw?topic=a", "/echo"];
const IPHONE: &str = "User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) \
    AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1\r\n";
const CHROME: &str = "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\n";
const ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn with_echo() -> Config {
    let mut config = config();
    config.ws.echo = true;
    config
}

/// The `Sec-WebSocket-Extensions` of the answer to an upgrade with these header lines.
fn answer(world: &mut World, target: &str, headers: &str) -> Option<String> {
    let id = world.accept();
    world.feed(id, &wire::upgrade_with(target, headers));
    world.turn();
    let extensions = wire::response_header(&world.socket(id).unread, "sec-websocket-extensions");
    assert_eq!(world.response(id).0, 101);
    extensions
}

/// `[connections, declined for Apple, for the client, for the offer]`
fn deflate_counts(world: &World) -> [u64; 4] {
    let counts = world.counts();
    [
        counts.connections_deflate,
        counts.deflate_declined_apple,
        counts.deflate_declined_client,
        counts.deflate_declined_offer,
    ]
}

#[test]
fn every_path_takes_an_offer_and_echoes_a_window_it_can_keep() {
    for path in PATHS {
        let mut world = World::new(with_echo());
        for (offer, answered) in [
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
            let expected = answered.map(|window| format!("{ANSWER}{window}"));
            assert_eq!(
                answer(&mut world, path, &headers),
                expected,
                "{path} {offer}"
            );
        }
        assert_eq!(answer(&mut world, path, ""), None);
        assert_eq!(deflate_counts(&world), [5, 0, 0, 2], "{path}");
    }
}

#[test]
fn a_client_that_says_deflate_0_gets_none_on_any_path() {
    for path in PATHS {
        let mut world = World::new(with_echo());
        let with = |query: &str| {
            let joint = if path.contains('?') { '&' } else { '?' };
            format!("{path}{joint}{query}")
        };
        assert_eq!(answer(&mut world, &with("deflate=0"), FULL), None);
        assert_eq!(answer(&mut world, &with("a=b&deflate=0"), FULL), None);
        assert!(answer(&mut world, &with("deflate=1"), FULL).is_some());
        assert!(answer(&mut world, &with("deflate"), FULL).is_some());
        // Who offers nothing declines nothing.
        assert_eq!(answer(&mut world, &with("deflate=0"), ""), None);
        assert_eq!(deflate_counts(&world), [2, 0, 2, 0], "{path}");
    }
}

#[test]
fn apple_s_clients_get_none_unless_they_are_wanted_to() {
    let mut world = World::new(with_echo());
    let apple = format!("{IPHONE}{FULL}");
    for path in PATHS {
        assert_eq!(answer(&mut world, path, &apple), None, "{path}");
        assert!(answer(&mut world, path, &format!("{CHROME}{FULL}")).is_some());
        assert_eq!(answer(&mut world, path, IPHONE), None);
    }
    assert_eq!(deflate_counts(&world), [3, 3, 0, 0]);
    let mut config = with_echo();
    config.ws.deflate.apple = ApplePolicy::On;
    world.hub.reconfigure(config.into());
    for path in PATHS {
        assert!(answer(&mut world, path, &apple).is_some(), "{path}");
    }
    assert_eq!(deflate_counts(&world), [6, 3, 0, 0]);
}

#[test]
fn turning_it_off_and_on_again_holds_for_new_connections() {
    let mut world = World::new(config());
    let first = world.subscriber_with(FULL, &["a"]);
    let mut off = config();
    off.ws.deflate.enabled = false;
    world.hub.reconfigure(off.into());
    let second = world.subscriber_with(FULL, &["a"]);
    world.hub.reconfigure(config().into());
    let third = world.subscriber_with(NARROW, &["a"]);
    assert_eq!(deflate_counts(&world), [2, 0, 0, 0]);
    let body = format!("\"{}\"", "x".repeat(1_000));
    world.publish("a", &body);
    for (id, is_deflated) in [(first, true), (second, false), (third, true)] {
        let taken = world.take(id);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].is_deflated, is_deflated);
        assert_eq!(
            taken[0].frame,
            Frame::text(&crate::upstream::push("a", &body))
        );
    }
}

#[test]
fn a_handshake_that_is_refused_agrees_on_nothing() {
    let mut world = World::new(config());
    let foreign = format!("Origin: https://evil.example\r\n{FULL}");
    for (target, headers, status) in [
        ("/connection/websocket", &*foreign, 403),
        ("/raw", FULL, 400),
        ("/echo", FULL, 404),
        ("/health", FULL, 200),
    ] {
        let (id, seen) = world.open_with(target, headers);
        assert_eq!(seen, status, "{target}");
        assert_eq!(world.socket(id).window_bits, None);
    }
    assert_eq!(world.counts().connections_deflate, 0);
}

/// A way in which a connection can end, and what makes it.
type Ending = (&'static str, fn(&mut World, ConnectionId));

fn endings() -> [Ending; 9] {
    [
        ("close", |world, id| world.feed(id, &wire::close(1000))),
        ("lost", |world, id| world.hub.lost(id)),
        ("end of stream", |world, id| world.hub.end_of_stream(id)),
        ("bad frame", |world, id| world.feed(id, b"\x81\x00")),
        ("bad stream", |world, id| {
            world.feed(id, &wire::masked_deflated(wire::TEXT, b"\xff\xff"));
        }),
        ("bad command", |world, id| world.say(id, "nonsense")),
        ("no pong", |world, _| world.wait(120_000_000)),
        ("slow", |world, id| {
            world.socket(id).room = 0;
            // Plain, as many bytes as they look.
            for _ in 0..200 {
                world.publish("a", &format!("\"{}\"", "x".repeat(200)));
                world.turn();
            }
        }),
        ("drain", |world, _| {
            world.hub.drain(DrainScope::All, 0, world.now_us);
            world.wait(1_000_000);
        }),
    ]
}

#[test]
fn the_gauge_of_connections_is_zero_again_however_they_end() {
    for (ending, end) in endings() {
        for headers in [FULL, NARROW] {
            let mut config = config();
            (config.ws.outbox, config.ingest.max_payload) = (8_000, 8_000);
            config.ws.deflate.threshold = 1_000;
            let mut world = World::new(config);
            let id = world.subscriber_with(headers, &["a"]);
            assert_eq!(world.counts().connections_deflate, 1);
            end(&mut world, id);
            world.turn();
            assert_eq!(world.counts().connections_deflate, 0, "{ending}");
            world.hub.lost(id);
            world.turn();
            let counts = world.counts();
            assert_eq!(
                (counts.connections_deflate, counts.connections),
                (0, 0),
                "{ending}"
            );
            if ending != "drain" {
                // Its slot is free, and whoever gets it next has agreed on nothing.
                let next = world.subscriber(&["a"]);
                world.publish("a", &format!("\"{}\"", "x".repeat(2_000)));
                assert!(!world.take(next)[0].is_deflated);
            }
        }
    }
}
