//! The operators' HTTP port (`admin.listen`). Control thread.
//!
//! ```text
//! server       accepts connections, checks requests, reads bodies
//! routes       the paths and the pages that are only read
//! publish      POST /publish
//! connections  GET /connections: the connections with the most pending
//! load         GET /load, POST /drain
//! ```

mod connections;
mod load;
mod publish;
mod routes;
mod server;

pub(crate) use server::Admin;
