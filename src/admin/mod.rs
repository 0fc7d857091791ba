//! The operators' HTTP port (`admin.listen`). Control thread.
//!
//! ```text
//! server       accepts connections and reads requests
//! access       checks the token and the Host header
//! routes       the paths, and the pages that are only read
//! publish      POST /publish
//! publication  the body of POST /publish
//! connections  GET /connections
//! survey       asks the shards for the connections with the most pending bytes
//! load         GET /load, POST /drain
//! ```

mod access;
mod connections;
mod load;
mod publication;
mod publish;
mod routes;
mod server;
mod survey;

pub(crate) use server::Admin;
