//! `[ingest]`: publishers. Used by the ingest thread.

use ipnet::IpNet;

use crate::config::bounds::Bound::{AtMost, NotZero};
use crate::config::credentials::PlainCredential;
use crate::config::endpoint::Endpoint;
use crate::config::publish_rule::PublishRule;
use crate::config::table::table;
use crate::limits::PAYLOAD_CEILING_BYTES;

table! {
    /// Publishers, over ZeroMQ. The server binds every endpoint, and publishers connect to it.
    pub struct IngestConfig at "ingest" {
        /// The endpoints for PUSH sockets, as `tcp://` or `ipc://`.
        pull: Vec<Endpoint> as ENDPOINTS = vec![Endpoint::loopback(5560)], Restart;
        /// The endpoints for PUB sockets.
        sub: Vec<Endpoint> as ENDPOINTS = vec![Endpoint::loopback(5562)], Restart;
        /// The endpoints for REQ and DEALER sockets, which receive a reply to every publication.
        router: Vec<Endpoint> as ENDPOINTS = vec![Endpoint::loopback(5563)], Restart;
        /// The maximum size of a payload, from any publisher.
        max_payload: usize as SIZE = 1024 * 1024, Live,
            NotZero("no publication could be accepted"), AtMost(PAYLOAD_CEILING_BYTES);
        /// The maximum number of messages that libzmq queues for each publisher. Beyond it, PUSH
        /// sockets wait and PUB sockets drop messages. `ingest.publisher_memory` may allow fewer.
        high_water_mark: u32 as COUNT_U32 = 100_000, Restart,
            NotZero("libzmq would queue without bound"), AtMost(i32::MAX as u32);
        /// The maximum memory of the messages that libzmq queues for each publisher, and of the
        /// replies that wait for it. libzmq counts messages, so it queues this size divided by
        /// `ingest.max_payload`, as configured at the start.
        publisher_memory: usize as SIZE = 256 * 1024 * 1024, Restart,
            NotZero("libzmq would queue without bound");
        /// The networks from which publishers may connect over TCP. Empty: all networks that reach
        /// the socket.
        allow: Vec<IpNet> as NETWORKS = Vec::new(), Restart;
        /// User and password pairs for ZeroMQ PLAIN. Empty: no authentication. PLAIN does not
        /// encrypt.
        plain: Vec<PlainCredential> as CREDENTIALS = Vec::new(), Restart;
        /// The topics that publishers may publish to over ZeroMQ, as `PUBLISHERS=TOPICS`.
        /// Publishers are `user:NAME` for a user of `ingest.plain`, a network, `ipc` for those on a
        /// Unix socket, or `*`. Topics are one name, or all that begin with the text before a `*`
        /// at the end. Empty: every publisher may publish to every topic.
        publish_allow: Vec<PublishRule> as PUBLISH_RULES = Vec::new(), Restart;
        /// The file mode of `ipc://` sockets.
        ipc_mode: u32 as FILE_MODE = 0o600, Restart;
    }
}
