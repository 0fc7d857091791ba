//! Tests of the Protobuf codec against prost: commands as SDKs encode them, replies, pushes,
//! publications, and the properties of the fuzz target on generated commands.

use std::sync::Arc;

use fanfare::config::PayloadKind;
use fanfare::delivery::{Broadcast, Codec, Encoding, Joined, NamespaceRules};
use fanfare::protocol::ClientInfo;
use fanfare::protocol::codec::ClientCodec;
use fanfare::protocol::command::{Command, PublishData};
use fanfare::protocol::protobuf::{Commands, decode, pushes};
use fanfare::wire::{Deflater, encode};
use proptest::prelude::*;
use prost::Message;

#[path = "protobuf/replies.rs"]
mod replies;
#[path = "fuzz/targets/protobuf.rs"]
mod target;

use target::client_proto::{
    self, ConnectRequest, Empty, PublishRequest, RefreshRequest, SubRefreshRequest,
    SubscribeRequest,
};
use target::protobuf;

/// Returns the id and the command of each command of a message.
fn decode_all(message: &[u8]) -> Vec<(u32, String)> {
    let show = |command: Result<_, _>| {
        let request = decode(command.expect("the length is right")).expect("a command");
        (request.id, format!("{:?}", request.command))
    };
    Commands::new(message).map(show).collect()
}

fn encode_delimited(commands: &[client_proto::Command]) -> Vec<u8> {
    let mut message = Vec::new();
    for command in commands {
        command
            .encode_length_delimited(&mut message)
            .expect("a Vec has room");
    }
    message
}

#[test]
fn commands_with_all_fields_of_the_sdks_are_decoded() {
    let subscribe = SubscribeRequest {
        channel: "news:1".into(),
        token: "t".into(),
        recover: true,
        epoch: "e".into(),
        offset: u64::MAX,
        data: b"{}".into(),
        positioned: true,
        recoverable: true,
        join_leave: true,
        delta: "fossil".into(),
        flag: -1,
        kind: 0,
    };
    let connect = ConnectRequest {
        token: "t".into(),
        data: b"{}".into(),
        subs: [("a".to_owned(), subscribe.clone())].into(),
        name: "java".into(),
        version: "0.7.0".into(),
        headers: [("h".to_owned(), "1".to_owned())].into(),
    };
    let command = |id| client_proto::Command {
        id,
        ..client_proto::Command::default()
    };
    let message = encode_delimited(&[
        client_proto::Command {
            connect: Some(connect),
            ..command(1)
        },
        client_proto::Command {
            subscribe: Some(subscribe),
            ..command(u32::MAX)
        },
        client_proto::Command {
            refresh: Some(RefreshRequest { token: "t".into() }),
            ..command(3)
        },
        client_proto::Command {
            sub_refresh: Some(SubRefreshRequest {
                channel: "news:1".into(),
                token: "t".into(),
                kind: 0,
            }),
            ..command(4)
        },
        client_proto::Command::default(),
    ]);
    let (channel, token) = ("news:1", "t");
    let expected = [
        (1, Command::Connect { token }),
        (u32::MAX, Command::Subscribe { channel, token }),
        (3, Command::Refresh { token }),
        (4, Command::SubRefresh { channel, token }),
        (0, Command::Pong),
    ];
    assert_eq!(
        decode_all(&message),
        expected.map(|(id, command)| (id, format!("{command:?}")))
    );
}

#[test]
fn the_ping_is_an_empty_message() {
    let ping = ClientCodec::Protobuf.ping();
    assert_eq!(
        client_proto::delimited::<client_proto::Reply>(ping),
        [client_proto::Reply::default()]
    );
    // The pong of the client has the same bytes.
    assert_eq!(decode_all(ping), [(0, "Pong".to_owned())]);
}

#[test]
fn a_broadcast_is_one_binary_message_with_all_its_publications() {
    for kind in [PayloadKind::Json, PayloadKind::Text, PayloadKind::Binary] {
        let rules = NamespaceRules {
            payload_kind: kind,
            may_deflate: true,
            may_join: true,
        };
        let payloads: [&[u8]; 4] = [b"", b"{\"a\": [1]}", &[b'x'; 200], &[b'y'; 9_000]];
        let mut broadcast = Broadcast::new("news:日本", 1, payloads[0], None, rules, 0);
        for payload in &payloads[1..] {
            assert_eq!(broadcast.join(payload, None, usize::MAX), Joined::Added);
        }
        let frames = broadcast.frames(Encoding::plain(Codec::Protobuf), &mut Deflater::default());
        assert_eq!(frames[0], 0x82, "one final binary frame");
        let expected = payloads.map(|payload| client_proto::push("news:日本", payload));
        assert_eq!(
            client_proto::delimited::<client_proto::Reply>(encode::payload(&frames)),
            expected
        );
    }
}

#[test]
fn a_broadcast_names_the_client_of_each_publication_that_has_one() {
    let rules = NamespaceRules {
        payload_kind: PayloadKind::Json,
        may_deflate: true,
        may_join: true,
    };
    let info = |user: &str, conn_info: Option<&[u8]>| ClientInfo {
        user: user.into(),
        client: "9f3c".into(),
        conn_info: conn_info.map(Into::into),
        chan_info: None,
    };
    let long = "x".repeat(300);
    let infos = [
        None,
        Some(info("ann", Some(b"{}"))),
        None,
        Some(info(&long, None)),
    ];
    let infos = infos.map(|info| info.map(Arc::new));
    let mut broadcast = Broadcast::new("a", 1, b"0", infos[0].as_ref(), rules, 0);
    for info in &infos[1..] {
        let joined = broadcast.join(b"1", info.as_ref(), usize::MAX);
        assert_eq!(joined, Joined::Added);
    }
    let deflater = &mut Deflater::default();
    let frames = broadcast.frames(Encoding::plain(Codec::Protobuf), deflater);
    let pushes = client_proto::delimited::<client_proto::Reply>(encode::payload(&frames));
    let expected = infos.each_ref().map(|info| {
        info.as_ref().map(|info| client_proto::ClientInfo {
            user: info.user.to_string(),
            client: info.client.to_string(),
            conn_info: info.conn_info.as_deref().unwrap_or_default().into(),
            chan_info: Vec::new(),
        })
    });
    let named = |push: client_proto::Reply| push.push.unwrap().publication.unwrap().info;
    assert_eq!(pushes.into_iter().map(named).collect::<Vec<_>>(), expected);
    let frames = broadcast.frames(Encoding::plain(Codec::Json), deflater);
    let lines = str::from_utf8(encode::payload(&frames)).unwrap().lines();
    let users = lines.map(|line| {
        let mut push: serde_json::Value = serde_json::from_str(line).unwrap();
        push["push"]["pub"]["info"]["user"].take()
    });
    let expected = [None, Some("ann"), None, Some(&*long)].map(serde_json::Value::from);
    assert_eq!(users.collect::<Vec<_>>(), expected);
}

/// Generates commands that an SDK may encode.
fn any_command() -> impl Strategy<Value = client_proto::Command> {
    let channel = prop_oneof!["[a-z:]{1,9}", any::<String>()];
    let data = proptest::collection::vec(any::<u8>(), 0..200);
    let id = prop_oneof![0..3_u32, any::<u32>()];
    let subscribe = (channel.clone(), any::<(String, bool, u64, i64)>(), 0..2_i32).prop_map(
        |(channel, (token, recover, offset, flag), kind)| SubscribeRequest {
            channel,
            token,
            recover,
            offset,
            flag,
            kind,
            ..SubscribeRequest::default()
        },
    );
    let methods = (0..10_u8, subscribe, channel, data, any::<String>());
    (id, methods).prop_map(|(id, (method, subscribe, channel, data, token))| {
        let mut command = client_proto::Command {
            id,
            ..client_proto::Command::default()
        };
        let channel_request = client_proto::ChannelRequest {
            channel: channel.clone(),
        };
        match method {
            0 => {
                command.connect = Some(ConnectRequest {
                    token,
                    data,
                    subs: [(channel, subscribe)].into(),
                    ..ConnectRequest::default()
                });
            }
            1 => command.subscribe = Some(subscribe),
            2 => command.unsubscribe = Some(channel_request),
            3 => command.publish = Some(PublishRequest { channel, data }),
            4 => command.ping = Some(Empty {}),
            5 => command.send = Some(client_proto::Data { data }),
            6 => command.history = Some(channel_request),
            7 => command.refresh = Some(RefreshRequest { token }),
            8 => {
                command.sub_refresh = Some(SubRefreshRequest {
                    channel,
                    token,
                    kind: subscribe.kind,
                });
            }
            _ => {}
        }
        command
    })
}

proptest! {
    #[test]
    fn generated_commands_are_decoded_as_by_prost(
        commands in proptest::collection::vec(any_command(), 0..5),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut message = encode_delimited(&commands);
        protobuf(&message);
        for command in &commands {
            let bytes = command.encode_to_vec();
            if let (Some(expected), Ok(request)) = (&command.publish, decode(&bytes)) {
                let data = PublishData::Bytes(expected.data.clone());
                let channel = &*expected.channel;
                prop_assert_eq!(request.command, Command::Publish { channel, data });
            }
        }
        if !message.is_empty() {
            for (at, byte) in changes {
                let at = at.index(message.len());
                message[at] = byte;
            }
            message.truncate(cut.index(message.len()) + 1);
            protobuf(&message);
        }
    }

    #[test]
    fn publications_are_those_of_prost(
        channel in "\\PC{1,60}",
        payload in proptest::collection::vec(any::<u8>(), 0..70_000),
    ) {
        let mut message = Vec::new();
        pushes::publication(&mut message, &channel, &payload, None);
        prop_assert_eq!(message.len(), pushes::publication_len(&channel, &payload, None));
        let encoded = client_proto::push(&channel, &payload).encode_length_delimited_to_vec();
        prop_assert_eq!(message, encoded);
    }
}
