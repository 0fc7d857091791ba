//! Commands in Protobuf. Shard cores.

use super::fields::{Fields, Malformed, Value, take_delimited};
use crate::protocol::command::{Command, CommandError, PublishData, Request};
use crate::protocol::method::{CommandMembers, Method};
use crate::protocol::topic;

/// A field of `Command`.
const ID: u32 = 1;

/// A field of `ConnectRequest` and `RefreshRequest`.
const CONNECTION_TOKEN: u32 = 1;

/// A field of every request that names a channel.
const CHANNEL: u32 = 1;

/// A field of `SubscribeRequest` and `SubRefreshRequest`.
const SUBSCRIPTION_TOKEN: u32 = 2;

/// A field of `SubRefreshRequest`: 0 unless the request is about the keys of a map.
const SUB_REFRESH_TYPE: u32 = 3;

/// A field of `PublishRequest`.
const DATA: u32 = 2;

/// Fields of `SubscribeRequest`: the filter by tags, and the type of the channel.
const TAGS_FILTER: u32 = 13;
const CHANNEL_TYPE: u32 = 15;

impl From<Malformed> for CommandError {
    fn from(_: Malformed) -> Self {
        Self::NotProtobuf
    }
}

/// The commands of a WebSocket message, undecoded. A length that exceeds the message is an error
/// and ends the commands.
#[derive(Clone, Debug)]
pub struct Commands<'a> {
    rest: &'a [u8],
}

impl<'a> Commands<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }
}

impl<'a> Iterator for Commands<'a> {
    type Item = Result<&'a [u8], CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let command = take_delimited(&mut self.rest);
        if command.is_err() {
            self.rest = &[];
        }
        Some(command.map_err(CommandError::from))
    }
}

/// Decodes one command, without its length.
///
/// As Protobuf demands, unknown fields are ignored, and the last value of a repeated id, channel or
/// data is the value. A method that occurs twice counts as several methods.
pub fn decode(command: &[u8]) -> Result<Request<'_>, CommandError> {
    let (mut id, mut members) = (0, CommandMembers::default());
    for field in Fields::new(command) {
        match field? {
            (ID, Value::Varint(number)) => id = number,
            (number, value) => match (method(number), value) {
                (Some(method), Value::Bytes(parameters)) => members.add(method, parameters),
                (None, _) if number != ID => members.has_unknown = true,
                _ => return Err(CommandError::NotProtobuf),
            },
        }
    }
    let id = u32::try_from(id).map_err(|_| CommandError::IdInvalid)?;
    members.id = id;
    let command = match members.select()? {
        None => Command::Pong,
        Some((method, parameters)) => decode_parameters(id, method, parameters)?,
    };
    Ok(Request { id, command })
}

/// Returns the method of a field of `Command`.
fn method(number: u32) -> Option<Method> {
    Some(match number {
        4 => Method::Connect,
        5 => Method::Subscribe,
        6 => Method::Unsubscribe,
        7 => Method::Publish,
        8 => Method::Unsupported("presence"),
        9 => Method::Unsupported("presence_stats"),
        10 => Method::Unsupported("history"),
        11 => Method::Ping,
        12 => Method::Send,
        13 => Method::Rpc,
        14 => Method::Refresh,
        15 => Method::SubRefresh,
        _ => return None,
    })
}

fn decode_parameters(
    id: u32,
    method: Method,
    parameters: &[u8],
) -> Result<Command<'_>, CommandError> {
    let command = match method {
        Method::Ping => Command::Ping,
        Method::Send => Command::Send,
        Method::Rpc => Command::Rpc,
        Method::Unsupported(name) => Command::Unsupported(name),
        Method::Connect => {
            let token = connection_token(id, parameters)?;
            return Ok(Command::Connect { token });
        }
        Method::Refresh => {
            let token = connection_token(id, parameters)?;
            return Ok(Command::Refresh { token });
        }
        Method::Subscribe => return subscribe(id, parameters),
        Method::SubRefresh => return sub_refresh(id, parameters),
        Method::Unsubscribe => {
            let channel = read_channel(id, parameters, |_, _| Ok(()))?;
            return Ok(Command::Unsubscribe { channel });
        }
        Method::Publish => return publish(id, parameters),
    };
    // The parameters are not used, but they must be a message.
    Fields::new(parameters).try_for_each(|field| field.map(|_| ()))?;
    Ok(command)
}

fn subscribe(id: u32, parameters: &[u8]) -> Result<Command<'_>, CommandError> {
    let (mut token, mut unsupported) = (&[][..], None);
    let channel = read_channel(id, parameters, |number, value| {
        match (number, value) {
            (SUBSCRIPTION_TOKEN, value) => token = bytes(value)?,
            (TAGS_FILTER, _) => unsupported = Some("tags_filter"),
            (CHANNEL_TYPE, Value::Varint(1..)) => unsupported = Some("channel_type"),
            _ => {}
        }
        Ok(())
    })?;
    Ok(match unsupported {
        Some(name) => Command::Unsupported(name),
        None => Command::Subscribe {
            channel,
            token: text(id, token)?,
        },
    })
}

fn sub_refresh(id: u32, parameters: &[u8]) -> Result<Command<'_>, CommandError> {
    let (mut token, mut has_type) = (&[][..], false);
    let channel = read_channel(id, parameters, |number, value| {
        match (number, value) {
            (SUBSCRIPTION_TOKEN, value) => token = bytes(value)?,
            (SUB_REFRESH_TYPE, Value::Varint(kind)) => has_type = kind != 0,
            _ => {}
        }
        Ok(())
    })?;
    if has_type {
        return Ok(Command::Unsupported("sub_refresh_type"));
    }
    Ok(Command::SubRefresh {
        channel,
        token: text(id, token)?,
    })
}

/// Returns the token of a `ConnectRequest` or a `RefreshRequest`; empty if there is none.
fn connection_token(id: u32, parameters: &[u8]) -> Result<&str, CommandError> {
    let mut token = &[][..];
    for field in Fields::new(parameters) {
        if let (CONNECTION_TOKEN, value) = field? {
            token = bytes(value)?;
        }
    }
    text(id, token)
}

fn publish(id: u32, parameters: &[u8]) -> Result<Command<'_>, CommandError> {
    let mut data = &[][..];
    let channel = read_channel(id, parameters, |number, value| {
        if number == DATA {
            data = bytes(value)?;
        }
        Ok(())
    })?;
    let data = PublishData::Bytes(data.to_vec());
    Ok(Command::Publish { channel, data })
}

/// Returns the channel that the parameters of a command name, and calls `read` with all other
/// fields.
fn read_channel<'a>(
    id: u32,
    parameters: &'a [u8],
    mut read: impl FnMut(u32, Value<'a>) -> Result<(), CommandError>,
) -> Result<&'a str, CommandError> {
    let mut channel = &[][..];
    for field in Fields::new(parameters) {
        match field? {
            (CHANNEL, value) => channel = bytes(value)?,
            (number, value) => read(number, value)?,
        }
    }
    topic::check(channel).map_err(|fault| CommandError::BadChannel { id, fault })
}

/// Returns the content of a field that is a string or bytes.
fn bytes(value: Value<'_>) -> Result<&[u8], CommandError> {
    match value {
        Value::Bytes(content) => Ok(content),
        Value::Varint(_) | Value::Fixed => Err(CommandError::NotProtobuf),
    }
}

/// Returns the text of a string.
fn text(id: u32, content: &[u8]) -> Result<&str, CommandError> {
    str::from_utf8(content).map_err(|_| CommandError::BadParameters { id })
}

#[cfg(test)]
mod tests;
