//! `[admin]`: the port for operators. Used by the control thread.

use std::net::{Ipv4Addr, SocketAddr};

use crate::config::credentials::{ApiKey, BearerToken};
use crate::config::table::table;

table! {
    /// The port for operators.
    pub struct AdminConfig at "admin" {
        /// The address for metrics, health, statistics and publications over HTTP. Use an address
        /// that only operators can reach. Without a token, the server answers only requests to an
        /// IP address or to `localhost`, so that web pages cannot make a browser send requests.
        listen: Option<SocketAddr> as ADDRESS_OR_OFF =
            Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8001))), Restart;
        /// If it is set, every request needs the header `Authorization: Bearer TOKEN`, except those
        /// to the server API.
        token: Option<BearerToken> as BEARER_TOKEN = None, Restart;
        /// A second token, which gives `GET` of `/metrics`, `/stats` and `/health` and nothing
        /// else. It is meant for Prometheus on another host, and needs `admin.token`.
        scrape_token: Option<BearerToken> as BEARER_TOKEN = None, Restart;
        /// The keys of the server API, which back ends call at `/api`. A request needs one of them,
        /// as `X-API-Key: KEY` for example, and no token. Several keys allow a change of keys
        /// without a pause. Empty: the server API is off.
        api_keys: Vec<ApiKey> as API_KEYS = Vec::new(), Live;
    }
}
