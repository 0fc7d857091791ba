//! The built program from outside: real processes, real ZeroMQ and WebSocket peers, two shards.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "e2e/client.rs"]
mod client;
#[path = "e2e/publisher.rs"]
mod publisher;
#[path = "e2e/server.rs"]
mod server;
#[path = "e2e/wait.rs"]
mod wait;

#[path = "e2e/delivery.rs"]
mod delivery;
#[path = "e2e/malformed.rs"]
mod malformed;
#[path = "e2e/subscriptions.rs"]
mod subscriptions;

#[path = "e2e/admin.rs"]
mod admin;
