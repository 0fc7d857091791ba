//! fanfare: a fan-out engine for bare Linux hosts. ZeroMQ in, WebSocket out.
//!
//! A file imports only from its own floor or from one below (`tests/tidy.rs` checks it):
//!
//! ```text
//! ground   config      typed configuration          limits     every bound, with its reason
//! floor 0  observe     counters and histograms      wire       HTTP upgrade, RFC 6455
//!          protocol    client commands and replies
//! floor 1  hub         one shard's memory and rules: time and bytes are arguments
//! floor 2  fabric      the only memory that cores share: lanes, broadcasts, interest
//! floor 3  ingest      publications in              control    admin, metrics, load, signals
//! floor 4  shard       glommio executor and completion ring: the only files that do socket IO
//! roof     engine      starts the cores, joins them, drains them
//! ```
//!
//! The life of a message: [`ingest`] receives and checks it, [`fabric`] encodes it once and
//! carries it to the shards that may want it, [`hub`] matches it to connections, [`shard`] sends.

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
