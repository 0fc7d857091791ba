//! Replies, and pushes to one connection: they are those that prost encodes.

use fanfare::protocol::codec::ClientCodec;
use fanfare::protocol::codes::{ClientError, UnsubscribeCode};
use fanfare::protocol::protobuf::replies;
use fanfare::protocol::reply::{Expiry, Push, Reply, ServerSubscription};
use proptest::prelude::*;
use prost::Message;

use crate::target::client_proto::{self, Empty, SubscribeResult};

/// Checks that fanfare encodes a reply as prost does.
fn check_reply(reply: &Reply<'_>, expected: &client_proto::Reply) {
    let mut message = Vec::new();
    replies::append(&mut message, expected.id, reply);
    assert_eq!(message, expected.encode_length_delimited_to_vec());
}

#[test]
fn replies_to_connect_are_those_of_prost() {
    for (version, ping_s) in [("fanfare 0.1.0", 25), ("", 0), ("x", 300)] {
        let reply = Reply::Connect {
            client: "9f3c",
            version,
            ping_s,
            expiry: None,
            subscriptions: &[],
            data: None,
        };
        let connect = client_proto::ConnectResult {
            client: "9f3c".into(),
            version: version.into(),
            ping: ping_s,
            pong: ping_s > 0,
            ..client_proto::ConnectResult::default()
        };
        let expected = client_proto::Reply {
            id: 1,
            connect: Some(connect),
            ..client_proto::Reply::default()
        };
        check_reply(&reply, &expected);
    }
}

/// Returns the expiry after so many seconds; `None` is no expiry.
fn expiry(ttl_s: Option<u32>) -> Option<Expiry> {
    ttl_s.map(|ttl_s| Expiry { ttl_s })
}

#[test]
fn server_side_subscriptions_are_those_of_prost() {
    let subscription = |topic, expiry, data| ServerSubscription {
        topic,
        expiry,
        data,
    };
    let large = vec![b'x'; 20_000];
    let subscriptions = [
        subscription("a", expiry(Some(60)), None),
        subscription("b", expiry(Some(0)), Some(&b"\x00\xff"[..])),
        subscription("c:日本", None, Some(&large)),
    ];
    let reply = Reply::Connect {
        client: "9f3c",
        version: "v",
        ping_s: 25,
        expiry: expiry(Some(u32::MAX)),
        subscriptions: &subscriptions,
        data: Some(b"{}"),
    };
    let result = |ttl, expires, data: &[u8]| SubscribeResult {
        expires,
        ttl,
        data: data.into(),
    };
    let subs = [
        ("a".to_owned(), result(60, true, b"")),
        ("b".to_owned(), result(0, true, b"\x00\xff")),
        ("c:日本".to_owned(), result(0, false, &large)),
    ];
    let connect = client_proto::ConnectResult {
        client: "9f3c".into(),
        version: "v".into(),
        expires: true,
        ttl: u32::MAX,
        data: b"{}".to_vec(),
        subs: subs.into(),
        ping: 25,
        pong: true,
    };
    let expected = client_proto::Reply {
        id: 1,
        connect: Some(connect),
        ..client_proto::Reply::default()
    };
    check_reply(&reply, &expected);
}

/// Checks that an entry of a map has its value, also if the value is empty. prost leaves an empty
/// value out, and decoders of JavaScript return null for it.
#[test]
fn a_server_side_subscription_without_properties_has_a_result() {
    let subscription = ServerSubscription {
        topic: "a",
        expiry: None,
        data: None,
    };
    let reply = Reply::Connect {
        client: "",
        version: "",
        ping_s: 0,
        expiry: None,
        subscriptions: &[subscription],
        data: None,
    };
    let mut message = Vec::new();
    replies::append(&mut message, 1, &reply);
    assert_eq!(message, b"\x0b\x08\x01\x2a\x07\x32\x05\x0a\x01a\x12\x00");
    let [decoded] = &client_proto::delimited::<client_proto::Reply>(&message)[..] else {
        panic!("one reply: {message:?}");
    };
    let connect = decoded.connect.as_ref().expect("a connect reply");
    let subs = [("a".to_owned(), SubscribeResult::default())];
    assert_eq!(connect.subs, subs.into());
}

#[test]
fn replies_to_refresh_commands_are_those_of_prost() {
    for ttl_s in [None, Some(0), Some(1), Some(u32::MAX)] {
        let (expires, ttl) = (ttl_s.is_some(), ttl_s.unwrap_or(0));
        let expiry = expiry(ttl_s);
        let reply = client_proto::Reply {
            id: 9,
            ..client_proto::Reply::default()
        };
        let mut expected = reply.clone();
        expected.subscribe = Some(SubscribeResult {
            expires,
            ttl,
            data: vec![b'd'],
        });
        let data = Some(&b"d"[..]);
        check_reply(&Reply::Subscribe { expiry, data }, &expected);
        expected = reply.clone();
        expected.sub_refresh = Some(client_proto::SubRefreshResult { expires, ttl });
        check_reply(&Reply::SubRefresh { expiry }, &expected);
        expected = reply;
        expected.refresh = Some(client_proto::RefreshResult {
            client: "9f3c".into(),
            version: "v".into(),
            expires,
            ttl,
        });
        let refresh = Reply::Refresh {
            client: "9f3c",
            version: "v",
            expiry,
        };
        check_reply(&refresh, &expected);
    }
}

#[test]
fn pushes_to_one_connection_are_those_of_prost() {
    let check = |push: &Push<'_>, expected: client_proto::Push| {
        let reply = client_proto::Reply {
            push: Some(expected),
            ..client_proto::Reply::default()
        };
        // Several pushes share a message.
        let mut message = ClientCodec::Protobuf.ping().to_vec();
        ClientCodec::Protobuf.append_push(&mut message, push);
        assert_eq!(message[1..], reply.encode_length_delimited_to_vec());
    };
    for data in [None, Some(&b"[1,2]"[..])] {
        let subscribe = client_proto::Subscribe {
            data: data.unwrap_or_default().to_vec(),
        };
        let expected = client_proto::Push {
            channel: "news:日本".into(),
            subscribe: Some(subscribe),
            ..client_proto::Push::default()
        };
        let channel = "news:日本";
        check(&Push::Subscribe { channel, data }, expected);
    }
    for expiry in [None, Some(Expiry { ttl_s: 300 })] {
        let refresh = client_proto::Refresh {
            expires: expiry.is_some(),
            ttl: expiry.map_or(0, |expiry| expiry.ttl_s),
        };
        let expected = client_proto::Push {
            refresh: Some(refresh),
            ..client_proto::Push::default()
        };
        check(&Push::Refresh { expiry }, expected);
    }
    for code in UnsubscribeCode::ALL {
        let unsubscribe = client_proto::Unsubscribe {
            code: code.code().into(),
            reason: code.reason().into(),
        };
        let expected = client_proto::Push {
            channel: "a".into(),
            unsubscribe: Some(unsubscribe),
            ..client_proto::Push::default()
        };
        check(&Push::Unsubscribe { channel: "a", code }, expected);
    }
}

#[test]
fn replies_without_a_result_are_those_of_prost() {
    for id in [1, 127, 128, 300, u32::MAX] {
        let reply = client_proto::Reply {
            id,
            ..client_proto::Reply::default()
        };
        let mut expected = reply.clone();
        expected.subscribe = Some(SubscribeResult::default());
        check_reply(
            &Reply::Subscribe {
                expiry: None,
                data: None,
            },
            &expected,
        );
        expected = reply.clone();
        expected.unsubscribe = Some(Empty {});
        check_reply(&Reply::Unsubscribe, &expected);
        expected = reply.clone();
        expected.publish = Some(Empty {});
        check_reply(&Reply::Publish, &expected);
        expected = reply;
        expected.ping = Some(Empty {});
        check_reply(&Reply::Ping, &expected);
    }
}

#[test]
fn errors_are_those_of_prost() {
    for error in ClientError::ALL {
        let expected = client_proto::Reply {
            id: 7,
            error: Some(client_proto::Error {
                code: error.code().into(),
                message: error.message().into(),
                temporary: error.temporary(),
            }),
            ..client_proto::Reply::default()
        };
        check_reply(&Reply::Error(error), &expected);
    }
}

#[test]
fn answers_of_the_back_end_are_those_of_prost() {
    let reply = client_proto::Reply {
        id: 7,
        ..client_proto::Reply::default()
    };
    for (code, message, temporary) in [(1, "", true), (u32::MAX, "nicht \"erlaubt\"", false)] {
        let mut expected = reply.clone();
        expected.error = Some(client_proto::Error {
            code,
            message: message.into(),
            temporary,
        });
        let error = Reply::CustomError {
            code,
            message,
            temporary,
        };
        check_reply(&error, &expected);
    }
    for data in [None, Some(&b"\x00\xff"[..])] {
        let mut expected = reply.clone();
        expected.rpc = Some(client_proto::Data {
            data: data.unwrap_or_default().to_vec(),
        });
        check_reply(&Reply::Rpc { data }, &expected);
    }
}

/// Generates the topics, seconds until the expiry, and data of server-side subscriptions.
fn any_subscriptions() -> impl Strategy<Value = Vec<(String, Option<u32>, Option<Vec<u8>>)>> {
    let data = proptest::collection::vec(any::<u8>(), 0..300);
    let subscription = (any::<Option<u32>>(), proptest::option::of(data));
    // A map, because each topic occurs once.
    proptest::collection::btree_map("\\PC{1,60}", subscription, 0..40).prop_map(|subscriptions| {
        let flat = |(topic, (ttl_s, data))| (topic, ttl_s, data);
        subscriptions.into_iter().map(flat).collect()
    })
}

proptest! {
    #[test]
    fn any_server_side_subscriptions_are_decoded_by_prost(
        generated in any_subscriptions(),
        ttl_s in any::<Option<u32>>(),
    ) {
        let subscriptions: Vec<_> = generated
            .iter()
            .map(|(topic, ttl_s, data)| ServerSubscription {
                topic,
                expiry: expiry(*ttl_s),
                data: data.as_deref(),
            })
            .collect();
        let reply = Reply::Connect {
            client: "c",
            version: "v",
            ping_s: 25,
            expiry: expiry(ttl_s),
            subscriptions: &subscriptions,
            data: None,
        };
        let mut message = Vec::new();
        replies::append(&mut message, 1, &reply);
        let subs = generated.iter().map(|(topic, ttl_s, data)| {
            let result = SubscribeResult {
                expires: ttl_s.is_some(),
                ttl: ttl_s.unwrap_or(0),
                data: data.clone().unwrap_or_default(),
            };
            (topic.clone(), result)
        });
        let connect = client_proto::ConnectResult {
            client: "c".into(),
            version: "v".into(),
            expires: ttl_s.is_some(),
            ttl: ttl_s.unwrap_or(0),
            data: Vec::new(),
            subs: subs.collect(),
            ping: 25,
            pong: true,
        };
        let expected = client_proto::Reply {
            id: 1,
            connect: Some(connect),
            ..client_proto::Reply::default()
        };
        prop_assert_eq!(client_proto::delimited::<client_proto::Reply>(&message), [expected]);
    }
}
