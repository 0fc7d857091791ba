//! `[[namespace]]`: the settings of a group of topics. Used by every thread that handles topics.

use super::ws::WsConfig;
use crate::config::channel_regex::ChannelRegex;
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
        /// Whether clients may publish, if `[auth]` is not set. Otherwise, the keys that begin with
        /// `allow_publish_` decide.
        publish: bool as BOOLEAN = value(false), Live;
        /// Whether clients that have a user may subscribe without a subscription token.
        allow_subscribe_for_client: bool as BOOLEAN = value(false), Live;
        /// Whether `allow_subscribe_for_client` applies to anonymous clients too.
        allow_subscribe_for_anonymous: bool as BOOLEAN = value(false), Live;
        /// Whether clients that have a user may publish.
        allow_publish_for_client: bool as BOOLEAN = value(false), Live;
        /// Whether clients that have a user may publish to topics that they are subscribed to.
        allow_publish_for_subscriber: bool as BOOLEAN = value(false), Live;
        /// Whether `allow_publish_for_client` and `allow_publish_for_subscriber` apply to anonymous
        /// clients too.
        allow_publish_for_anonymous: bool as BOOLEAN = value(false), Live;
        /// Whether the users that a topic such as `inbox#42` names may subscribe to it. Other
        /// clients need a subscription token for such a topic, also if this is `false`.
        allow_user_limited_channels: bool as BOOLEAN = value(false), Live;
        /// Whether the subscribe hook is asked about subscriptions without a token, instead of
        /// `allow_subscribe_for_client`. Needs `hooks.subscribe.endpoint`.
        subscribe_hook: bool as BOOLEAN = value(false), Live;
        /// Whether the publish hook is asked about publications of clients, instead of the keys
        /// that begin with `allow_publish_`. Needs `hooks.publish.endpoint`.
        publish_hook: bool as BOOLEAN = value(false), Live;
        /// Whether the hook `sub_refresh` is asked before subscriptions without a token expire.
        /// Needs `hooks.sub_refresh.endpoint`.
        sub_refresh_hook: bool as BOOLEAN = value(false), Live;
        /// A regular expression that the topic must match, if `[auth]` is set. It applies to the
        /// part after the namespace. Empty: any topic.
        channel_regex: Option<ChannelRegex> as CHANNEL_REGEX = value(None), Live;
        /// Whether publications may be compressed. Use `false` for payloads that are already
        /// compressed, and for topics that combine secrets with text that an attacker can choose,
        /// because the length of a compressed message reveals information about its content.
        deflate: bool as BOOLEAN = value(true), Live;
    }
}
