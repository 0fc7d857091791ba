//! Translates the messages of a simulated client between JSON and Protobuf. The client checks
//! messages in JSON. A client of the Protobuf codec translates what it sends and what it receives.

use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client_proto::{
    ChannelRequest, Command, ConnectRequest, PublishRequest, Reply, SubscribeRequest, delimited,
};
use crate::upstream::push;

/// A command in JSON.
#[derive(Deserialize)]
struct JsonCommand<'a> {
    #[serde(default)]
    id: u32,
    connect: Option<Parameters<'a>>,
    #[serde(borrow)]
    subscribe: Option<Parameters<'a>>,
    unsubscribe: Option<Parameters<'a>>,
    publish: Option<Parameters<'a>>,
}

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(default)]
    channel: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Returns the Protobuf message for a message of JSON commands.
pub fn to_protobuf(message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in message.lines() {
        let json: JsonCommand<'_> = serde_json::from_str(line).expect("the client sends commands");
        let command = Command {
            id: json.id,
            connect: json.connect.map(|_| ConnectRequest::default()),
            subscribe: json.subscribe.map(|parameters| SubscribeRequest {
                channel: parameters.channel,
                ..SubscribeRequest::default()
            }),
            unsubscribe: json.unsubscribe.map(|parameters| ChannelRequest {
                channel: parameters.channel,
            }),
            publish: json.publish.map(|parameters| PublishRequest {
                channel: parameters.channel,
                data: parameters
                    .data
                    .map_or_else(Vec::new, |data| data.get().into()),
            }),
            ..Command::default()
        };
        command
            .encode_length_delimited(&mut out)
            .expect("a Vec has room");
    }
    out
}

/// Returns the message of JSON replies and pushes for a Protobuf message.
pub fn to_json(message: &[u8]) -> String {
    let lines: Vec<_> = delimited(message).iter().map(line).collect();
    lines.join("\n")
}

fn line(reply: &Reply) -> String {
    if let Some(pushed) = &reply.push {
        assert_eq!(reply.id, 0);
        let publication = pushed.publication.as_ref().expect("a publication");
        let data = str::from_utf8(&publication.data).expect("the simulation publishes JSON");
        return push(&pushed.channel, data);
    }
    let id = reply.id;
    let results = [
        ("subscribe", reply.subscribe.is_some()),
        ("unsubscribe", reply.unsubscribe.is_some()),
        ("publish", reply.publish.is_some()),
        ("connect", reply.connect.is_some()),
        ("ping", reply.ping.is_some()),
    ];
    if let Some(error) = &reply.error {
        return format!(r#"{{"id":{id},"error":{{"code":{}}}}}"#, error.code);
    }
    let mut found = results.iter().filter(|(_, is_set)| *is_set);
    match (found.next(), id) {
        (Some((method, _)), 1..) => {
            assert_eq!(found.next(), None, "one result: {reply:?}");
            format!(r#"{{"id":{id},"{method}":{{}}}}"#)
        }
        (None, 0) => "{}".to_owned(),
        _ => panic!("not a reply: {reply:?}"),
    }
}
