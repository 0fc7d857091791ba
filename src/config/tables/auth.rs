//! `[auth]`: who may connect, and how topics name the users that may subscribe. Used by shards.

use std::sync::LazyLock;
use std::time::Duration;

use super::auth_token::{AuthTokenConfig, SubscriptionTokenConfig, TokenKeys};
use super::hooks::HooksConfig;
use crate::config::bounds::Bound::AtMost;
use crate::config::table::table;
use crate::limits::TIMEOUT_CEILING;

table! {
    /// Authentication of clients. If no key of this table and no endpoint of `[hooks.connect]` is
    /// set, every client may connect and subscribe, and `ws.listen` must be a loopback address.
    /// Otherwise, a client needs a token or the consent of the connect hook, and the keys of
    /// `[[namespace]]` that begin with `allow_` decide what it may do.
    pub struct AuthConfig at "auth" {
        /// Whether every client may connect and subscribe, although this table is set, or
        /// `ws.listen` is an address that other hosts can reach. Tokens are then ignored.
        insecure: bool as BOOLEAN = false, Live;
        /// Whether a client may connect without a token. It then has the user `""`.
        allow_anonymous: bool as BOOLEAN = false, Live;
        /// How long a connection stays open after its token has expired. Clients send a new token
        /// before or within this time.
        expired_close_delay: Duration as DURATION = Duration::from_secs(25), Live,
            AtMost(TIMEOUT_CEILING);
        /// The same for subscriptions.
        expired_subscription_close_delay: Duration as DURATION = Duration::from_secs(25), Live,
            AtMost(TIMEOUT_CEILING);
        /// A topic that begins with this text needs a subscription token. The namespace is read
        /// after it. Empty: no topic is private.
        private_prefix: String as NAME = "$".into(), Live;
        /// The text between a topic and the users that may subscribe to it, as in `inbox#42`.
        /// Empty: topics name no users.
        user_boundary: String as NAME = "#".into(), Live;
        /// The text between two users, as in `dialog#42,43`. Empty: a topic names one user.
        user_separator: String as NAME = ",".into(), Live;
        /// The maximum number of connections of a user on all shards. A further one is closed with
        /// code 3504. 0: no limit. Anonymous clients are not counted.
        user_connection_limit: usize as COUNT = 0, Restart;
        /// Whether the server subscribes each client that has a user to the personal channel of the
        /// user: `#42`, or `NAMESPACE:#42`. `user_boundary` is the text before the user.
        personal_channel: bool as BOOLEAN = false, Live;
        /// The namespace of personal channels. Empty: the topics begin with `user_boundary`.
        personal_channel_namespace: String as NAME = String::new(), Live;
        table token: AuthTokenConfig;
        table subscription_token: SubscriptionTokenConfig;
        table hooks: HooksConfig;
    }
}

/// Whether clients are authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Every client may connect and subscribe. Tokens are ignored.
    Open,
    /// Clients need tokens or the consent of a hook, and the permissions of namespaces apply.
    Enforced,
}

impl AuthConfig {
    pub fn mode(&self) -> AuthMode {
        let is_enforced = self.hooks.connect.endpoint.is_some() || self.has_settings();
        if is_enforced && !self.insecure {
            AuthMode::Enforced
        } else {
            AuthMode::Open
        }
    }

    /// Returns whether a key of this table or of a table for tokens differs from its default.
    fn has_settings(&self) -> bool {
        static DEFAULT: LazyLock<AuthConfig> = LazyLock::new(AuthConfig::default);
        let Self {
            insecure,
            allow_anonymous,
            expired_close_delay,
            expired_subscription_close_delay,
            private_prefix,
            user_boundary,
            user_separator,
            user_connection_limit,
            personal_channel,
            personal_channel_namespace,
            token,
            subscription_token,
            hooks: _,
        } = self;
        let differences = [
            *insecure != DEFAULT.insecure,
            *allow_anonymous != DEFAULT.allow_anonymous,
            *expired_close_delay != DEFAULT.expired_close_delay,
            *expired_subscription_close_delay != DEFAULT.expired_subscription_close_delay,
            *private_prefix != DEFAULT.private_prefix,
            *user_boundary != DEFAULT.user_boundary,
            *user_separator != DEFAULT.user_separator,
            *user_connection_limit != DEFAULT.user_connection_limit,
            *personal_channel != DEFAULT.personal_channel,
            *personal_channel_namespace != DEFAULT.personal_channel_namespace,
            *token != DEFAULT.token,
            *subscription_token != DEFAULT.subscription_token,
        ];
        differences.contains(&true)
    }

    /// Returns the keys for connection tokens.
    pub fn connection_keys(&self) -> TokenKeys<'_> {
        self.token.keys()
    }

    /// Returns the keys for subscription tokens, if they have their own.
    pub fn subscription_keys(&self) -> Option<TokenKeys<'_>> {
        let keys = self.subscription_token.keys();
        keys.has_key().then_some(keys)
    }

    /// Returns whether a topic has the prefix of private topics. In the open mode, no topic is
    /// private.
    pub fn is_private(&self, topic: &str) -> bool {
        let prefix = self.private_prefix.as_str();
        !prefix.is_empty() && topic.starts_with(prefix) && self.mode() == AuthMode::Enforced
    }

    /// Returns `topic` without the prefix of private topics. The namespace is in this part.
    pub fn without_private_prefix<'a>(&self, topic: &'a str) -> &'a str {
        if self.is_private(topic) {
            &topic[self.private_prefix.len()..]
        } else {
            topic
        }
    }
}
