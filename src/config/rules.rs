//! Contradictions: configurations whose every value reads well and that still cannot work. Pure;
//! the cores of the host are an argument.

use std::time::Duration;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

use super::place::Place;
use super::{Config, units};
use crate::limits;

/// Two keys, or a key and the host, that cannot both hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("{key} is 0: {why}")]
    Zero {
        key: &'static str,
        why: &'static str,
    },
    #[error("{key} is {value}, above its ceiling of {ceiling}")]
    Ceiling {
        key: &'static str,
        value: String,
        ceiling: String,
    },
    #[error(
        "ws.pong_timeout ({pong_timeout}) is not shorter than ws.ping ({ping}): the next ping would \
         be due while the last is still awaited"
    )]
    PongAfterPing { pong_timeout: String, ping: String },
    #[error(
        "ws.outbox ({outbox}) is smaller than ingest.max_payload ({max_payload}): a publication of \
         that size could never be delivered"
    )]
    OutboxBelowPayload { outbox: String, max_payload: String },
    #[error("ws.origins: `{origin}` {fault}")]
    Origin { origin: String, fault: &'static str },
    #[error("{key}: `{endpoint}` {fault}")]
    Endpoint {
        key: &'static str,
        endpoint: String,
        fault: &'static str,
    },
    #[error("{first} and {second} both listen on {address}")]
    SameAddress {
        first: &'static str,
        second: &'static str,
        address: String,
    },
    #[error("{lower} ({low}%) is not below {upper} ({high}%): advice would contradict itself")]
    Disorder {
        lower: &'static str,
        low: u32,
        upper: &'static str,
        high: u32,
    },
    #[error("ingest.plain: entry {entry} {fault}")]
    Plain { entry: usize, fault: &'static str },
    #[error("admin.token {fault}")]
    Token { fault: &'static str },
    #[error("cpu.cores: core {core} is not one this process may use ({allowed})")]
    CoreNotAllowed { core: usize, allowed: String },
    #[error("cpu.cores names core {core} twice")]
    CoreTwice { core: usize },
    #[error("cpu.shards is {shards}, but there are only {cores} cores to pin them to")]
    MoreShardsThanCores { shards: usize, cores: usize },
    #[error("log.level: `{level}`: {fault}")]
    LogLevel { level: String, fault: String },
    #[error("{key} {fault}")]
    Statsd {
        key: &'static str,
        fault: &'static str,
    },
    #[error("namespace `{name}` is given twice")]
    NamespaceTwice { name: String },
    #[error("namespace `{name}` {fault}", name = name.escape_debug())]
    NamespaceName { name: String, fault: &'static str },
}

pub(super) type Checked = Result<(), Contradiction>;

impl Config {
    /// Refuses what cannot work. `allowed_cores`: what the process may run on; empty: unknown.
    pub fn check(&self, allowed_cores: &[usize]) -> Checked {
        self.check_bounds()?;
        self.check_times()?;
        self.check_origins()?;
        self.check_addresses()?;
        self.check_secrets()?;
        self.check_cores(allowed_cores)?;
        self.load.check()?;
        self.scale.check()?;
        check_level(&self.log.level)?;
        self.statsd.check()?;
        self.check_namespaces()
    }

    fn check_bounds(&self) -> Checked {
        let (ws, ingest) = (&self.ws, &self.ingest);
        let nothing = "nothing could pass";
        zero("ws.max_message", ws.max_message == 0, nothing)?;
        zero("ws.max_topics", ws.max_topics == 0, nothing)?;
        zero("ws.max_connections", ws.max_connections == Some(0), nothing)?;
        zero("ws.max_command_rate", ws.max_command_rate == 0, nothing)?;
        zero("ingest.max_payload", ingest.max_payload == 0, nothing)?;
        let unbounded = "to libzmq that means without bound";
        zero(
            "ingest.high_water_mark",
            ingest.high_water_mark == 0,
            unbounded,
        )?;
        size(
            "ws.max_message",
            ws.max_message,
            limits::MESSAGE_CEILING_BYTES,
        )?;
        size(
            "ingest.max_payload",
            ingest.max_payload,
            limits::PAYLOAD_CEILING_BYTES,
        )?;
        size("ws.outbox", ws.outbox, limits::OUTBOX_CEILING_BYTES)?;
        size("ws.batch", ws.batch, limits::BATCH_FRAME_CEILING_BYTES)?;
        if i32::try_from(ingest.high_water_mark).is_err() {
            let (value, ceiling) = (ingest.high_water_mark.to_string(), i32::MAX.to_string());
            return Err(Contradiction::Ceiling {
                key: "ingest.high_water_mark",
                value,
                ceiling,
            });
        }
        if ws.outbox < ingest.max_payload {
            return Err(Contradiction::OutboxBelowPayload {
                outbox: units::show_size(ws.outbox),
                max_payload: units::show_size(ingest.max_payload),
            });
        }
        Ok(())
    }

    fn check_times(&self) -> Checked {
        let ws = &self.ws;
        for (key, value) in [
            ("ws.ping", ws.ping),
            ("ws.pong_timeout", ws.pong_timeout),
            ("ws.handshake_timeout", ws.handshake_timeout),
        ] {
            zero(
                key,
                value.is_zero(),
                "a silent peer could never be told from a live one",
            )?;
            time(key, value)?;
        }
        time("drain.period", self.drain.period)?;
        time("drain.dwell", self.drain.dwell)?;
        time("statsd.interval", self.statsd.interval)?;
        if ws.pong_timeout >= ws.ping {
            return Err(Contradiction::PongAfterPing {
                pong_timeout: units::show_duration(ws.pong_timeout),
                ping: units::show_duration(ws.ping),
            });
        }
        Ok(())
    }

    fn check_origins(&self) -> Checked {
        let origins = &self.ws.origins;
        for origin in origins {
            if matches!(origin.as_str(), "*" | "null") {
                if origin == "*" && origins.len() > 1 {
                    let fault = "allows any, so the others mean nothing";
                    return Err(Contradiction::Origin {
                        origin: origin.clone(),
                        fault,
                    });
                }
                continue;
            }
            let host = origin.split_once("://").map(|(_, host)| host);
            let fault = match host.map(|host| host.strip_prefix("*.").unwrap_or(host)) {
                None => "has no scheme; write it as https://example.com",
                Some("") => "has no host",
                Some(host) if host.contains(['/', '?', '#', '@']) => {
                    "has more than a host and port"
                }
                Some(host) if host.contains('*') => "may have `*.` only in front of its host",
                Some(_) => continue,
            };
            return Err(Contradiction::Origin {
                origin: origin.clone(),
                fault,
            });
        }
        Ok(())
    }

    fn check_addresses(&self) -> Checked {
        let mut taken = vec![("ws.listen", Place::of(self.ws.listen))];
        for (key, listen) in [
            ("admin.listen", self.admin.listen),
            ("agent.listen", self.agent.listen),
        ] {
            taken.extend(listen.map(|address| (key, Place::of(address))));
        }
        let ingest = &self.ingest;
        for (key, endpoints) in [
            ("ingest.pull", &ingest.pull),
            ("ingest.sub", &ingest.sub),
            ("ingest.router", &ingest.router),
        ] {
            for endpoint in endpoints {
                let fault = |fault| Contradiction::Endpoint {
                    key,
                    endpoint: endpoint.clone(),
                    fault,
                };
                taken.push((key, Place::parse(endpoint).map_err(fault)?));
            }
        }
        for (index, (second, place)) in taken.iter().enumerate() {
            if let Some((first, _)) = taken[..index].iter().find(|(_, other)| other.meets(place)) {
                let address = place.name.clone();
                return Err(Contradiction::SameAddress {
                    first,
                    second,
                    address,
                });
            }
        }
        Ok(())
    }

    fn check_secrets(&self) -> Checked {
        let pairs = &self.ingest.plain;
        for (index, pair) in pairs.iter().enumerate() {
            let user = pair.split(':').next().unwrap_or_default();
            let same = |other: &String| other.split(':').next() == Some(user);
            let fault = if !pair.contains(':') {
                "has no `:` between user and password"
            } else if user.is_empty() {
                "has an empty user"
            } else if pair.len() > limits::PLAIN_PAIR_BYTES {
                "is too long for ZeroMQ PLAIN"
            } else if pairs[..index].iter().any(same) {
                "names a user that an earlier entry names"
            } else {
                continue;
            };
            return Err(Contradiction::Plain {
                entry: index + 1,
                fault,
            });
        }
        match self.admin.token.as_deref() {
            Some("") => Err(Contradiction::Token { fault: "is empty" }),
            Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(Contradiction::Token {
                    fault: "has characters that no HTTP header can carry",
                })
            }
            _ => Ok(()),
        }
    }

    fn check_cores(&self, allowed: &[usize]) -> Checked {
        let cores = &self.cpu.cores;
        for (index, core) in cores.iter().enumerate() {
            if cores[..index].contains(core) {
                return Err(Contradiction::CoreTwice { core: *core });
            }
            if !allowed.is_empty() && !allowed.contains(core) {
                let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
                let allowed = allowed.join(", ");
                return Err(Contradiction::CoreNotAllowed {
                    core: *core,
                    allowed,
                });
            }
        }
        let usable = if cores.is_empty() {
            allowed.len()
        } else {
            cores.len()
        };
        match self.cpu.shards {
            Some(0) => zero(
                "cpu.shards",
                true,
                "there would be no one to serve a connection",
            ),
            Some(shards) if usable > 0 && shards > usable => {
                Err(Contradiction::MoreShardsThanCores {
                    shards,
                    cores: usable,
                })
            }
            _ => Ok(()),
        }
    }

    fn check_namespaces(&self) -> Checked {
        for (index, namespace) in self.namespaces.iter().enumerate() {
            let name = namespace.name.clone();
            if self.namespaces[..index]
                .iter()
                .any(|other| other.name == name)
            {
                return Err(Contradiction::NamespaceTwice { name });
            }
            let fault = if name.contains(':') {
                "has a `:`, which ends a namespace's name"
            } else if name.chars().any(char::is_control) {
                "has a control character, which no topic may hold"
            } else if name.len() >= limits::TOPIC_BYTES {
                "is longer than a topic may be"
            } else {
                continue;
            };
            return Err(Contradiction::NamespaceName { name, fault });
        }
        Ok(())
    }
}

/// Whether `level` is a filter that `tracing` takes. A lone word has to be a level: as a filter
/// it would be taken for the name of a module, and a slip would log everything of nothing.
fn check_level(level: &str) -> Checked {
    let fault = |fault: String| Contradiction::LogLevel {
        level: level.into(),
        fault,
    };
    for directive in level.split(',').map(str::trim) {
        let is_level = !directive.is_empty() && directive.parse::<LevelFilter>().is_ok();
        if !directive.contains(['=', '[', ':']) && !is_level {
            return Err(fault(format!("`{directive}` is not a level")));
        }
    }
    let parsed = EnvFilter::builder().parse(level);
    parsed.map(drop).map_err(|error| fault(error.to_string()))
}

pub(super) fn zero(key: &'static str, is_zero: bool, why: &'static str) -> Checked {
    if is_zero {
        Err(Contradiction::Zero { key, why })
    } else {
        Ok(())
    }
}

fn size(key: &'static str, value: usize, ceiling: usize) -> Checked {
    if value <= ceiling {
        return Ok(());
    }
    let (value, ceiling) = (units::show_size(value), units::show_size(ceiling));
    Err(Contradiction::Ceiling {
        key,
        value,
        ceiling,
    })
}

pub(super) fn time(key: &'static str, value: Duration) -> Checked {
    if value <= limits::TIMEOUT_CEILING {
        return Ok(());
    }
    let ceiling = units::show_duration(limits::TIMEOUT_CEILING);
    Err(Contradiction::Ceiling {
        key,
        value: units::show_duration(value),
        ceiling,
    })
}
