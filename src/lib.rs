//! fanfare: a fan-out engine for bare Linux hosts. ZeroMQ in, WebSocket out.
//!
//! A file imports only from its own layer or from a lower one (`tests/tidy.rs` checks it):
//!
//! ```text
//! base     config        typed configuration        limits     every bound, with its reason
//! layer 0  observe       counters and histograms    wire       HTTP upgrade, RFC 6455
//!          host          what the kernel reports in /proc and /sys
//! layer 1  protocol      client commands, replies   delivery   encodings and broadcasts
//!          access        tokens and permissions of clients
//! layer 2  hub           one shard's memory and rules: time and bytes are arguments
//! layer 3  fabric        the only memory that threads share: lanes, submissions, interest
//! layer 4  ingest        publications in            shard      glommio executor, completion ring
//!          admin         the operators' HTTP port   metrics    OpenMetrics, JSON, statsd
//!          load          how full the node is       liveness   watchdog, service manager
//!          service       hooks, key sets         lifecycle  control thread, signals, reload
//! top      engine        starts the threads, waits for their end
//!          admin_client  a client of the admin port, for the command line and the load generator
//! ```
//!
//! The way of a publication: [`ingest`] receives and checks it, [`delivery`] encodes it once,
//! [`fabric`] carries it to the shards that may have subscribers, [`hub`] finds the connections
//! that are subscribed, and [`shard`] sends it.

pub mod config;
pub mod limits;

pub mod host;
pub mod observe;
pub mod protocol;
pub mod wire;

pub mod access;
pub mod delivery;

pub mod hub;

pub mod fabric;

mod admin;
pub mod ingest;
pub mod lifecycle;
mod liveness;
mod load;
mod metrics;
pub mod service;
pub mod shard;

pub mod admin_client;
pub mod engine;
