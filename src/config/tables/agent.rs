//! `[agent]`: the port for the agent check of `HAProxy`. Used by the control thread.

use std::net::SocketAddr;

use crate::config::table::table;

table! {
    /// The agent check of HAProxy; see BALANCING.md.
    pub struct AgentConfig at "agent" {
        /// The address for the agent check. The usual port is 5555. The server listens on it when
        /// all threads are running.
        listen: Option<SocketAddr> as ADDRESS_OR_OFF = None, Restart;
    }
}
