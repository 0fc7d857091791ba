//! Any bytes as a client's binary message: there is no panic, and the commands and the errors are
//! those of prost.
#![allow(unreachable_pub, reason = "each runner includes this file as a module")]

use fanfare::protocol::command::{Command, CommandError, ErrorEffect, PublishData, Request};
use fanfare::protocol::protobuf::{Commands, decode, pushes};
use fanfare::protocol::topic;
use prost::Message;

#[path = "../client_proto.rs"]
pub mod client_proto;

use client_proto::CommandFields;

/// Decodes one input as a message of several commands.
pub fn protobuf(data: &[u8]) {
    let mut rest = data;
    for command in Commands::new(data) {
        let len = prost::decode_length_delimiter(&mut rest).unwrap_or(usize::MAX);
        let expected = rest.split_at_checked(len);
        assert_eq!(command.ok(), expected.map(|(command, _)| command));
        let (Ok(command), Some((_, after))) = (command, expected) else {
            return;
        };
        rest = after;
        check_command(command);
    }
    assert!(rest.is_empty());
}

fn check_command(command: &[u8]) {
    let decoded = decode(command);
    if let Err(error) = &decoded {
        assert!(!error.name().is_empty() && !error.to_string().is_empty());
        if let ErrorEffect::Reply { id, .. } = error.effect() {
            assert_ne!(id, 0, "a reply needs an id");
        }
    }
    match (decoded, CommandFields::decode(command)) {
        (Ok(request), oracle) => check_request(&request, oracle.expect("prost decodes it")),
        // prost skips the groups of proto2, which proto3 does not have.
        (Err(CommandError::NotProtobuf), oracle) => {
            assert!(oracle.is_err() || has_group(command, true));
        }
        // The command has an error besides the parameters, which were not read.
        (Err(_), Err(_)) => {}
        (Err(error), Ok(oracle)) => check_error(error, &oracle),
    }
}

fn check_request(request: &Request<'_>, mut oracle: CommandFields) {
    assert_eq!(u64::from(request.id), oracle.id);
    assert_eq!(
        methods(&oracle),
        usize::from(request.command != Command::Pong)
    );
    let has_no_reply = matches!(request.command, Command::Pong | Command::Send);
    assert!(request.id != 0 || has_no_reply);
    match &request.command {
        Command::Connect { token } => {
            let fields = oracle.connect.pop().expect("a connect command");
            assert_eq!(token.as_bytes(), fields.token);
        }
        Command::Refresh { token } => {
            let fields = oracle.refresh.pop().expect("a refresh command");
            assert_eq!(token.as_bytes(), fields.token);
        }
        Command::Ping => assert_eq!(oracle.ping.len(), 1),
        Command::Send => assert_eq!(oracle.send.len(), 1),
        Command::Pong => {}
        Command::Subscribe { channel, token } => {
            let fields = oracle.subscribe.pop().expect("a subscribe command");
            check_channel(channel, &fields.channel);
            assert_eq!(token.as_bytes(), fields.token);
        }
        Command::SubRefresh { channel, token } => {
            let fields = oracle.sub_refresh.pop().expect("a sub_refresh command");
            check_channel(channel, &fields.channel);
            assert_eq!(token.as_bytes(), fields.token);
        }
        Command::Unsubscribe { channel } => {
            let fields = oracle.unsubscribe.pop().expect("an unsubscribe command");
            check_channel(channel, &fields.channel);
        }
        Command::Publish { channel, data } => {
            let fields = oracle.publish.pop().expect("a publish command");
            check_channel(channel, &fields.channel);
            assert_eq!(*data, PublishData::Bytes(fields.data.clone()));
            check_push(channel, &fields.data);
        }
        Command::Unsupported("presence") => assert_eq!(oracle.presence.len(), 1),
        Command::Unsupported("presence_stats") => assert_eq!(oracle.presence_stats.len(), 1),
        Command::Unsupported("history") => assert_eq!(oracle.history.len(), 1),
        Command::Rpc => assert_eq!(oracle.rpc.len(), 1),
        Command::Unsupported("sub_refresh_type") => assert_eq!(oracle.sub_refresh.len(), 1),
        Command::Unsupported(_) => assert_eq!(oracle.subscribe.len(), 1),
    }
}

fn check_error(error: CommandError, oracle: &CommandFields) {
    let (id, methods) = (oracle.id, methods(oracle));
    let has_id = |reply: u32| u64::from(reply) == id;
    let is_right = match error {
        CommandError::IdInvalid => u32::try_from(id).is_err(),
        CommandError::IdMissing => id == 0,
        CommandError::NoMethod => id != 0 && methods == 0,
        CommandError::UnknownMethod { id } => has_id(id) && methods == 0,
        CommandError::SeveralMethods { id } => has_id(id) && methods > 1,
        CommandError::BadChannel { id, fault } => {
            let subscribe = oracle.subscribe.iter().chain(&oracle.sub_refresh);
            let unsubscribe = oracle.unsubscribe.iter().map(|fields| &fields.channel);
            let publish = oracle.publish.iter().map(|fields| &fields.channel);
            let mut channels = subscribe
                .map(|fields| &fields.channel)
                .chain(unsubscribe)
                .chain(publish);
            has_id(id) && channels.any(|channel| topic::check(channel) == Err(fault))
        }
        CommandError::BadParameters { id } => {
            let connection = oracle.connect.iter().chain(&oracle.refresh);
            let subscription = oracle.subscribe.iter().chain(&oracle.sub_refresh);
            let mut tokens = connection
                .map(|fields| &fields.token)
                .chain(subscription.map(|fields| &fields.token));
            has_id(id) && tokens.any(|token| str::from_utf8(token).is_err())
        }
        CommandError::NotJson
        | CommandError::NotProtobuf
        | CommandError::TooDeep { .. }
        | CommandError::NotAnObject => false,
    };
    assert!(is_right, "{error}: {oracle:?}");
}

/// Returns the number of methods of a command.
fn methods(oracle: &CommandFields) -> usize {
    let CommandFields {
        id: _,
        connect,
        subscribe,
        unsubscribe,
        publish,
        presence,
        presence_stats,
        history,
        ping,
        send,
        rpc,
        refresh,
        sub_refresh,
    } = oracle;
    let empty = [presence, presence_stats, history, ping, send, rpc];
    let empty: usize = empty.iter().map(|method| method.len()).sum();
    let connection = connect.len() + refresh.len();
    let subscription = subscribe.len() + sub_refresh.len() + unsubscribe.len();
    empty + connection + subscription + publish.len()
}

fn check_channel(channel: &str, expected: &[u8]) {
    assert_eq!(channel.as_bytes(), expected);
    assert_eq!(topic::check(expected), Ok(channel));
}

/// Encodes a publication, and checks that prost decodes it.
fn check_push(channel: &str, data: &[u8]) {
    let mut out = Vec::new();
    pushes::publication(&mut out, channel, data, None);
    assert_eq!(out.len(), pushes::publication_len(channel, data, None));
    assert_eq!(
        client_proto::delimited::<client_proto::Reply>(&out),
        [client_proto::push(channel, data)]
    );
}

/// Returns whether a message, or with `is_command` one of its nested messages, has a group.
fn has_group(mut message: &[u8], is_command: bool) -> bool {
    use prost::encoding::{DecodeContext, WireType, decode_key, skip_field};
    while let Ok((tag, wire_type)) = decode_key(&mut message) {
        if matches!(wire_type, WireType::StartGroup | WireType::EndGroup) {
            return true;
        }
        if wire_type == WireType::LengthDelimited && is_command {
            let mut nested = message;
            let len = prost::decode_length_delimiter(&mut nested).unwrap_or(0);
            if has_group(nested.get(..len).unwrap_or_default(), false) {
                return true;
            }
        }
        if skip_field(wire_type, tag, &mut message, DecodeContext::default()).is_err() {
            break;
        }
    }
    false
}
