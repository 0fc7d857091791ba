//! The server API, as back ends written for Centrifugo call it: `POST /api/METHOD`. Control thread.
//!
//! ```text
//! routes         the paths: one method, a batch, and the older form
//! requests       the parameters of the methods
//! user_requests  the parameters of the methods that act on the connections of a user
//! answers        results and errors
//! executor       carries out one method
//! node           the answer of `info`
//! channels       asks the shards for their channels
//! pattern        patterns for the names of channels
//! user_actions   acts on the connections of a user
//! ```

mod answers;
mod channels;
mod executor;
mod node;
mod pattern;
mod requests;
mod routes;
mod user_actions;
mod user_requests;

pub(super) use routes::routes;
