//! Tests of the built program: real processes with two shards, real ZeroMQ publishers and WebSocket
//! clients.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod client;
#[path = "../fuzz/client_proto.rs"]
mod client_proto;
mod configured;
mod frame_client;
mod hook_server;
mod publisher;
mod server;
mod users;
mod wait;
#[allow(dead_code)] // The tests of the hub use all of it.
#[path = "../hub/wire.rs"]
mod wire;
#[path = "../hub/zlib.rs"]
mod zlib;
mod zmtp;

mod access;
mod admin;
mod admin_hostile;
mod agent;
mod api;
mod bursts;
mod connections;
mod deadlines;
mod deflate;
mod delivery;
mod depth;
mod descriptors;
mod drain;
mod hooks;
mod hostile;
mod http;
mod key_sets;
mod malformed;
mod permissions;
mod process;
mod publisher_memory;
mod refusals;
mod reload;
mod secrets;
mod share;
mod slow;
mod statsd;
mod subscriptions;
