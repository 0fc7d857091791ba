//! fanfare: a fan-out engine for bare Linux hosts. ZeroMQ in, WebSocket out.
//!
//! A file imports only from its own layer or from a lower one (`tests/tidy.rs` checks it):
//!
//! ```text
//! base     config      typed configuration          limits     every bound, with its reason
//! layer 0  observe     counters and histograms      wire       HTTP upgrade, RFC 6455, RFC 7692
//! layer 1  protocol    client commands, replies     delivery   publications encoded for the wire
//! layer 2  hub         connections, subscriptions and outboxes of one shard, without IO
//! layer 3  fabric      memory that is shared between cores: lanes, interest filter, submissions
//! layer 4  ingest      ZeroMQ sockets and routing   control    admin, metrics, load, signals
//!          shard       io_uring ring: all IO of client sockets
//! top      engine      starts and stops the threads
//! ```
//!
//! The way of a publication: [`ingest`] receives and checks it, [`delivery`] encodes it once,
//! [`fabric`] carries it to the shards that may have subscribers, [`hub`] finds the connections
//! that are subscribed, and [`shard`] sends it.

pub mod config;
pub mod limits;

pub mod observe;
pub mod protocol;
pub mod wire;

pub mod delivery;

pub mod hub;

pub mod fabric;

pub mod control;
pub mod ingest;

pub mod shard;

pub mod engine;
