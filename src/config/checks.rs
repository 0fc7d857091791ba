//! Checks of a whole configuration: bounds of values, and values that conflict. Used on
//! the main thread at start and on the control thread at a reload.

use super::configuration::Config;
use super::contradiction::Contradiction;
use super::hook::HookKind;
use super::listeners;
use super::publish_rule::PublishRule;
use super::registry::{self, NAMESPACE_KEYS};
use super::tables::{
    AdminConfig, AuthConfig, AuthMode, CpuConfig, IngestConfig, Namespace, ScaleConfig,
};
use super::units;
use crate::limits;

/// Returns the values that are out of their bounds.
pub(super) fn check_bounds(config: &Config) -> Vec<Contradiction> {
    let checks = registry::keys().map(|key| (key.check)(config));
    let namespaces = config.namespaces.iter();
    let in_namespaces = namespaces.flat_map(|namespace| {
        let keys = NAMESPACE_KEYS.iter();
        keys.map(|key| (key.check)(namespace))
    });
    checks
        .chain(in_namespaces)
        .filter_map(Result::err)
        .collect()
}

/// Returns the values that conflict with each other or with the host. `allowed_cores` are the cores
/// that the process may use, or empty if they are not known.
pub(super) fn check_together(config: &Config, allowed_cores: &[usize]) -> Vec<Contradiction> {
    let checks = [
        check_pong_timeout(config),
        check_outbox(config),
        check_scrape_token(&config.admin),
        check_auth(&config.auth),
        check_open(config),
        check_publishers(&config.ingest),
        check_personal_channel(&config.auth, &config.namespaces),
        check_cores(&config.cpu, allowed_cores),
    ];
    let checks = checks.into_iter().filter_map(Result::err);
    checks
        .chain(listeners::check(config))
        .chain(check_scale(&config.scale))
        .chain(check_namespaces(&config.namespaces))
        .chain(check_hooks(config))
        .collect()
}

fn check_pong_timeout(config: &Config) -> Result<(), Contradiction> {
    let ws = &config.ws;
    if ws.pong_timeout < ws.ping {
        return Ok(());
    }
    Err(Contradiction::PongAfterPing {
        pong_timeout: units::show_duration(ws.pong_timeout),
        ping: units::show_duration(ws.ping),
    })
}

fn check_outbox(config: &Config) -> Result<(), Contradiction> {
    let (outbox, max_payload) = (config.ws.outbox, config.ingest.max_payload);
    if outbox >= max_payload {
        return Ok(());
    }
    Err(Contradiction::OutboxBelowPayload {
        outbox: units::show_size(outbox),
        max_payload: units::show_size(max_payload),
    })
}

fn check_scrape_token(admin: &AdminConfig) -> Result<(), Contradiction> {
    let Some(scrape) = &admin.scrape_token else {
        return Ok(());
    };
    let fault = match &admin.token {
        None => "is set without admin.token, so everything else needs no token",
        Some(token) if token == scrape => "is the same as admin.token",
        Some(_) => return Ok(()),
    };
    Err(Contradiction::ScrapeToken { fault })
}

pub(super) fn check_auth(auth: &AuthConfig) -> Result<(), Contradiction> {
    let has_hook = auth.hooks.get(HookKind::Connect).is_some();
    let has_key = auth.connection_keys().has_key();
    if has_hook || has_key || auth.allow_anonymous || auth.mode() == AuthMode::Open {
        return Ok(());
    }
    Err(Contradiction::AuthWithoutKey {
        keys: registry::names_in("auth"),
    })
}

/// Checks that clients of other hosts are authenticated, or that the operator has chosen that they
/// are not.
pub(super) fn check_open(config: &Config) -> Result<(), Contradiction> {
    let is_chosen = config.auth.mode() == AuthMode::Enforced || config.auth.insecure;
    if is_chosen || !listeners::is_reachable_from_other_hosts(config.ws.listen) {
        return Ok(());
    }
    let mut keys = vec!["ws.listen"];
    keys.extend(registry::names_in("auth"));
    Err(Contradiction::OpenToOtherHosts {
        address: config.ws.listen.to_string(),
        keys,
    })
}

/// Checks that every user with permissions can authenticate.
fn check_publishers(ingest: &IngestConfig) -> Result<(), Contradiction> {
    let is_known = |user: &str| ingest.plain.iter().any(|pair| pair.user() == user);
    let mut users = ingest.publish_allow.iter().filter_map(PublishRule::user);
    match users.find(|user| !is_known(user)) {
        None => Ok(()),
        Some(user) => Err(Contradiction::UnknownPublisher { user: user.into() }),
    }
}

/// Checks that personal channels name their users, so that only those may subscribe, and that their
/// namespace is configured. Otherwise, they would have the rules of the namespace `""`.
fn check_personal_channel(
    auth: &AuthConfig,
    namespaces: &[Namespace],
) -> Result<(), Contradiction> {
    if auth.personal_channel && auth.user_boundary.is_empty() {
        return Err(Contradiction::PersonalBoundary);
    }
    let name = &auth.personal_channel_namespace;
    if name.is_empty() || namespaces.iter().any(|each| each.name == *name) {
        return Ok(());
    }
    Err(Contradiction::PersonalNamespace { name: name.clone() })
}

fn check_cores(cpu: &CpuConfig, allowed: &[usize]) -> Result<(), Contradiction> {
    for (index, core) in cpu.cores.iter().enumerate() {
        if cpu.cores[..index].contains(core) {
            return Err(Contradiction::CoreTwice { core: *core });
        }
        if !allowed.is_empty() && !allowed.contains(core) {
            let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
            return Err(Contradiction::CoreNotAllowed {
                core: *core,
                allowed: allowed.join(", "),
            });
        }
    }
    let usable = if cpu.cores.is_empty() {
        allowed.len()
    } else {
        cpu.cores.len()
    };
    match cpu.shards {
        Some(shards) if usable > 0 && shards > usable => Err(Contradiction::MoreShardsThanCores {
            shards,
            cores: usable,
        }),
        _ => Ok(()),
    }
}

fn check_scale(scale: &ScaleConfig) -> Vec<Contradiction> {
    let in_below = ("scale.in_below", scale.in_below);
    let out_above = ("scale.out_above", scale.out_above);
    let urgent_above = ("scale.urgent_above", scale.urgent_above);
    let orders = [
        (
            in_below,
            out_above,
            "fanfare advises adding and removing nodes at the same load",
        ),
        (
            out_above,
            urgent_above,
            "the load exceeds the urgent level before the normal level",
        ),
    ];
    let wrong = orders
        .into_iter()
        .filter(|((_, low), (_, high), _)| low >= high);
    let wrong = wrong.map(
        |((lower, low), (upper, high), consequence)| Contradiction::Disorder {
            lower,
            low,
            upper,
            high,
            consequence,
        },
    );
    wrong.collect()
}

fn check_namespaces(namespaces: &[Namespace]) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for (index, namespace) in namespaces.iter().enumerate() {
        let name = namespace.name.clone();
        if namespaces[..index].iter().any(|other| other.name == name) {
            found.push(Contradiction::NamespaceTwice { name });
        } else if let Some(fault) = fault_of_name(&name) {
            found.push(Contradiction::NamespaceName { name, fault });
        }
    }
    found
}

/// Returns the hooks that namespaces use although they are off.
fn check_hooks(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    for namespace in &config.namespaces {
        let uses = [
            (
                namespace.subscribe_hook,
                "subscribe_hook",
                HookKind::Subscribe,
            ),
            (namespace.publish_hook, "publish_hook", HookKind::Publish),
            (
                namespace.sub_refresh_hook,
                "sub_refresh_hook",
                HookKind::SubRefresh,
            ),
        ];
        for (is_used, flag, kind) in uses {
            if is_used && config.auth.hooks.get(kind).is_none() {
                found.push(Contradiction::NoEndpoint {
                    name: namespace.name.clone(),
                    flag,
                    endpoint: endpoint_key(kind),
                });
            }
        }
    }
    found
}

fn endpoint_key(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Connect => "hooks.connect.endpoint",
        HookKind::Refresh => "hooks.refresh.endpoint",
        HookKind::Subscribe => "hooks.subscribe.endpoint",
        HookKind::SubRefresh => "hooks.sub_refresh.endpoint",
        HookKind::Publish => "hooks.publish.endpoint",
        HookKind::Rpc => "hooks.rpc.endpoint",
    }
}

/// Returns the reason why topics cannot have this namespace, or `None` if they can.
fn fault_of_name(name: &str) -> Option<&'static str> {
    if name.contains(':') {
        Some("contains `:`, which ends the name of a namespace in a topic")
    } else if name.chars().any(char::is_control) {
        Some("contains a control character, which no topic may contain")
    } else if name.len() >= limits::TOPIC_BYTES {
        Some("is longer than a topic may be")
    } else {
        None
    }
}
