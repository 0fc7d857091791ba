//! The configuration: read from TOML, the environment and the command line into typed values.
//! Read on the main thread at start and on the control thread at a reload; shared read-only after
//! that.
//!
//! ```text
//! tables/        one file per table: its struct, defaults and keys, each key in one entry
//! table          the macros that declare a table; bounds of values
//! key, registry  what is known about a key; all keys
//! value/         raw values, and the formats that turn them into typed values
//! source, file   where values come from; draft: values that were set so far
//! port_offset    moves the default ports
//! checks         values that conflict
//! summary, reload, reference, template, listing   derived from the registry
//! ```

mod auth_warnings;
mod bounds;
mod channel_regex;
mod checks;
mod choices;
mod configuration;
mod contradiction;
mod credentials;
mod draft;
mod endpoint;
mod error;
mod file;
mod hook;
mod host_and_port;
mod http_header;
mod http_url;
mod key;
mod layout;
mod listeners;
mod listing;
mod log_filter;
mod origin;
mod port_offset;
mod publish_rule;
mod reference;
mod registry;
mod reload;
mod source;
mod statsd_prefix;
mod summary;
mod table;
mod tables;
mod template;
mod text;
mod token_keys;
mod units;
mod value;

pub use channel_regex::ChannelRegex;
pub use choices::{ApplePolicy, LogFormat, PayloadKind, SlowPolicy};
pub use configuration::Config;
pub use contradiction::Contradiction;
pub use credentials::{ApiKey, BearerToken, PlainCredential};
pub use endpoint::{Endpoint, TcpHost, Transport};
pub use error::{ConfigError, ConfigErrors, ValueSource};
pub use hook::{HookKind, StatusMapping, StatusOutcome};
pub use host_and_port::HostAndPort;
pub use http_header::StaticHeader;
pub use http_url::HttpUrl;
pub use key::{Key, Reload};
pub use layout::Layout;
pub use listing::listing;
pub use log_filter::LogFilter;
pub use origin::{OriginRule, WebOrigin};
pub use publish_rule::PublishRule;
pub use reference::reference;
pub use registry::{ConfigKey, NAMESPACE_KEYS, keys};
pub use reload::{LiveChanges, live_changes};
pub use source::{ConfigSource, FileContent, Reloaded};
pub use statsd_prefix::StatsdPrefix;
pub use tables::{
    AdminConfig, AgentConfig, AuthConfig, AuthMode, AuthTokenConfig, ConnectHookConfig, CpuConfig,
    DeflateConfig, DrainConfig, Hook, HooksConfig, IngestConfig, InstanceConfig, LoadConfig,
    LogConfig, Namespace, PublishHookConfig, RefreshHookConfig, RpcHookConfig, ScaleConfig,
    StatsdConfig, SubRefreshHookConfig, SubscribeHookConfig, SubscriptionTokenConfig, TokenKeys,
    WsConfig,
};
pub use template::template;
pub use token_keys::{HmacSecret, PublicKey, SignatureKey};
pub use units::{duration, share};
