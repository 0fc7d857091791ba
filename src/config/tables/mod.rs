//! The tables of the configuration, one file each. A key is declared by one entry in the file of
//! its table. `instance` has the keys outside of tables.

mod admin;
mod agent;
mod auth;
mod auth_token;
mod cpu;
mod deflate;
mod drain;
mod hooks;
mod ingest;
mod instance;
mod load;
mod log;
mod namespace;
mod scale;
mod statsd;
mod ws;

pub use admin::AdminConfig;
pub use agent::AgentConfig;
pub use auth::{AuthConfig, AuthMode};
pub use auth_token::{AuthTokenConfig, SubscriptionTokenConfig, TokenKeys};
pub use cpu::CpuConfig;
pub use deflate::DeflateConfig;
pub use drain::DrainConfig;
pub use hooks::{
    ConnectHookConfig, Hook, HooksConfig, PublishHookConfig, RefreshHookConfig, RpcHookConfig,
    SubRefreshHookConfig, SubscribeHookConfig,
};
pub use ingest::IngestConfig;
pub use instance::InstanceConfig;
pub use load::LoadConfig;
pub use log::LogConfig;
pub use namespace::Namespace;
pub use scale::ScaleConfig;
pub use statsd::StatsdConfig;
pub use ws::WsConfig;
