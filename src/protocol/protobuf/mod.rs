//! The Protobuf codec of the client protocol. Every core.
//!
//! A WebSocket message is a sequence of commands or replies, each with its length in front as a
//! varint. The numbers of all fields are those of `client.proto` of the Centrifugal protocol. Only
//! the fields that fanfare uses are read or written, so nothing here allocates or recurses.
//!
//! ```text
//! fields    reads the fields of a message      commands  decodes what clients send
//! write     appends fields to a message        replies   encodes replies
//! hook_parameters  reads what only hooks get   pushes    encodes pushes
//! ```

mod commands;
mod fields;
mod hook_parameters;
pub mod pushes;
pub mod replies;
mod write;

pub use commands::{Commands, decode};
pub use hook_parameters::hook_parameters;
