//! The parameters of commands that only hooks of the back end get. Shard cores.
//!
//! They are read from the bytes of the command when a hook is asked, so that commands without a
//! hook do not pay for them.

use super::codec::ClientCodec;
use super::{json, protobuf};

/// The parameters of `connect`, `subscribe` or `rpc` for a hook. Those that a command does not have
/// are absent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct HookParameters<'a> {
    /// JSON as the client wrote it, or bytes in Protobuf.
    pub data: Option<&'a [u8]>,
    /// The name and the version of the client.
    pub name: String,
    pub version: String,
    /// The topics that the client asks the server to subscribe it to.
    pub topics: Vec<String>,
    /// The method of `rpc`.
    pub method: String,
}

/// A parameter has the wrong type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadParameters;

impl<'a> HookParameters<'a> {
    /// Reads the parameters of a command that was decoded without an error.
    pub fn read(codec: ClientCodec, command: &'a [u8]) -> Result<Self, BadParameters> {
        match codec {
            ClientCodec::Json => json::hook_parameters(command),
            ClientCodec::Protobuf => protobuf::hook_parameters(command),
        }
    }
}
