//! The counters of shards and of the ingest thread. The list is also the documentation of the
//! metrics: name, label and meaning. Each block is written by one thread and read by any.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

/// The type of a metric in Prometheus: a counter only grows, a gauge can also shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// Description of one value of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Name of the metric without the prefix `fanfare_` and the suffix `_total`.
    pub name: &'static str,
    pub kind: Kind,
    /// Name and value of the label, if the metric has one.
    pub label: Option<(&'static str, &'static str)>,
    pub help: &'static str,
}

/// A block of counters of one thread.
pub trait Counts: Copy + Debug + Default {
    /// The same counters as atomics, which other threads can read.
    type Shared: Debug + Default + Send + Sync;

    /// Stores all values into the atomics.
    fn write(&self, shared: &Self::Shared);
    /// Loads all values from the atomics.
    fn read(shared: &Self::Shared) -> Self;
    /// Returns all values with their descriptions, in the order of declaration.
    fn each(&self) -> Vec<(Description, u64)>;
    /// Adds the values of another thread.
    fn add(&mut self, other: &Self);
}

macro_rules! counts {
    (
        $(#[$meta:meta])* $type:ident, $shared:ident {
            $(
                $field:ident: $kind:ident $name:literal
                $([$key:literal = $value:literal])? $help:literal,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $type {
            $(#[doc = $help] pub $field: u64,)*
        }

        /// The atomics of a published block.
        #[derive(Debug, Default)]
        pub struct $shared {
            $($field: AtomicU64,)*
        }

        impl Counts for $type {
            type Shared = $shared;

            fn write(&self, shared: &$shared) {
                $(shared.$field.store(self.$field, Ordering::Relaxed);)*
            }

            fn read(shared: &$shared) -> Self {
                Self { $($field: shared.$field.load(Ordering::Relaxed),)* }
            }

            fn each(&self) -> Vec<(Description, u64)> {
                vec![$((
                    Description {
                        name: $name,
                        kind: Kind::$kind,
                        label: counts!(@label $($key, $value)?),
                        help: $help,
                    },
                    self.$field,
                ),)*]
            }

            fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
    (@label) => { None };
    (@label $key:literal, $value:literal) => { Some(($key, $value)) };
}

counts! {
    /// The counters of a shard. In each published block,
    /// `matched = written + dropped + pending`.
    ShardCounts, SharedShardCounts {
        batches: Counter "lane_batches" "Batches taken from the lane",
        lane_reached: Counter "lane_reached" "Publications pushed to the lane, up to the batch that the shard took last",
        taken: Counter "taken" "Publications taken from the lane",
        broadcasts: Counter "broadcasts" "Broadcasts taken from the lane, with and without subscribers on the shard",
        matched: Counter "matched" "Deliveries expected: publications times their subscribers",
        written: Counter "written" "Deliveries whose last byte the kernel has accepted",
        written_bytes: Counter "written_bytes" "Bytes that the kernel has accepted, including replies and pings",
        dropped_slow: Counter "dropped" ["reason" = "slow"] "Deliveries that were dropped, by reason",
        dropped_oldest: Counter "dropped" ["reason" = "oldest"] "Deliveries that were dropped, by reason",
        dropped_conflated: Counter "dropped" ["reason" = "conflated"] "Deliveries that were dropped, by reason",
        dropped_closed: Counter "dropped" ["reason" = "closed"] "Deliveries that were dropped, by reason",
        pending: Gauge "pending" "Deliveries in outboxes",
        pending_bytes: Gauge "pending_bytes" "Bytes in outboxes, including replies",
        connections: Gauge "connections" "Open sockets, including those in the handshake and one per shard that belongs to the watchdog",
        subscriptions: Gauge "subscriptions" "Pairs of connection and topic",
        topics: Gauge "topics" "Topics with at least one subscriber on this shard",
        accepted: Counter "accepted" "Sockets accepted",
        upgraded: Counter "upgraded" "Handshakes that ended in an upgrade",
        refused_limit: Counter "refused" ["reason" = "limit"] "Sockets or handshakes refused, by reason",
        refused_request: Counter "refused" ["reason" = "request"] "Sockets or handshakes refused, by reason",
        refused_origin: Counter "refused" ["reason" = "origin"] "Sockets or handshakes refused, by reason",
        refused_token: Counter "refused" ["reason" = "token"] "Sockets or handshakes refused, by reason",
        refused_permission: Counter "refused" ["reason" = "permission"] "Sockets or handshakes refused, by reason",
        refused_descriptors: Counter "refused" ["reason" = "descriptors"] "Sockets or handshakes refused, by reason",
        refused_draining: Counter "refused" ["reason" = "draining"] "Sockets or handshakes refused, by reason",
        refused_timeout: Counter "refused" ["reason" = "timeout"] "Sockets or handshakes refused, by reason",
        closed_peer: Counter "closed" ["reason" = "peer"] "Connections closed after the upgrade, by reason",
        closed_lost: Counter "closed" ["reason" = "lost"] "Connections closed after the upgrade, by reason",
        closed_slow: Counter "closed" ["reason" = "slow"] "Connections closed after the upgrade, by reason",
        closed_no_pong: Counter "closed" ["reason" = "no_pong"] "Connections closed after the upgrade, by reason",
        closed_fault: Counter "closed" ["reason" = "fault"] "Connections closed after the upgrade, by reason",
        closed_too_big: Counter "closed" ["reason" = "too_big"] "Connections closed after the upgrade, by reason",
        closed_bad_request: Counter "closed" ["reason" = "bad_request"] "Connections closed after the upgrade, by reason",
        closed_too_fast: Counter "closed" ["reason" = "too_fast"] "Connections closed after the upgrade, by reason",
        closed_token: Counter "closed" ["reason" = "token"] "Connections closed after the upgrade, by reason",
        closed_expired: Counter "closed" ["reason" = "expired"] "Connections closed after the upgrade, by reason",
        closed_hook: Counter "closed" ["reason" = "hook"] "Connections closed after the upgrade, by reason",
        closed_stale: Counter "closed" ["reason" = "stale"] "Connections closed after the upgrade, by reason",
        closed_shutdown: Counter "closed" ["reason" = "shutdown"] "Connections closed after the upgrade, by reason",
        closed_user_limit: Counter "closed" ["reason" = "user_limit"] "Connections closed after the upgrade, by reason",
        closed_demanded: Counter "closed" ["reason" = "demanded"] "Connections closed after the upgrade, by reason",
        connections_deflate: Gauge "connections_deflate" "Connections that negotiated permessage-deflate",
        deflate_declined_apple: Counter "deflate_declined" ["reason" = "apple"] "Handshakes whose offer of permessage-deflate was declined, by reason",
        deflate_declined_client: Counter "deflate_declined" ["reason" = "client"] "Handshakes whose offer of permessage-deflate was declined, by reason",
        deflate_declined_offer: Counter "deflate_declined" ["reason" = "offer"] "Handshakes whose offer of permessage-deflate was declined, by reason",
        deflate_compressed: Counter "deflate_frames" ["outcome" = "compressed"] "Frames that this shard tried to compress, once for all subscribers, by outcome",
        deflate_small: Counter "deflate_frames" ["outcome" = "small"] "Frames that this shard tried to compress, once for all subscribers, by outcome",
        deflate_incompressible: Counter "deflate_frames" ["outcome" = "incompressible"] "Frames that this shard tried to compress, once for all subscribers, by outcome",
        deflate_bytes_before: Counter "deflate_bytes" ["side" = "before"] "Bytes of the compressed frames, before and after compression",
        deflate_bytes_after: Counter "deflate_bytes" ["side" = "after"] "Bytes of the compressed frames, before and after compression",
        deflate_deliveries: Counter "deflate_deliveries" "Matched deliveries of compressed frames",
        deflate_spared_bytes: Counter "deflate_spared_bytes" "Bytes that compression saved, summed over all subscribers",
        commands: Counter "commands" "Client commands received",
        tokens_valid: Counter "tokens" ["result" = "valid"] "Tokens of clients, by result",
        tokens_expired: Counter "tokens" ["result" = "expired"] "Tokens of clients, by result",
        tokens_invalid: Counter "tokens" ["result" = "invalid"] "Tokens of clients, by result",
        tokens_missing: Counter "tokens" ["result" = "missing"] "Tokens of clients, by result",
        tokens_unverified: Counter "tokens" ["result" = "unverified"] "Tokens of clients, by result",
        parked: Gauge "parked_connections" "Connections that wait for the verification of a token, a hook or a key set",
        hooks_result: Counter "hook_answers" ["answer" = "result"] "Answers of hooks, by what they contain; failed: no response, invalid: one that cannot be used",
        hooks_error: Counter "hook_answers" ["answer" = "error"] "Answers of hooks, by what they contain; failed: no response, invalid: one that cannot be used",
        hooks_disconnect: Counter "hook_answers" ["answer" = "disconnect"] "Answers of hooks, by what they contain; failed: no response, invalid: one that cannot be used",
        hooks_failed: Counter "hook_answers" ["answer" = "failed"] "Answers of hooks, by what they contain; failed: no response, invalid: one that cannot be used",
        hooks_invalid: Counter "hook_answers" ["answer" = "invalid"] "Answers of hooks, by what they contain; failed: no response, invalid: one that cannot be used",
        service_refused: Counter "service_refused" "Commands that failed because too many of them waited for hooks and key sets",
        permissions_denied: Counter "permissions_denied" "Commands of clients that permissions do not allow",
        command_errors: Counter "command_errors" "Client commands answered with an error",
        pings: Counter "pings" "Pings sent",
        turns: Counter "turns" "Turns of the shard's main loop",
        parks: Counter "parks" "Times the shard went to sleep",
        sends: Counter "sends" "Send operations",
        sends_blocked: Counter "sends_blocked" "Sends that the kernel did not accept completely",
        buffers_exhausted: Counter "receive_buffers_exhausted" "Receives that were postponed because no buffer was free",
    }
}

counts! {
    /// The counters of the ingest thread. `received` includes rejected messages.
    IngestCounts, SharedIngestCounts {
        received_pull: Counter "received" ["socket" = "pull"] "Messages received, by socket",
        received_sub: Counter "received" ["socket" = "sub"] "Messages received, by socket",
        received_router: Counter "received" ["socket" = "router"] "Messages received, by socket",
        received_client: Counter "received" ["socket" = "client"] "Messages received, by socket",
        received_admin: Counter "received" ["socket" = "admin"] "Messages received, by socket",
        received_canary: Counter "received" ["socket" = "canary"] "Messages received, by socket",
        received_bytes: Counter "received_bytes" "Payload bytes of accepted publications",
        rejected_no_delimiter: Counter "rejected" ["reason" = "no_delimiter"] "Messages rejected, by reason",
        rejected_envelope_too_large: Counter "rejected" ["reason" = "envelope_too_large"] "Messages rejected, by reason",
        rejected_parts: Counter "rejected" ["reason" = "parts"] "Messages rejected, by reason",
        rejected_topic_empty: Counter "rejected" ["reason" = "topic_empty"] "Messages rejected, by reason",
        rejected_topic_too_long: Counter "rejected" ["reason" = "topic_too_long"] "Messages rejected, by reason",
        rejected_topic_not_utf8: Counter "rejected" ["reason" = "topic_not_utf8"] "Messages rejected, by reason",
        rejected_topic_control: Counter "rejected" ["reason" = "topic_control"] "Messages rejected, by reason",
        rejected_topic_reserved: Counter "rejected" ["reason" = "topic_reserved"] "Messages rejected, by reason",
        rejected_not_allowed: Counter "rejected" ["reason" = "not_allowed"] "Messages rejected, by reason",
        rejected_payload_too_large: Counter "rejected" ["reason" = "payload_too_large"] "Messages rejected, by reason",
        rejected_payload_not_json: Counter "rejected" ["reason" = "payload_not_json"] "Messages rejected, by reason",
        rejected_payload_not_utf8: Counter "rejected" ["reason" = "payload_not_utf8"] "Messages rejected, by reason",
        rejected_payload_too_deep: Counter "rejected" ["reason" = "payload_too_deep"] "Messages rejected, by reason",
        rejected_meta_too_large: Counter "rejected" ["reason" = "meta_too_large"] "Messages rejected, by reason",
        rejected_meta_not_object: Counter "rejected" ["reason" = "meta_not_object"] "Messages rejected, by reason",
        rejected_meta_invalid: Counter "rejected" ["reason" = "meta_invalid"] "Messages rejected, by reason",
        rejected_busy: Counter "rejected" ["reason" = "busy"] "Messages rejected, by reason",
        rejected_expired: Counter "rejected" ["reason" = "expired"] "Messages rejected, by reason",
        accepted: Counter "publications" "Publications accepted",
        unwanted: Counter "publications_unwanted" "Publications that no shard had a subscriber for",
        wanted: Counter "wanted" "Publications that a shard may have subscribers for, once per shard",
        routed: Counter "routed" "Publications pushed to lanes, once per shard",
        lane_full: Counter "lane_dropped" "Publications dropped because the lane of a shard was full",
        publisher_missing: Counter "publisher_missing" "Numbered publications that were not received",
        publisher_duplicates: Counter "publisher_duplicates" "Publications whose number was received before",
        publisher_restarts: Counter "publisher_restarts" "Times that the numbers of a publisher restarted",
        publishers: Gauge "publishers" "Publishers whose numbers are tracked",
        replies_lost: Counter "replies_lost" "Replies of the router socket that could not be sent to the publisher",
        denied_address: Counter "denied" ["reason" = "address"] "Publisher connections denied, by reason",
        denied_handshake: Counter "denied" ["reason" = "handshake"] "Publisher connections denied, by reason",
        denied_password: Counter "denied" ["reason" = "password"] "Publisher connections denied, by reason",
        denied_unfinished: Counter "denied" ["reason" = "unfinished"] "Publisher connections denied, by reason",
    }
}
