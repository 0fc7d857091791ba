//! Tests of the hub with a simulated clock: each rule by itself, then random operations against a
//! model.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod access;
mod access_ends;
mod admission;
mod client_info;
#[path = "../fuzz/client_proto.rs"]
mod client_proto;
mod closing;
mod commands;
mod compressed_input;
mod conflation;
mod drain;
mod encodings;
mod harness;
mod hook_expiry;
mod hook_limits;
mod hook_waits;
mod hooked;
mod hooks;
mod hostile_tokens;
mod joined;
mod key_sets;
mod model;
mod negotiation;
mod opening;
mod pending;
mod protobuf;
mod refusals;
mod sends;
mod share;
mod slow;
mod survey;
mod timers;
mod token_time;
mod token_tricks;
mod tokens;
mod topics;
mod upstream;
mod user_actions;
mod wire;
mod zlib;
