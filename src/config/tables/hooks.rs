//! `[hooks]`: the services of the back end that decide about commands of clients. Used by shards
//! and by the service thread.

use std::time::Duration;

use hyper::header::HeaderName;

use crate::config::bounds::Bound::{AtMost, NotZero};
use crate::config::hook::{HookKind, StatusMapping, StatusOutcome};
use crate::config::http_header::StaticHeader;
use crate::config::http_url::HttpUrl;
use crate::config::table::table;
use crate::limits::{HOOK_CONCURRENCY_CEILING, HOOK_TIMEOUT_CEILING};

table! {
    /// Hooks: services of the back end that fanfare asks over HTTP about commands of clients. Each
    /// hook has its own table.
    pub struct HooksConfig at "hooks" {
        /// The maximum time of a call, from the command of the client to the end of the response.
        timeout: Duration as DURATION = Duration::from_secs(1), Live,
            NotZero("no call could end in time"), AtMost(HOOK_TIMEOUT_CEILING);
        /// The maximum number of requests that are under way to one hook. Further calls wait. The
        /// server reserves a file descriptor for each of them when it starts. All hooks together
        /// get at most a quarter of the descriptors.
        max_concurrent: usize as COUNT = 256, Live,
            NotZero("no hook could be called"), AtMost(HOOK_CONCURRENCY_CEILING);
        /// The names of the headers of a client's handshake that the requests have too, such as
        /// `cookie`. They replace headers of `hooks.static_headers`.
        http_headers: Vec<HeaderName> as HEADER_NAMES = Vec::new(), Live;
        /// Headers of all requests, as `Name: value`.
        static_headers: Vec<StaticHeader> as STATIC_HEADERS = Vec::new(), Live;
        /// The outcome for the client if a hook responds with a certain status, as `404 error 1404
        /// not found`, `503 temporary_error 1503 try later` or `403 disconnect 4503 forbidden`. All
        /// other statuses than 200 count as failures of the hook.
        status_to_code: Vec<StatusMapping> as STATUS_MAPPINGS = Vec::new(), Live;
        table connect: ConnectHookConfig;
        table refresh: RefreshHookConfig;
        table subscribe: SubscribeHookConfig;
        table sub_refresh: SubRefreshHookConfig;
        table publish: PublishHookConfig;
        table rpc: RpcHookConfig;
    }
}

/// Declares the table of one hook.
macro_rules! hook_table {
    ($(#[doc = $about:literal])+ $Table:ident at $section:literal) => {
        table! {
            $(#[doc = $about])+
            pub struct $Table at $section {
                /// The URL, with `http://` or `https://`. Empty: the hook is off.
                endpoint: Option<HttpUrl> as HTTP_URL = None, Live;
                /// Like `hooks.timeout`, for this hook. `0`: the value of `hooks.timeout`.
                timeout: Duration as DURATION = Duration::ZERO, Live,
                    AtMost(HOOK_TIMEOUT_CEILING);
            }
        }
    };
}

hook_table! {
    /// Asked when a client connects without a token. It decides who the client is.
    ConnectHookConfig at "hooks.connect"
}

hook_table! {
    /// Asked before a connection expires that the connect hook has accepted.
    RefreshHookConfig at "hooks.refresh"
}

hook_table! {
    /// Asked when a client subscribes without a token to a topic of a namespace with
    /// `subscribe_hook`.
    SubscribeHookConfig at "hooks.subscribe"
}

hook_table! {
    /// Asked before a subscription expires, in namespaces with `sub_refresh_hook`.
    SubRefreshHookConfig at "hooks.sub_refresh"
}

hook_table! {
    /// Asked when a client publishes to a topic of a namespace with `publish_hook`.
    PublishHookConfig at "hooks.publish"
}

hook_table! {
    /// Asked for the answer to an `rpc` command of a client.
    RpcHookConfig at "hooks.rpc"
}

/// A hook that is configured.
#[derive(Clone, Copy, Debug)]
pub struct Hook<'a> {
    pub endpoint: &'a HttpUrl,
    pub timeout: Duration,
}

impl HooksConfig {
    /// Returns a hook, unless it is off.
    pub fn get(&self, kind: HookKind) -> Option<Hook<'_>> {
        let (endpoint, timeout) = match kind {
            HookKind::Connect => (&self.connect.endpoint, self.connect.timeout),
            HookKind::Refresh => (&self.refresh.endpoint, self.refresh.timeout),
            HookKind::Subscribe => (&self.subscribe.endpoint, self.subscribe.timeout),
            HookKind::SubRefresh => (&self.sub_refresh.endpoint, self.sub_refresh.timeout),
            HookKind::Publish => (&self.publish.endpoint, self.publish.timeout),
            HookKind::Rpc => (&self.rpc.endpoint, self.rpc.timeout),
        };
        let timeout = if timeout.is_zero() {
            self.timeout
        } else {
            timeout
        };
        let endpoint = endpoint.as_ref()?;
        Some(Hook { endpoint, timeout })
    }

    /// Returns the maximum number of requests that are under way to all hooks.
    pub fn requests(&self) -> u64 {
        let hooks = HookKind::ALL.into_iter();
        let hooks = hooks.filter(|kind| self.get(*kind).is_some()).count();
        (hooks * self.max_concurrent) as u64
    }

    /// Returns what a client receives for this status of a response, if it is configured.
    pub fn outcome_of(&self, status: u16) -> Option<&StatusOutcome> {
        let mut mappings = self.status_to_code.iter();
        let found = mappings.find(|mapping| mapping.status == status);
        found.map(|mapping| &mapping.outcome)
    }
}
