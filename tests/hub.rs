//! The hub rule by rule, driven with a hand-moved clock; then random histories against a model.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "hub/upstream.rs"]
mod upstream;
#[path = "hub/wire.rs"]
mod wire;
#[path = "hub/world.rs"]
mod world;
#[path = "hub/zlib.rs"]
mod zlib;

#[path = "hub/closing.rs"]
mod closing;
#[path = "hub/commands.rs"]
mod commands;
#[path = "hub/compressed_input.rs"]
mod compressed_input;
#[path = "hub/conflation.rs"]
mod conflation;
#[path = "hub/drain.rs"]
mod drain;
#[path = "hub/encodings.rs"]
mod encodings;
#[path = "hub/joined.rs"]
mod joined;
#[path = "hub/model.rs"]
mod model;
#[path = "hub/negotiation.rs"]
mod negotiation;
#[path = "hub/opening.rs"]
mod opening;
#[path = "hub/pending.rs"]
mod pending;
#[path = "hub/sends.rs"]
mod sends;
#[path = "hub/share.rs"]
mod share;
#[path = "hub/slow.rs"]
mod slow;
#[path = "hub/survey.rs"]
mod survey;
#[path = "hub/timers.rs"]
mod timers;
#[path = "hub/topics.rs"]
mod topics;
