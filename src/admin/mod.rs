//! The operators' HTTP port (`admin.listen`). Control thread.
//!
//! ```text
//! server       accepts connections and passes requests on
//! slots        which connections are served, and which makes room for a new one
//! access       checks the token and the Host header
//! body         reads the bodies of requests, within bounds
//! routes       the paths, and the pages that are only read
//! publish      POST /publish
//! publication  the body of POST /publish
//! connections  GET /connections
//! survey       asks the shards for the connections with the most pending bytes
//! load         GET /load, POST /drain
//! ```

mod access;
mod body;
mod connections;
mod load;
mod publication;
mod publish;
mod routes;
mod server;
mod slots;
mod survey;

pub(crate) use server::Admin;
