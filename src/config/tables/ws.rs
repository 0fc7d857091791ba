//! `[ws]`: WebSocket clients. Used by shard threads.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::deflate::DeflateConfig;
use crate::config::bounds::Bound::{AtMost, NotZero};
use crate::config::choices::SlowPolicy;
use crate::config::origin::OriginRule;
use crate::config::table::table;
use crate::limits::{
    BATCH_FRAME_CEILING_BYTES, MESSAGE_CEILING_BYTES, OUTBOX_CEILING_BYTES, TIMEOUT_CEILING,
};

table! {
    /// WebSocket clients.
    pub struct WsConfig at "ws" {
        /// The address for WebSocket clients. It also serves `GET /health`. An address that other
        /// hosts can reach, such as `0.0.0.0:8000`, needs `[auth]`, or `auth.insecure = true`.
        listen: SocketAddr as ADDRESS = SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)), Restart;
        /// The origins whose pages may connect, such as `https://example.com`, or
        /// `https://*.example.com` for all subdomains. An empty list allows only pages of the same
        /// origin; `*` allows all. Clients that send no `Origin` header are not browsers and may
        /// always connect.
        origins: Vec<OriginRule> as ORIGINS = Vec::new(), Live;
        /// The interval at which the server pings a connection. Clients receive the interval when
        /// they connect and use it to detect a lost connection.
        ping: Duration as DURATION = Duration::from_secs(25), Restart,
            NotZero("lost connections could not be detected"), AtMost(TIMEOUT_CEILING);
        /// How long a client may take to answer a ping before its connection is closed. It must be
        /// shorter than `ws.ping`.
        pong_timeout: Duration as DURATION = Duration::from_secs(8), Live,
            NotZero("lost connections could not be detected"), AtMost(TIMEOUT_CEILING);
        /// How long a client may take to send its upgrade request, and after that its connect
        /// command.
        handshake_timeout: Duration as DURATION = Duration::from_secs(5), Live,
            NotZero("no client could connect in time"), AtMost(TIMEOUT_CEILING);
        /// The maximum size of a message from a client.
        max_message: usize as SIZE = 64 * 1024, Live,
            NotZero("no message could be accepted"), AtMost(MESSAGE_CEILING_BYTES);
        /// The maximum number of topics of one connection.
        max_topics: usize as COUNT = 128, Live, NotZero("no client could subscribe");
        /// The maximum number of connections of the process. Up to 64 further clients receive the
        /// status 503; the sockets of others are closed. `auto`: as many as the descriptor limit
        /// allows.
        max_connections: Option<usize> as COUNT_OR_AUTO = None, Restart,
            NotZero("no client could connect");
        /// The maximum number of commands, frames and fragments of messages per second from one
        /// client. A client may send those of one second in a burst. The first fragment of a
        /// message always counts. Later fragments count if they are shorter than 1 KiB;
        /// `ws.max_receive_rate` limits the longer ones.
        max_command_rate: u32 as COUNT_U32 = 1000, Live, NotZero("no command could be accepted");
        /// The maximum number of bytes per second that are read from one client. Further bytes are
        /// read in the next second.
        max_receive_rate: usize as SIZE = 4 * 1024 * 1024, Live,
            NotZero("nothing could be read"), AtMost(OUTBOX_CEILING_BYTES);
        /// The maximum number of bytes that are pending for one connection. It must not be smaller
        /// than `ingest.max_payload`.
        outbox: usize as SIZE = 1024 * 1024, Live, AtMost(OUTBOX_CEILING_BYTES);
        /// How a connection with a full outbox is handled. `disconnect` closes it with code 3008.
        /// `drop_oldest` drops its oldest pending publications. `conflate` keeps only the
        /// latest publication of each topic until the client catches up. A namespace may have its
        /// own setting.
        slow: SlowPolicy as SLOW_POLICY = SlowPolicy::Disconnect, Live;
        /// The maximum size of a frame that contains several publications. Publications of one
        /// topic that arrive together share a frame, which needs fewer sends and compresses
        /// better. `0`: each publication has its own frame. Topics whose `slow` is `conflate`
        /// never share frames.
        batch: usize as SIZE = 8 * 1024, Live, AtMost(BATCH_FRAME_CEILING_BYTES);
        /// Whether `/echo` is served for conformance tests. Do not use it in production.
        echo: bool as BOOLEAN = false, Restart;
        table deflate: DeflateConfig;
    }
}
