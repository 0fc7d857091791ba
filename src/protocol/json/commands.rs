//! Commands in JSON: one object per line. Shard cores, one [`Parser`] each.

use std::mem;

use serde::Deserialize;
use serde_json::value::RawValue;
use simd_json::{Node, StaticNode, Tape};

use super::check::{JsonError, Reader, empty_tape, recycle};
use super::replies::PING;
use super::scan;
use crate::protocol::command::{Command, CommandError, PublishData, Request};
use crate::protocol::method::{CommandMembers, Method};
use crate::protocol::topic;

/// Returns the error of a command that is not read.
#[cold]
fn not_read(fault: JsonError, line: &[u8]) -> CommandError {
    match fault {
        JsonError::Syntax | JsonError::NotUtf8 => CommandError::NotJson,
        JsonError::TooDeep => too_deep(line),
    }
}

/// Returns the error of a command that is nested too deep. If it is JSON with an id, the error
/// contains the id, so that the command gets a reply. The parser skips the other members without
/// recursion.
fn too_deep(line: &[u8]) -> CommandError {
    #[derive(Deserialize)]
    struct Line {
        #[serde(default)]
        id: u32,
    }
    // serde would read an array as the members in order.
    if line.trim_ascii_start().first() != Some(&b'{') {
        return CommandError::NotAnObject;
    }
    match serde_json::from_slice(line) {
        Ok(Line { id: 0 }) => CommandError::IdMissing,
        Ok(Line { id }) => CommandError::TooDeep { id },
        Err(error) if error.is_data() => CommandError::IdInvalid,
        Err(_) => CommandError::NotJson,
    }
}

/// Returns the commands of a message: its lines, without empty ones.
pub fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_blank = |line: &&[u8]| line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    message
        .split(|byte| *byte == b'\n')
        .filter(move |line| !is_blank(line))
}

/// Parses one line after the other and reuses its memory.
pub struct Parser {
    reader: Reader,
    tape: Tape<'static>,
}

impl Parser {
    pub fn new() -> Self {
        Self {
            reader: Reader::new(),
            tape: empty_tape(),
        }
    }

    /// Parses one line. The command borrows from the parser until the next call.
    pub fn parse<'a>(&'a mut self, line: &[u8]) -> Result<Request<'a>, CommandError> {
        // Idle clients send nothing but pongs.
        if line == PING {
            return Ok(Request {
                id: 0,
                command: Command::Pong,
            });
        }
        let mut tape = mem::replace(&mut self.tape, empty_tape()).reset();
        let read = self.reader.read(line, &mut tape);
        let request = read
            .map_err(|fault| not_read(fault, line))
            .and_then(|()| request(&tape.0, line));
        self.tape = recycle(tape);
        request
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the method whose parameters are in the member with this name.
fn method(name: &str) -> Option<Method> {
    Some(match name {
        "connect" => Method::Connect,
        "subscribe" => Method::Subscribe,
        "unsubscribe" => Method::Unsubscribe,
        "publish" => Method::Publish,
        "refresh" => Method::Refresh,
        "sub_refresh" => Method::SubRefresh,
        "ping" => Method::Ping,
        "send" => Method::Send,
        "rpc" => Method::Rpc,
        "history" => Method::Unsupported("history"),
        "presence" => Method::Unsupported("presence"),
        "presence_stats" => Method::Unsupported("presence_stats"),
        _ => return None,
    })
}

fn request<'a>(nodes: &[Node<'a>], line: &[u8]) -> Result<Request<'a>, CommandError> {
    let mut id = None;
    let mut command_members = CommandMembers::default();
    for (name, value) in members(nodes).ok_or(CommandError::NotAnObject)? {
        if name == "id" {
            let number = unsigned(value).and_then(|id| u32::try_from(id).ok());
            let number = number.ok_or(CommandError::IdInvalid)?;
            if id.replace(number).is_some() {
                return Err(CommandError::IdInvalid);
            }
        } else if is_null(value) {
            // A null member counts as absent, as in the JSON mapping of Protobuf.
        } else if let Some(method) = method(name) {
            command_members.add(method, value);
        } else {
            command_members.has_unknown = true;
        }
    }
    let id = id.unwrap_or(0);
    command_members.id = id;
    let command = match command_members.select()? {
        None => Command::Pong,
        Some((method, parameters)) => command(id, method, parameters, line)?,
    };
    Ok(Request { id, command })
}

fn command<'a>(
    id: u32,
    method: Method,
    parameters: &[Node<'a>],
    line: &[u8],
) -> Result<Command<'a>, CommandError> {
    match method {
        Method::Connect => Ok(Command::Connect {
            token: token(id, parameters)?,
        }),
        Method::Refresh => Ok(Command::Refresh {
            token: token(id, parameters)?,
        }),
        Method::Ping => Ok(Command::Ping),
        Method::Send => Ok(Command::Send),
        Method::Rpc => Ok(Command::Rpc),
        Method::Unsupported(name) => Ok(Command::Unsupported(name)),
        Method::Unsubscribe => {
            let channel = ChannelParameters::read(id, parameters)?.channel;
            Ok(Command::Unsubscribe { channel })
        }
        Method::Subscribe => Ok(match ChannelParameters::read(id, parameters)? {
            ChannelParameters {
                unsupported: Some(name),
                ..
            } => Command::Unsupported(name),
            ChannelParameters { channel, .. } => Command::Subscribe {
                channel,
                token: token(id, parameters)?,
            },
        }),
        Method::SubRefresh => Ok(match ChannelParameters::read(id, parameters)? {
            ChannelParameters {
                unsupported: Some(_),
                ..
            } => Command::Unsupported("sub_refresh_type"),
            ChannelParameters { channel, .. } => Command::SubRefresh {
                channel,
                token: token(id, parameters)?,
            },
        }),
        Method::Publish => Ok(match ChannelParameters::read(id, parameters)? {
            ChannelParameters {
                unsupported: Some(name),
                ..
            } => Command::Unsupported(name),
            ChannelParameters { channel, .. } => Command::Publish {
                channel,
                data: PublishData::Json(publish_data(id, line)?),
            },
        }),
    }
}

/// Returns the token among the parameters of a command; empty if there is none.
fn token<'a>(id: u32, parameters: &[Node<'a>]) -> Result<&'a str, CommandError> {
    let bad = CommandError::BadParameters { id };
    let mut token = None;
    for (name, value) in members(parameters).ok_or(bad)? {
        if name != "token" || is_null(value) {
            continue;
        }
        let &[Node::String(text)] = value else {
            return Err(bad);
        };
        if token.replace(text).is_some() {
            return Err(bad);
        }
    }
    Ok(token.unwrap_or(""))
}

/// The parameters of a command that names a channel.
struct ChannelParameters<'a> {
    channel: &'a str,
    /// A kind of channel or a filter that fanfare does not implement.
    unsupported: Option<&'static str>,
}

impl<'a> ChannelParameters<'a> {
    fn read(id: u32, parameters: &[Node<'a>]) -> Result<Self, CommandError> {
        let bad = CommandError::BadParameters { id };
        let (mut channel, mut unsupported) = (None, None);
        for (name, value) in members(parameters).ok_or(bad)? {
            match name {
                "channel" => {
                    let &[Node::String(name)] = value else {
                        return Err(bad);
                    };
                    if channel.replace(name).is_some() {
                        return Err(bad);
                    }
                }
                "type" if unsigned(value) != Some(0) => unsupported = Some("channel_type"),
                "tf" if !is_null(value) => unsupported = Some("tags_filter"),
                _ => {}
            }
        }
        let channel = topic::check(channel.ok_or(bad)?.as_bytes())
            .map_err(|fault| CommandError::BadChannel { id, fault })?;
        Ok(Self {
            channel,
            unsupported,
        })
    }
}

/// Returns the data of a publish command as the client wrote it. The tape holds values, not their
/// text.
fn publish_data(id: u32, line: &[u8]) -> Result<Vec<u8>, CommandError> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        publish: Parameters<'a>,
    }
    #[derive(Deserialize)]
    struct Parameters<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let line: Line<'_> =
        serde_json::from_slice(line).map_err(|_| CommandError::BadParameters { id })?;
    Ok(scan::compact(line.publish.data.get().as_bytes()))
}

/// Returns the names of an object's members and the nodes of their values; `None` if the value is
/// not an object.
fn members<'t, 'a>(nodes: &'t [Node<'a>]) -> Option<Members<'t, 'a>> {
    match nodes.split_first() {
        Some((Node::Object { .. }, rest)) => Some(Members { rest }),
        _ => None,
    }
}

struct Members<'t, 'a> {
    rest: &'t [Node<'a>],
}

impl<'t, 'a> Iterator for Members<'t, 'a> {
    type Item = (&'a str, &'t [Node<'a>]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&Node::String(name), rest) = self.rest.split_first()? else {
            return None;
        };
        let nodes = match rest.first()? {
            Node::Object { count, .. } | Node::Array { count, .. } => 1 + count,
            Node::String(_) | Node::Static(_) => 1,
        };
        let (value, rest) = rest.split_at_checked(nodes)?;
        self.rest = rest;
        Some((name, value))
    }
}

fn unsigned(value: &[Node<'_>]) -> Option<u64> {
    match *value {
        [Node::Static(StaticNode::U64(number))] => Some(number),
        _ => None,
    }
}

fn is_null(value: &[Node<'_>]) -> bool {
    matches!(value, [Node::Static(StaticNode::Null)])
}

#[cfg(test)]
mod tests;
