//! Checks of a whole configuration: bounds of values, and values that conflict. Used on
//! the main thread at start and on the control thread at a reload.

use super::configuration::Config;
use super::contradiction::Contradiction;
use super::listeners;
use super::registry::{self, NAMESPACE_KEYS};
use super::tables::{CpuConfig, Namespace, ScaleConfig};
use super::units;
use crate::limits;

/// Returns an error if the configuration has values that cannot be used, alone or together.
/// `allowed_cores` are the cores that the process may use, or empty if they are not known.
pub(super) fn check(config: &Config, allowed_cores: &[usize]) -> Result<(), Contradiction> {
    for key in registry::keys() {
        (key.check)(config)?;
    }
    check_pong_timeout(config)?;
    check_outbox(config)?;
    listeners::check(config)?;
    check_cores(&config.cpu, allowed_cores)?;
    check_scale(&config.scale)?;
    check_namespaces(&config.namespaces)
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

fn check_scale(scale: &ScaleConfig) -> Result<(), Contradiction> {
    let in_below = ("scale.in_below", scale.in_below);
    let out_above = ("scale.out_above", scale.out_above);
    let urgent_above = ("scale.urgent_above", scale.urgent_above);
    for ((lower, low), (upper, high), consequence) in [
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
    ] {
        if low >= high {
            return Err(Contradiction::Disorder {
                lower,
                low,
                upper,
                high,
                consequence,
            });
        }
    }
    Ok(())
}

fn check_namespaces(namespaces: &[Namespace]) -> Result<(), Contradiction> {
    for (index, namespace) in namespaces.iter().enumerate() {
        let name = namespace.name.clone();
        if namespaces[..index].iter().any(|other| other.name == name) {
            return Err(Contradiction::NamespaceTwice { name });
        }
        if let Some(fault) = fault_of_name(&name) {
            return Err(Contradiction::NamespaceName { name, fault });
        }
        for key in NAMESPACE_KEYS {
            (key.check)(namespace)?;
        }
    }
    Ok(())
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
