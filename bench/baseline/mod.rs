//! The baseline server: the least work with which a server of this kind can deliver. Other servers
//! are compared with it.

pub mod client;
pub mod injection;
pub mod nonblocking;
pub mod pull;
pub mod server;
pub mod stream;
