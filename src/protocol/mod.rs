//! Client commands and replies: the Centrifugal protocol in its JSON form. No clock, no IO.
//! Shards parse commands and write replies here; the ingest core checks topics and payloads
//! and encodes pushes.
//!
//! ```text
//! topic     what a topic name may be            json      checks and parses, buffers reused
//! command   what clients send                   escape    JSON strings out of text
//! reply     what answers a command              push      what carries a publication
//! codes     errors in replies, reasons to disconnect
//! ```

pub mod codes;
pub mod command;
pub mod escape;
pub mod json;
mod json_scan;
pub mod push;
pub mod reply;
pub mod topic;
