//! One topic, subscribers of every encoding: each gets what it negotiated, made once and shared.

use fanfare::config::PayloadKind;
use fanfare::delivery::{Broadcast, Codec, Encoding, NamespaceRules};
use fanfare::hub::{ConnectionId, Egress};
use fanfare::wire::Deflater;
use fanfare::wire::deflate::DeflateWindow;

use crate::upstream::{RULES, config, joined, push};
use crate::wire::{FULL, Frame, NARROW, Taken};
use crate::world::World;

const RAW: &str = "/raw?topic=a";

/// JSON that compresses, of about so many bytes.
fn body(random: &mut fastrand::Rng, bytes: usize) -> String {
    let (mut quotes, mut length) = (Vec::new(), 0);
    while length < bytes {
        let (price, size) = (random.u32(10_000..99_999), random.u32(1..900));
        let quote = format!(r#"{{"symbol":"FAN{size}","price":{price},"size":{size}}}"#);
        length += quote.len() + 1;
        quotes.push(quote);
    }
    format!("[{}]", quotes.join(","))
}

/// JSON that does not.
fn noise(random: &mut fastrand::Rng, bytes: usize) -> String {
    // Of 94 letters; entropy coding alone would still spare some.
    let alphabet: Vec<char> = ('#'..='~').filter(|letter| *letter != '\\').collect();
    let letters = (0..bytes).map(|_| *random.choice(&alphabet).expect("not empty"));
    format!("\"{}\"", letters.collect::<String>())
}

/// A subscriber of each encoding: plain, full and narrow of the client protocol, then raw.
fn everybody(world: &mut World) -> [ConnectionId; 6] {
    [
        world.subscriber(&["a"]),
        world.subscriber_with(FULL, &["a"]),
        world.subscriber_with(NARROW, &["a"]),
        world.upgraded(RAW),
        world.upgraded_with(RAW, FULL),
        world.upgraded_with(RAW, NARROW),
    ]
}

/// What one connection got: it must be this one message.
fn only(world: &mut World, id: ConnectionId, text: &str) -> Taken {
    let mut taken = world.take(id);
    assert_eq!(taken.len(), 1);
    let taken = taken.remove(0);
    assert_eq!(taken.frame, Frame::text(text));
    taken
}

#[test]
fn each_gets_the_same_message_compressed_only_if_it_may_be() {
    let mut random = fastrand::Rng::with_seed(3);
    for bytes in [300, 1_000, 4_000, 4_200, 9_000, 40_000, 100_000] {
        let mut world = World::new(config());
        let ids = everybody(&mut world);
        let body = body(&mut random, bytes);
        world.publish("a", &body);
        let pushed = push("a", &body);
        let mut spared_bytes = 0;
        for (position, id) in ids.into_iter().enumerate() {
            let text = if position < 3 { &pushed } else { &body };
            let taken = only(&mut world, id, text);
            assert_eq!(
                taken.is_deflated,
                position % 3 > 0,
                "{bytes} bytes, {position}"
            );
            let header_bytes = if text.len() < 65_536 { 4 } else { 10 };
            spared_bytes += header_bytes + text.len() - taken.wire_bytes;
        }
        let counts = world.counts();
        assert_eq!(counts.deflate_spared_bytes, spared_bytes as u64);
        assert_eq!(counts.deflate_deliveries, 4);
        // No message within a piece refers beyond any window, so both windows share it.
        let frames = [pushed.len(), body.len()].map(|len| if len <= 4_096 { 1 } else { 2 });
        assert_eq!(
            counts.deflate_compressed,
            frames.iter().sum::<u64>(),
            "{bytes} bytes"
        );
        assert_eq!(
            (counts.deflate_small, counts.deflate_incompressible),
            (0, 0)
        );
        assert!(counts.deflate_bytes_after < counts.deflate_bytes_before / 2);
    }
}

#[test]
fn a_broadcast_is_compressed_once_for_all_shards_and_shared_by_reference() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut world = World::new(config());
    let ids: Vec<_> = (0..20)
        .map(|_| world.subscriber_with(FULL, &["a"]))
        .collect();
    let encoding = Encoding {
        codec: Codec::Json,
        window: Some(DeflateWindow::Full),
    };
    for number in 1..=10 {
        let body = body(&mut random, 2_000);
        let broadcast = joined(&world.hasher, "a", &[&body], RULES, 0);
        // Two other shards come first.
        let mut deflaters = [(); 2].map(|()| Deflater::new(1, 256));
        let [first, second] = deflaters
            .each_mut()
            .map(|deflater| broadcast.frames(encoding, deflater));
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!(
            deflaters.map(|deflater| deflater.tally().compressed),
            [1, 0]
        );
        world.hub.publish(&broadcast, 0);
        for id in &ids {
            assert!(only(&mut world, *id, &push("a", &body)).is_deflated);
        }
        let counts = world.counts();
        assert_eq!(counts.deflate_compressed, 0, "it came compressed");
        assert_eq!(counts.deflate_deliveries, 20 * number);
    }
}

#[test]
fn who_waits_for_the_same_frames_gets_them_from_one_stretch_of_memory() {
    let mut random = fastrand::Rng::with_seed(9);
    let mut world = World::new(config());
    for _ in 0..50 {
        world.subscriber_with(FULL, &["a"]);
    }
    for _ in 0..3 {
        let body = body(&mut random, 1_000);
        world.publish("a", &body);
    }
    let mut egress = Egress::default();
    assert!(world.hub.poll_egress(&mut egress));
    assert_eq!(egress.sends().len(), 50);
    let stretch = |at: usize| egress.bytes(&egress.sends()[at]);
    let first = stretch(0);
    assert_eq!(world.counts().pending_bytes, 50 * first.len() as u64);
    assert!((1..50).all(|at| std::ptr::eq(stretch(at), first)));
}

#[test]
fn below_the_threshold_and_where_nothing_is_won_it_goes_plain() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut world = World::new(config());
    let ids = everybody(&mut world);
    let threshold = config().ws.deflate.threshold;
    let around = push("a", "").len();
    // The push is at the threshold, the raw message below it.
    let body = format!("\"{}\"", "x".repeat(threshold - around - 2));
    for (body, deflated, small, incompressible) in [
        (body.clone(), [false, true, true, false, false, false], 1, 0),
        (body.replacen('x', "", 1), [false; 6], 3, 0),
        (
            noise(&mut random, 300),
            [false, true, true, false, true, true],
            3,
            0,
        ),
    ] {
        world.publish("a", &body);
        for (position, id) in ids.into_iter().enumerate() {
            let text = if position < 3 {
                push("a", &body)
            } else {
                body.clone()
            };
            let taken = only(&mut world, id, &text);
            assert_eq!(taken.is_deflated, deflated[position], "{body} {position}");
        }
        let counts = world.counts();
        assert_eq!(counts.deflate_small, small, "{body}");
        assert_eq!(counts.deflate_incompressible, incompressible, "{body}");
    }
}

#[test]
fn bytes_that_do_not_compress_are_tried_once_and_go_plain() {
    let mut random = fastrand::Rng::with_seed(6);
    let mut world = World::new(config());
    let (full, narrow) = (
        world.upgraded_with(RAW, FULL),
        world.upgraded_with(RAW, NARROW),
    );
    let rules = NamespaceRules {
        payload_kind: PayloadKind::Binary,
        ..RULES
    };
    for (number, bytes) in [(1, 300), (2, 4_096)] {
        let payload: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
        let hash = world.hasher.hash("a");
        let broadcast = Broadcast::new("a", hash, &payload, rules, 0);
        world.hub.publish(&broadcast, 0);
        for id in [full, narrow] {
            let taken = world.take(id);
            assert!(!taken[0].is_deflated);
            assert_eq!(taken[0].frame, Frame::Binary(payload.clone()));
        }
        let counts = world.counts();
        assert_eq!(
            counts.deflate_incompressible, number,
            "once for both windows"
        );
        assert_eq!(
            (counts.deflate_spared_bytes, counts.deflate_deliveries),
            (0, 0)
        );
    }
}

#[test]
fn a_namespace_that_forbids_it_is_never_compressed() {
    let mut world = World::new(config());
    let ids = everybody(&mut world);
    let rules = NamespaceRules {
        may_deflate: false,
        ..RULES
    };
    let body = format!("\"{}\"", "x".repeat(10_000));
    let broadcast = joined(&world.hasher, "a", &[&body], rules, 0);
    world.hub.publish(&broadcast, 0);
    for (position, id) in ids.into_iter().enumerate() {
        let text = if position < 3 {
            push("a", &body)
        } else {
            body.clone()
        };
        assert!(!only(&mut world, id, &text).is_deflated);
    }
    let counts = world.counts();
    let tried = [
        counts.deflate_compressed,
        counts.deflate_small,
        counts.deflate_incompressible,
        counts.deflate_deliveries,
    ];
    assert_eq!(tried, [0; 4]);
}

#[test]
fn level_and_threshold_change_at_once_while_frames_are_pending() {
    let mut random = fastrand::Rng::with_seed(8);
    let mut world = World::new(config());
    let id = world.subscriber_with(FULL, &["a"]);
    world.socket(id).room = 0;
    let body = body(&mut random, 3_000);
    for (level, threshold) in [(1, 256), (12, 256), (12, 1 << 20), (6, 0)] {
        let mut config = config();
        (config.ws.deflate.level, config.ws.deflate.threshold) = (level, threshold);
        world.hub.reconfigure(config.into());
        world.publish("a", &body);
    }
    world.make_room(id, usize::MAX);
    let taken = world.take(id);
    let deflated: Vec<_> = taken.iter().map(|taken| taken.is_deflated).collect();
    assert_eq!(deflated, [true, true, false, true]);
    assert!(
        taken[1].wire_bytes < taken[0].wire_bytes,
        "level 12 makes it smaller"
    );
    assert!(
        taken
            .iter()
            .all(|taken| taken.frame == Frame::text(&push("a", &body)))
    );
}
