//! The Centrifugal client protocol: one model of commands and replies, and its codecs. No clock, no
//! IO. Shards decode commands and encode replies; the ingest core checks topics and payloads and
//! encodes pushes.
//!
//! ```text
//! topic     which names are topics
//! command   what clients send             codec     which codec a connection uses
//! method    the methods of commands       json      the JSON codec
//! reply     what the server answers       protobuf  the Protobuf codec
//! codes     error codes of replies, close codes
//! ```

pub mod codec;
pub mod codes;
pub mod command;
pub mod json;
mod method;
pub mod protobuf;
pub mod reply;
pub mod topic;
