//! The publishing side of a run: connections to the server, schedules and payload contents.

pub mod address;
pub mod connection;
pub mod publisher;
pub mod replies;
pub mod senders;
pub mod stream;
pub mod words;
pub mod zeromq;
pub mod zmtp;
