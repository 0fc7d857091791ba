//! `[[namespace]]`: the settings of a group of topics. Used by every thread that handles topics.

use super::ws::WsConfig;
use crate::config::choices::{PayloadKind, SlowPolicy};
use crate::config::table::repeated_table;

repeated_table! {
    /// A topic `chat:lobby` belongs to the namespace `chat` if that namespace is configured. All
    /// other topics belong to the namespace `""`.
    pub struct Namespace at "namespace" inherits ws: WsConfig {
        /// The part of the topic before the first `:`. The name `""` is for topics without a
        /// configured namespace.
        name: String as NAME = required("chat"), Live;
        /// The type of the payloads. They are checked when they are received.
        payload: PayloadKind as PAYLOAD_KIND = value(PayloadKind::Json), Live;
        /// Like `ws.slow`, for connections whose outbox is full when a publication of this
        /// namespace arrives.
        slow: SlowPolicy as SLOW_POLICY = inherits(ws.slow), Live;
        /// Whether clients may publish.
        publish: bool as BOOLEAN = value(false), Live;
        /// Whether publications may be compressed. Use `false` for payloads that are already
        /// compressed, and for topics that combine secrets with text that an attacker can choose,
        /// because the length of a compressed message reveals information about its content.
        deflate: bool as BOOLEAN = value(true), Live;
    }
}
