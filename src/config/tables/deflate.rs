//! `[ws.deflate]`: compression (permessage-deflate, RFC 7692). Used by shard threads.

use crate::config::choices::ApplePolicy;
use crate::config::table::table;

table! {
    /// Compression (permessage-deflate, RFC 7692) for clients that offer it. A frame is compressed
    /// at most once, no matter how many clients receive it. It is sent uncompressed if compression
    /// would not make it smaller. A namespace may disable compression.
    pub struct DeflateConfig at "ws.deflate" {
        /// Whether clients that offer compression receive it. A change applies to new connections.
        /// A client disables compression for itself with `?deflate=0`.
        enabled: bool as BOOLEAN = true, Live;
        /// The compression level: 1 is the fastest, 12 gives the smallest frames. A publication of
        /// 1 MiB takes about 5 ms of a shard at level 1, and about 250 ms at level 12. Level 12
        /// also needs 9 MB of memory per shard.
        level: u8 as DEFLATE_LEVEL = 1, Live;
        /// The minimum size of a frame's payload for compression. Small frames hardly become
        /// smaller.
        threshold: usize as SIZE = 256, Live;
        /// Whether Apple clients, recognized by their `User-Agent`, receive compression. Several
        /// versions fail on compressed frames. A change applies to new connections.
        apple: ApplePolicy as APPLE_POLICY = ApplePolicy::Decline, Live;
    }
}
