//! End-to-end tests of the program: real processes with two shards, real ZeroMQ publishers and
//! WebSocket clients.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "e2e/client.rs"]
mod client;
#[path = "e2e/peer.rs"]
mod peer;
#[path = "e2e/publisher.rs"]
mod publisher;
#[path = "e2e/server.rs"]
mod server;
#[path = "e2e/wait.rs"]
mod wait;
#[allow(dead_code)] // The tests of the hub use all of the file.
#[path = "hub/wire.rs"]
mod wire;
#[path = "hub/zlib.rs"]
mod zlib;

#[path = "e2e/access.rs"]
mod access;
#[path = "e2e/admin.rs"]
mod admin;
#[path = "e2e/agent.rs"]
mod agent;
#[path = "e2e/bursts.rs"]
mod bursts;
#[path = "e2e/connections.rs"]
mod connections;
#[path = "e2e/deadlines.rs"]
mod deadlines;
#[path = "e2e/deflate.rs"]
mod deflate;
#[path = "e2e/delivery.rs"]
mod delivery;
#[path = "e2e/descriptors.rs"]
mod descriptors;
#[path = "e2e/drain.rs"]
mod drain;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/http.rs"]
mod http;
#[path = "e2e/malformed.rs"]
mod malformed;
#[path = "e2e/process.rs"]
mod process;
#[path = "e2e/share.rs"]
mod share;
#[path = "e2e/slow.rs"]
mod slow;
#[path = "e2e/statsd.rs"]
mod statsd;
#[path = "e2e/subscriptions.rs"]
mod subscriptions;
