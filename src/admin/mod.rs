//! The operators' HTTP port (`admin.listen`). Control thread.
//!
//! ```text
//! server           accepts connections and checks requests
//! slots            which connections are served, and which makes room for a new one
//! http_connection  one connection: its requests, and the time of each step
//! access           checks the token and the Host header
//! body             reads the bodies of requests, within bounds
//! routes           the paths, and the pages that are only read
//! publish          POST /publish
//! publication      the body of POST /publish
//! connections      GET /connections
//! survey           finds the connections with the most pending bytes on all shards
//! load             GET /load, POST /drain
//! ```

mod access;
mod body;
mod connections;
mod http_connection;
mod load;
mod publication;
mod publish;
mod routes;
mod server;
mod slots;
mod survey;

pub(crate) use server::Admin;
