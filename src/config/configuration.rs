//! The whole configuration. Shared read-only by every thread.

use super::key::HasTable;
use super::tables::{
    AdminConfig, AgentConfig, AuthConfig, AuthTokenConfig, ConnectHookConfig, CpuConfig,
    DeflateConfig, DrainConfig, HooksConfig, IngestConfig, InstanceConfig, LoadConfig, LogConfig,
    Namespace, PublishHookConfig, RefreshHookConfig, RpcHookConfig, ScaleConfig, StatsdConfig,
    SubRefreshHookConfig, SubscribeHookConfig, SubscriptionTokenConfig, WsConfig,
};

/// The configuration. [`ConfigSource::load`](super::ConfigSource::load) returns a checked one.
#[derive(Clone, PartialEq)]
pub struct Config {
    pub instance: InstanceConfig,
    pub ws: WsConfig,
    pub auth: AuthConfig,
    pub ingest: IngestConfig,
    pub cpu: CpuConfig,
    pub admin: AdminConfig,
    pub drain: DrainConfig,
    pub agent: AgentConfig,
    pub load: LoadConfig,
    pub scale: ScaleConfig,
    pub log: LogConfig,
    pub statsd: StatsdConfig,
    /// One of them has the name `""`.
    pub namespaces: Vec<Namespace>,
}

impl Default for Config {
    fn default() -> Self {
        let ws = WsConfig::default();
        let namespaces = vec![Namespace::inherited(&ws)];
        Self {
            instance: InstanceConfig::default(),
            ws,
            auth: AuthConfig::default(),
            ingest: IngestConfig::default(),
            cpu: CpuConfig::default(),
            admin: AdminConfig::default(),
            drain: DrainConfig::default(),
            agent: AgentConfig::default(),
            load: LoadConfig::default(),
            scale: ScaleConfig::default(),
            log: LogConfig::default(),
            statsd: StatsdConfig::default(),
            namespaces,
        }
    }
}

impl Config {
    /// Returns the namespace of `topic`, which may have the prefix of private topics. Topics
    /// without a configured namespace have the namespace `""`.
    pub fn namespace(&self, topic: &str) -> &Namespace {
        let topic = self.auth.without_private_prefix(topic);
        let name = topic.split_once(':').map_or("", |(name, _)| name);
        let find = |name: &str| self.namespaces.iter().find(|each| each.name == name);
        find(name)
            .or_else(|| find(""))
            .expect("every configuration has a namespace with the name \"\"")
    }
}

/// Implements access to the struct of each table.
macro_rules! has_tables {
    ($($Table:ty: $($field:ident).+;)+) => {$(
        impl HasTable<$Table> for Config {
            fn table(&self) -> &$Table {
                &self.$($field).+
            }

            fn table_mut(&mut self) -> &mut $Table {
                &mut self.$($field).+
            }
        }
    )+};
}

has_tables! {
    InstanceConfig: instance;
    WsConfig: ws;
    DeflateConfig: ws.deflate;
    AuthConfig: auth;
    AuthTokenConfig: auth.token;
    SubscriptionTokenConfig: auth.subscription_token;
    HooksConfig: auth.hooks;
    ConnectHookConfig: auth.hooks.connect;
    RefreshHookConfig: auth.hooks.refresh;
    SubscribeHookConfig: auth.hooks.subscribe;
    SubRefreshHookConfig: auth.hooks.sub_refresh;
    PublishHookConfig: auth.hooks.publish;
    RpcHookConfig: auth.hooks.rpc;
    IngestConfig: ingest;
    CpuConfig: cpu;
    AdminConfig: admin;
    DrainConfig: drain;
    AgentConfig: agent;
    LoadConfig: load;
    ScaleConfig: scale;
    LogConfig: log;
    StatsdConfig: statsd;
}
