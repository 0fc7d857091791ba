//! The Centrifugal client protocol: one model of commands, replies and pushes, and its codecs. No
//! clock, no IO. Shards decode commands and encode replies and pushes to one connection; the ingest
//! core checks topics and payloads and encodes publications.
//!
//! ```text
//! topic     which names are topics
//! command   what clients send             codec     which codec a connection uses
//! method    the methods of commands       json      the JSON codec
//! reply     what the server sends         protobuf  the Protobuf codec
//! hook_parameters  what only hooks of the back end get of a command
//! codes     error codes of replies, close codes, unsubscribe codes
//! client_info  who has sent a publication
//! ```

mod client_info;
pub mod codec;
pub mod codes;
pub mod command;
pub mod hook_parameters;
pub mod json;
mod method;
pub mod protobuf;
pub mod reply;
pub mod topic;

pub use client_info::ClientInfo;
