//! Tests of the checks of a message, rule by rule.

use proptest::prelude::*;

use super::*;
use crate::limits;

const MAX_PAYLOAD: usize = 4096;

fn checker() -> Checker {
    let kinds = [("text", PayloadKind::Text), ("bin", PayloadKind::Binary)];
    checker_of(&kinds, MAX_PAYLOAD)
}

fn checker_of(kinds: &[(&str, PayloadKind)], max_payload: usize) -> Checker {
    let mut config = Config::default();
    let default = config.namespaces[0].clone();
    for (name, payload) in kinds {
        config.namespaces.retain(|each| each.name != *name);
        config.namespaces.push(Namespace {
            name: (*name).into(),
            payload: *payload,
            ..default.clone()
        });
    }
    config.ingest.max_payload = max_payload;
    Checker::new(&config)
}

fn check(parts: &[&[u8]]) -> Result<(Vec<u8>, PayloadKind, Option<Meta>), Rejection> {
    let mut checker = checker();
    let publication = checker.check(parts)?;
    assert_eq!(publication.topic.as_bytes(), parts[0]);
    Ok((
        publication.payload.into_owned(),
        publication.rules.payload_kind,
        publication.meta,
    ))
}

#[test]
fn a_message_has_two_or_three_parts() {
    assert_eq!(
        check(&[b"t", b"1"]),
        Ok((b"1".to_vec(), PayloadKind::Json, None))
    );
    let meta = Some(Meta::default());
    assert_eq!(
        check(&[b"t", b"1", b"{}"]),
        Ok((b"1".to_vec(), PayloadKind::Json, meta))
    );
    for count in [0, 1, 4] {
        assert_eq!(check(&vec![&b"1"[..]; count]), Err(Rejection::Parts));
    }
}

#[test]
fn invalid_topics_are_rejected() {
    let cases: [(&[u8], Rejection); 5] = [
        (b"", Rejection::TopicEmpty),
        (&[b'a'; 256], Rejection::TopicTooLong),
        (b"\xff", Rejection::TopicNotUtf8),
        (b"a\n", Rejection::TopicControl),
        (topic::RESERVED.as_bytes(), Rejection::TopicReserved),
    ];
    for (topic, rejection) in cases {
        assert_eq!(check(&[topic, b"1"]), Err(rejection));
    }
}

#[test]
fn the_namespace_of_a_private_topic_is_after_the_prefix() {
    let mut config = Config::default();
    config.namespaces.push(Namespace {
        name: "text".into(),
        payload: PayloadKind::Text,
        ..config.namespaces[0].clone()
    });
    for (allow_anonymous, expected) in [(false, PayloadKind::Json), (true, PayloadKind::Text)] {
        config.auth.allow_anonymous = allow_anonymous; // It enforces tokens.
        let mut checker = Checker::new(&config);
        let parts = [&b"$text:x"[..], b"1"];
        let found = checker.check(&parts);
        let found = found.map(|publication| publication.rules.payload_kind);
        assert_eq!(found, Ok(expected));
    }
}

#[test]
fn the_namespace_decides_the_kind_of_payload() {
    let cases = [
        ("news", PayloadKind::Json),
        (":news", PayloadKind::Json),
        ("other:news", PayloadKind::Json),
        ("text", PayloadKind::Json),
        ("text:news", PayloadKind::Text),
        ("text:", PayloadKind::Text),
        ("text:bin:x", PayloadKind::Text),
        ("bin:1", PayloadKind::Binary),
    ];
    for (topic, kind) in cases {
        assert_eq!(check(&[topic.as_bytes(), b"1"]).unwrap().1, kind, "{topic}");
    }
    let mut checker = checker_of(&[("", PayloadKind::Text)], 10);
    assert_eq!(
        checker.check(&[b"a", b"("]).unwrap().rules.payload_kind,
        PayloadKind::Text
    );
}

#[test]
fn payloads_are_checked_for_their_kind() {
    let large = vec![b'1'; MAX_PAYLOAD + 1];
    let deep = [b'['; limits::JSON_DEPTH + 1];
    let cases: [(&[u8], &[u8], Rejection); 9] = [
        (b"t", b"", Rejection::PayloadNotJson),
        (b"t", b"{\"a\":}", Rejection::PayloadNotJson),
        (b"t", b"\"\n\"", Rejection::PayloadNotJson),
        (b"t", b"\"\xff\"", Rejection::PayloadNotUtf8),
        (b"t", &deep, Rejection::PayloadTooDeep),
        (b"t", &large, Rejection::PayloadTooLarge),
        (b"text:t", b"a\xff", Rejection::PayloadNotUtf8),
        (b"text:t", &large, Rejection::PayloadTooLarge),
        (b"bin:t", &large, Rejection::PayloadTooLarge),
    ];
    for (topic, payload, rejection) in cases {
        assert_eq!(check(&[topic, payload]), Err(rejection), "{payload:?}");
    }
    let largest = vec![b'1'; MAX_PAYLOAD];
    for (topic, payload) in [
        (&b"t"[..], largest.as_slice()),
        (b"text:t", b""),
        (b"text:t", "zwei\nZeilen ü".as_bytes()),
        (b"bin:t", b""),
        (b"bin:t", b"\x00\xff\n"),
    ] {
        assert_eq!(check(&[topic, payload]).unwrap().0, payload);
    }
}

#[test]
fn json_is_put_on_one_line() {
    let payload = b"{\r\n  \"a\": \"b\\n\"\n}\n";
    assert_eq!(
        check(&[b"t", payload]).unwrap().0,
        b"{    \"a\": \"b\\n\" } "
    );
    let parts = [&b"t"[..], b"{\"a\": [1, 2]}"];
    let mut checker = checker();
    assert!(matches!(
        checker.check(&parts).unwrap().payload,
        Cow::Borrowed(_)
    ));
}

#[test]
fn metadata_is_checked() {
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(limits::META_BYTES));
    let cases: [(&[u8], Rejection); 12] = [
        (b"", Rejection::MetaNotObject),
        (b"[]", Rejection::MetaNotObject),
        (b"[\"a\",1]", Rejection::MetaNotObject),
        (b"null", Rejection::MetaNotObject),
        (b"{", Rejection::MetaNotObject),
        (b"{} {}", Rejection::MetaNotObject),
        (b"{\"id\":\"\xff\"}", Rejection::MetaNotObject),
        (b"{\"id\":1}", Rejection::MetaInvalid),
        (b"{\"seq\":-1}", Rejection::MetaInvalid),
        (b"{\"seq\":1.5}", Rejection::MetaInvalid),
        (b"{\"seq\":1,\"seq\":2}", Rejection::MetaInvalid),
        (large.as_bytes(), Rejection::MetaTooLarge),
    ];
    for (meta, rejection) in cases {
        assert_eq!(check(&[b"t", b"1", meta]), Err(rejection), "{meta:?}");
    }
    let meta = |text: &[u8]| check(&[b"t", b"1", text]).unwrap().2.unwrap();
    let full = Meta {
        id: Some("é".to_owned()),
        seq: Some(u64::MAX),
    };
    assert_eq!(
        meta(b" {\"id\":\"\\u00e9\",\"seq\":18446744073709551615}"),
        full
    );
    assert_eq!(
        meta(b"{\"id\":null,\"later\":[{\"x\":1}]}"),
        Meta::default()
    );
}

#[test]
fn the_payload_is_checked_before_the_metadata() {
    assert_eq!(check(&[b"t", b"x", b"x"]), Err(Rejection::PayloadNotJson));
}

#[test]
fn router_frames_are_split_at_the_delimiter() {
    type Frames = &'static [&'static [u8]];
    let cases: [(Frames, Frames, Result<Frames, Rejection>); 7] = [
        // REQ, or a DEALER that sends the same frames.
        (&[b"id", b"", b"t", b"1"], &[b"id", b""], Ok(&[b"t", b"1"])),
        // Leading frames are part of the route.
        (
            &[b"id", b"a", b"b", b"", b"t", b"1"],
            &[b"id", b"a", b"b", b""],
            Ok(&[b"t", b"1"]),
        ),
        // Only the first empty frame is the delimiter.
        (
            &[b"id", b"", b"t", b"", b""],
            &[b"id", b""],
            Ok(&[b"t", b"", b""]),
        ),
        (&[b"id", b""], &[b"id", b""], Ok(&[])),
        (&[b"id", b"t", b"1"], &[b"id"], Err(Rejection::NoDelimiter)),
        // An empty identity is not the delimiter.
        (&[b"", b"t"], &[b""], Err(Rejection::NoDelimiter)),
        (&[], &[], Err(Rejection::NoDelimiter)),
    ];
    for (frames, route, parts) in cases {
        assert_eq!(split_router(frames), RoutedMessage { route, parts });
    }
}

#[test]
fn routing_frames_are_limited_because_replies_repeat_them() {
    let frames = |leading: usize| {
        let leading = vec![b'x'; leading];
        [
            b"id".to_vec(),
            leading,
            Vec::new(),
            b"t".to_vec(),
            b"1".to_vec(),
        ]
    };
    let largest = frames(ENVELOPE_BYTES - 2);
    let routed = split_router(&largest);
    assert_eq!(
        (routed.route, routed.parts),
        (&largest[..3], Ok(&largest[3..]))
    );
    let larger = frames(ENVELOPE_BYTES - 1);
    let routed = split_router(&larger);
    assert_eq!(routed.route, &larger[..1]);
    assert_eq!(routed.parts, Err(Rejection::EnvelopeTooLarge));
}

proptest! {
    #[test]
    fn splitting_keeps_all_router_frames(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3), 0..8)
    ) {
        let routed = split_router(&frames);
        if let Ok(parts) = routed.parts {
            prop_assert_eq!([routed.route, parts].concat(), frames.clone());
            prop_assert!(routed.route.last().unwrap().is_empty());
        }
        let leading = routed.route.iter().skip(1).rev().skip(1);
        prop_assert!(leading.into_iter().all(|frame| !frame.is_empty()));
    }

    #[test]
    fn every_message_is_a_publication_or_a_rejection(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)
    ) {
        let mut checker = checker();
        match checker.check(&parts) {
            Ok(publication) => {
                prop_assert_eq!(topic::check(publication.topic.as_bytes()), Ok(publication.topic));
                prop_assert_eq!(publication.meta.is_some(), parts.len() == 3);
            }
            Err(rejection) => prop_assert!(Rejection::ALL.contains(&rejection)),
        }
    }
}
