//! The scenarios: what a run loads the server with, what it measures and what it checks.

pub mod broadcast;
pub mod burst;
pub mod custom;
pub mod deflate;
pub mod feeds;
pub mod helpshift;
pub mod idle;
pub mod ingest;
pub mod single;
pub mod slow;
pub mod steady;
pub mod storm;
pub mod toggle;
