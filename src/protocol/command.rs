//! What clients send: commands of the Centrifugal protocol, one JSON object per line. Shard
//! cores, one [`Parser`] each.
//!
//! As in Centrifugo, text that is not the protocol ends the connection, and a command that asks
//! for the wrong thing gets an error. Members that fanfare does not know are ignored, so that
//! SDKs may be newer than the server.

use std::mem;

use serde::Deserialize;
use serde_json::value::RawValue;
use simd_json::{Node, StaticNode, Tape};

use super::codes::{ClientError, Disconnect};
use super::json::{JsonFault, Reader, empty_tape, recycle};
use super::topic::{self, TopicFault};
use super::{json_scan, reply};

/// One command and the id that its reply carries; 0 for [`Command::Pong`] and
/// [`Command::Send`], which get none.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    pub id: u32,
    pub command: Command<'a>,
}

/// What a client asks for. Channels are valid topics.
#[derive(Debug, PartialEq)]
pub enum Command<'a> {
    /// Token, data, name and wanted server-side subscriptions are not looked at.
    Connect,
    /// Recovery and positioning are not looked at: the reply says that there is none.
    Subscribe {
        channel: &'a str,
    },
    Unsubscribe {
        channel: &'a str,
    },
    /// `data` is JSON without whitespace between its tokens, so on one line.
    Publish {
        channel: &'a str,
        data: Vec<u8>,
    },
    /// The client's own ping, which gets a reply.
    Ping,
    /// `{}`: the answer to the server's ping.
    Pong,
    /// A message to the server's application; there is none.
    Send,
    /// The protocol has it, fanfare does not: answered with [`ClientError::NotAvailable`].
    Unsupported(&'static str),
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFault {
    #[error("a command is not JSON")]
    NotJson,
    #[error("a command is nested too deep")]
    TooDeep,
    #[error("a command is not a JSON object")]
    NotAnObject,
    #[error("a command has no id")]
    IdMissing,
    #[error("a command's id is not an integer from 1 to 4294967295, given once")]
    IdInvalid,
    #[error("a command has an id and nothing else")]
    NoMethod,
    #[error("a command has no method that is known")]
    UnknownMethod { id: u32 },
    #[error("a command has several methods")]
    SeveralMethods { id: u32 },
    #[error("a command lacks a parameter, or has one of the wrong type")]
    BadParameters { id: u32 },
    #[error("a command's channel is invalid: {fault}")]
    BadChannel { id: u32, fault: TopicFault },
}

/// What a [`CommandFault`] does to its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command fails, the connection goes on.
    Reply { id: u32, error: ClientError },
    /// The connection ends.
    Disconnect(Disconnect),
}

impl CommandFault {
    /// What its sender gets.
    pub fn outcome(&self) -> Outcome {
        match *self {
            Self::NotJson
            | Self::TooDeep
            | Self::NotAnObject
            | Self::IdMissing
            | Self::IdInvalid
            | Self::NoMethod => Outcome::Disconnect(Disconnect::BadRequest),
            Self::UnknownMethod { id } => Outcome::Reply {
                id,
                error: ClientError::MethodNotFound,
            },
            Self::SeveralMethods { id }
            | Self::BadParameters { id }
            | Self::BadChannel { id, .. } => Outcome::Reply {
                id,
                error: ClientError::BadRequest,
            },
        }
    }

    /// A word for metric labels.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotJson => "command_not_json",
            Self::TooDeep => "command_too_deep",
            Self::NotAnObject => "command_not_an_object",
            Self::IdMissing => "command_id_missing",
            Self::IdInvalid => "command_id_invalid",
            Self::NoMethod => "command_no_method",
            Self::UnknownMethod { .. } => "command_unknown_method",
            Self::SeveralMethods { .. } => "command_several_methods",
            Self::BadParameters { .. } => "command_bad_parameters",
            Self::BadChannel { fault, .. } => fault.name(),
        }
    }
}

impl From<JsonFault> for CommandFault {
    fn from(fault: JsonFault) -> Self {
        match fault {
            JsonFault::Syntax | JsonFault::NotUtf8 => Self::NotJson,
            JsonFault::TooDeep => Self::TooDeep,
        }
    }
}

/// The commands of one message: its lines, without empty ones.
pub fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_blank = |line: &&[u8]| line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    message
        .split(|byte| *byte == b'\n')
        .filter(move |line| !is_blank(line))
}

/// Parses lines, one after the other, in memory that is reused.
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

    /// The command on this line. What it borrows lives until the next call.
    pub fn parse<'a>(&'a mut self, line: &[u8]) -> Result<Request<'a>, CommandFault> {
        // Most of what idle clients send is pongs.
        if line == reply::PING {
            return Ok(Request {
                id: 0,
                command: Command::Pong,
            });
        }
        let mut tape = mem::replace(&mut self.tape, empty_tape()).reset();
        let read = self.reader.read(line, &mut tape);
        let request = read
            .map_err(CommandFault::from)
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

/// The methods of the protocol, by the member that carries their parameters.
#[derive(Clone, Copy)]
enum Method {
    Connect,
    Subscribe,
    Unsubscribe,
    Publish,
    Ping,
    Send,
    Unsupported(&'static str),
}

impl Method {
    fn from_member(name: &str) -> Option<Self> {
        Some(match name {
            "connect" => Self::Connect,
            "subscribe" => Self::Subscribe,
            "unsubscribe" => Self::Unsubscribe,
            "publish" => Self::Publish,
            "ping" => Self::Ping,
            "send" => Self::Send,
            "rpc" => Self::Unsupported("rpc"),
            "history" => Self::Unsupported("history"),
            "presence" => Self::Unsupported("presence"),
            "presence_stats" => Self::Unsupported("presence_stats"),
            "refresh" => Self::Unsupported("refresh"),
            "sub_refresh" => Self::Unsupported("sub_refresh"),
            _ => return None,
        })
    }
}

fn request<'a>(nodes: &[Node<'a>], line: &[u8]) -> Result<Request<'a>, CommandFault> {
    let mut id = None;
    let mut method = None;
    let (mut several, mut unknown) = (false, false);
    for (name, value) in members(nodes).ok_or(CommandFault::NotAnObject)? {
        if name == "id" {
            let number = unsigned(value).and_then(|id| u32::try_from(id).ok());
            let number = number.ok_or(CommandFault::IdInvalid)?;
            if id.replace(number).is_some() {
                return Err(CommandFault::IdInvalid);
            }
        } else if is_null(value) {
            // As if it were not there, as in Protobuf's JSON.
        } else if let Some(known) = Method::from_member(name) {
            several |= method.replace((known, value)).is_some();
        } else {
            unknown = true;
        }
    }
    let id = id.unwrap_or(0);
    let (method, parameters) = match method {
        Some((Method::Send, _)) if !several => {
            return Ok(Request {
                id,
                command: Command::Send,
            });
        }
        None if id == 0 && !unknown => {
            return Ok(Request {
                id,
                command: Command::Pong,
            });
        }
        _ if id == 0 => return Err(CommandFault::IdMissing),
        Some(_) if several => return Err(CommandFault::SeveralMethods { id }),
        Some(method) => method,
        None if unknown => return Err(CommandFault::UnknownMethod { id }),
        None => return Err(CommandFault::NoMethod),
    };
    let command = command(id, method, parameters, line)?;
    Ok(Request { id, command })
}

fn command<'a>(
    id: u32,
    method: Method,
    parameters: &[Node<'a>],
    line: &[u8],
) -> Result<Command<'a>, CommandFault> {
    match method {
        Method::Connect => {
            members(parameters).ok_or(CommandFault::BadParameters { id })?;
            Ok(Command::Connect)
        }
        Method::Ping => Ok(Command::Ping),
        Method::Send => Ok(Command::Send),
        Method::Unsupported(name) => Ok(Command::Unsupported(name)),
        Method::Unsubscribe => {
            let channel = Target::read(id, parameters)?.channel;
            Ok(Command::Unsubscribe { channel })
        }
        Method::Subscribe => Ok(match Target::read(id, parameters)? {
            Target {
                unsupported: Some(name),
                ..
            } => Command::Unsupported(name),
            Target { channel, .. } => Command::Subscribe { channel },
        }),
        Method::Publish => Ok(match Target::read(id, parameters)? {
            Target {
                unsupported: Some(name),
                ..
            } => Command::Unsupported(name),
            Target { channel, .. } => Command::Publish {
                channel,
                data: published(id, line)?,
            },
        }),
    }
}

/// The channel that a command is about.
struct Target<'a> {
    channel: &'a str,
    /// A kind of channel, or a filter, that the client would rely on in vain.
    unsupported: Option<&'static str>,
}

impl<'a> Target<'a> {
    fn read(id: u32, parameters: &[Node<'a>]) -> Result<Self, CommandFault> {
        let bad = CommandFault::BadParameters { id };
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
            .map_err(|fault| CommandFault::BadChannel { id, fault })?;
        Ok(Self {
            channel,
            unsupported,
        })
    }
}

/// The data of a publish, as the client wrote it: the tape holds values, not their text.
fn published(id: u32, line: &[u8]) -> Result<Vec<u8>, CommandFault> {
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
        serde_json::from_slice(line).map_err(|_| CommandFault::BadParameters { id })?;
    Ok(json_scan::compact(line.publish.data.get().as_bytes()))
}

/// The members of the object that `nodes` hold: names and the nodes of their values.
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
