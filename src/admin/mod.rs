//! The operators' HTTP port (`admin.listen`). Control thread.
//!
//! ```text
//! server           accepts connections and checks requests
//! slots            which connections are served, and which makes room for a new one
//! http_connection  one connection: its requests, and the time of each step
//! access           checks the token and the Host header
//! api_keys         checks the key of a request to the server API
//! body             reads the bodies of requests, within bounds
//! routes           the paths, and the pages that are only read
//! publish          POST /publish
//! publication      the body of POST /publish
//! submit           submits publications to the ingest thread
//! api              POST /api/METHOD, the server API for back ends
//! connections      GET /connections
//! survey           finds the connections with the most pending bytes on all shards
//! load             GET /load, POST /drain
//! ```

mod access;
mod api;
mod api_keys;
mod body;
mod connections;
mod http_connection;
mod load;
mod publication;
mod publish;
mod routes;
mod server;
mod slots;
mod submit;
mod survey;

pub(crate) use server::Admin;
