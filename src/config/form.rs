//! The forms a configuration value may take: how each is read, shown and named. A file gives typed
//! values, the environment and the command line give text; both arrive here as [`Raw`].

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::{DeTable, DeValue};

use super::{ApplePolicy, LogFormat, PayloadKind, SlowPolicy, statsd, units};
use crate::limits;

/// A value as it was given, before its key says what it has to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Self>),
    /// Something no key takes, by its TOML name.
    Other(&'static str),
}

/// One kind of value: its name in the documentation, and how it is read and shown.
pub(super) struct Form<T> {
    pub(super) words: &'static str,
    pub(super) read: fn(&Raw) -> Result<T, String>,
    pub(super) show: fn(&T) -> String,
}

pub(super) const DURATION: Form<Duration> = Form {
    words: "duration",
    read: |raw| {
        let read = raw.text().and_then(|text| units::duration(&text));
        read.ok_or_else(|| raw.not("a duration such as 25s, 500ms, 2m or 1h"))
    },
    show: |value| units::show_duration(*value),
};

pub(super) const SIZE: Form<usize> = Form {
    words: "size",
    read: |raw| {
        let read = raw.text().and_then(|text| units::size(&text));
        read.ok_or_else(|| raw.not("a size such as 65536, 64KiB or 1MiB"))
    },
    show: |value| units::show_size(*value),
};

pub(super) const SIZE_OR_OFF: Form<Option<usize>> = Form {
    words: "size or `off`",
    read: |raw| match raw {
        Raw::Bool(false) => Ok(None),
        Raw::Text(text) if text == "off" => Ok(None),
        other => (SIZE.read)(other).map(Some),
    },
    show: |value| value.map_or_else(|| "off".into(), units::show_size),
};

pub(super) const SIZE_OR_AUTO: Form<Option<usize>> = Form {
    words: "size or `auto`",
    read: |raw| match raw {
        Raw::Text(text) if text == "auto" => Ok(None),
        other => (SIZE.read)(other).map(Some),
    },
    show: |value| value.map_or_else(|| "auto".into(), units::show_size),
};

pub(super) const PERCENT: Form<u32> = Form {
    words: "percentage",
    read: |raw| {
        let read = raw.text().and_then(|text| units::percent(&text));
        read.ok_or_else(|| raw.not("a percentage such as 70%"))
    },
    show: |value| format!("{value}%"),
};

pub(super) const COUNT: Form<usize> = Form {
    words: "number",
    read: |raw| raw.number(),
    show: ToString::to_string,
};

pub(super) const COUNT_U32: Form<u32> = Form {
    words: "number",
    read: |raw| raw.number(),
    show: ToString::to_string,
};

pub(super) const COUNT_OR_AUTO: Form<Option<usize>> = Form {
    words: "number or `auto`",
    read: |raw| match raw {
        Raw::Text(text) if text == "auto" => Ok(None),
        other => other.number().map(Some),
    },
    show: |value| value.map_or_else(|| "auto".into(), |count| count.to_string()),
};

pub(super) const LEVEL: Form<u8> = Form {
    words: "1 to 12",
    read: |raw| {
        let read = raw.number().ok();
        let level = read.filter(|level| limits::DEFLATE_LEVELS.contains(level));
        level.ok_or_else(|| raw.not("a level from 1 (fastest) to 12 (smallest)"))
    },
    show: ToString::to_string,
};

pub(super) const SWITCH: Form<bool> = Form {
    words: "true or false",
    read: |raw| match raw {
        Raw::Bool(value) => Ok(*value),
        Raw::Text(text) if text == "true" => Ok(true),
        Raw::Text(text) if text == "false" => Ok(false),
        other => Err(other.not("true or false")),
    },
    show: ToString::to_string,
};

pub(super) const ADDRESS: Form<SocketAddr> = Form {
    words: "address",
    read: |raw| {
        let read = raw.text().and_then(|text| text.parse().ok());
        read.ok_or_else(|| raw.not("an address such as 0.0.0.0:8000 or [::]:8000"))
    },
    show: ToString::to_string,
};

pub(super) const ADDRESS_OR_OFF: Form<Option<SocketAddr>> = Form {
    words: "address or `off`",
    read: |raw| match raw {
        Raw::Bool(false) => Ok(None),
        Raw::Text(text) if text == "off" => Ok(None),
        other => match other.text().and_then(|text| text.parse().ok()) {
            Some(address) => Ok(Some(address)),
            None => Err(other.not("an address such as 127.0.0.1:8001, or off")),
        },
    },
    show: |value| value.map_or_else(|| "off".into(), |address| address.to_string()),
};

/// Where datagrams go: unlike what listens, it may be a name.
pub(super) const HOST_OR_OFF: Form<Option<String>> = Form {
    words: "`host:port` or `off`",
    read: |raw| match raw {
        Raw::Bool(false) => Ok(None),
        Raw::Text(text) if text == "off" => Ok(None),
        Raw::Text(text) if statsd::is_host_and_port(text) => Ok(Some(text.clone())),
        other => Err(other.not("a host and port such as 127.0.0.1:8125, or off")),
    },
    show: |value| value.clone().unwrap_or_else(|| "off".into()),
};

pub(super) const TEXT: Form<String> = Form {
    words: "text",
    read: Raw::word,
    show: Clone::clone,
};

/// Shown as three stars: it goes to terminals and logs.
pub(super) const SECRET: Form<Option<String>> = Form {
    words: "text",
    read: |raw| raw.word().map(Some),
    show: |value| {
        value
            .as_ref()
            .map_or_else(|| "none".into(), |_| "***".into())
    },
};

pub(super) const TEXTS: Form<Vec<String>> = Form {
    words: "list of text",
    read: |raw| raw.list()?.iter().map(Raw::word).collect(),
    show: |value| list(value, Clone::clone),
};

/// `user:password`, shown without the password.
pub(super) const PASSWORDS: Form<Vec<String>> = Form {
    words: "list of `user:password`",
    read: |raw| raw.list()?.iter().map(Raw::word).collect(),
    show: |value| {
        list(value, |pair| {
            format!("{}:***", pair.split(':').next().unwrap_or(""))
        })
    },
};

pub(super) const NETWORKS: Form<Vec<IpNet>> = Form {
    words: "list of networks",
    read: |raw| raw.list()?.iter().map(network).collect(),
    show: |value| list(value, ToString::to_string),
};

pub(super) const CORES: Form<Vec<usize>> = Form {
    words: "list of cores",
    read: |raw| {
        let items = raw.list()?;
        let ranges: Result<Vec<_>, _> = items.iter().map(cores).collect();
        Ok(ranges?.concat())
    },
    show: |value| list(value, ToString::to_string),
};

pub(super) const MODE: Form<u32> = Form {
    words: "file mode",
    read: |raw| {
        let read = match raw {
            Raw::Text(text) => u32::from_str_radix(text, 8).ok(),
            Raw::Integer(mode) => u32::try_from(*mode).ok(),
            _ => None,
        };
        let valid = read.filter(|mode| *mode <= 0o777);
        valid.ok_or_else(|| raw.not("an octal file mode such as \"0600\""))
    },
    show: |value| format!("0{value:o}"),
};

pub(super) const SLOW: Form<SlowPolicy> = Form {
    words: "`disconnect`, `drop_oldest` or `conflate`",
    read: |raw| {
        raw.choice(&[
            ("disconnect", SlowPolicy::Disconnect),
            ("drop_oldest", SlowPolicy::DropOldest),
            ("conflate", SlowPolicy::Conflate),
        ])
    },
    show: |value| {
        match value {
            SlowPolicy::Disconnect => "disconnect",
            SlowPolicy::DropOldest => "drop_oldest",
            SlowPolicy::Conflate => "conflate",
        }
        .into()
    },
};

pub(super) const PAYLOAD: Form<PayloadKind> = Form {
    words: "`json`, `text` or `binary`",
    read: |raw| {
        raw.choice(&[
            ("json", PayloadKind::Json),
            ("text", PayloadKind::Text),
            ("binary", PayloadKind::Binary),
        ])
    },
    show: |value| {
        match value {
            PayloadKind::Json => "json",
            PayloadKind::Text => "text",
            PayloadKind::Binary => "binary",
        }
        .into()
    },
};

pub(super) const LOG_FORMAT: Form<LogFormat> = Form {
    words: "`human` or `json`",
    read: |raw| raw.choice(&[("human", LogFormat::Human), ("json", LogFormat::Json)]),
    show: |value| match value {
        LogFormat::Human => "human".into(),
        LogFormat::Json => "json".into(),
    },
};

pub(super) const APPLE: Form<ApplePolicy> = Form {
    words: "`decline` or `on`",
    read: |raw| raw.choice(&[("decline", ApplePolicy::Decline), ("on", ApplePolicy::On)]),
    show: |value| match value {
        ApplePolicy::Decline => "decline".into(),
        ApplePolicy::On => "on".into(),
    },
};

impl Raw {
    /// A value of a parsed TOML document.
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Self::Other("an integer beyond 64 bits"), Self::Integer),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item.get_ref()))
                    .collect(),
            ),
            DeValue::Float(_) => Self::Other("a float"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// Text from the environment or the command line. What starts with `[` is a TOML array, for
    /// items that hold a comma.
    pub(super) fn from_text(text: &str) -> Self {
        if text.starts_with('[') {
            let document = format!("value = {text}");
            if let Ok(table) = DeTable::parse(&document)
                && let Some(array @ DeValue::Array(_)) =
                    table.get_ref().get("value").map(toml::Spanned::get_ref)
            {
                return Self::from_toml(array);
            }
        }
        Self::Text(text.into())
    }

    /// The value as one word of text; numbers are words too.
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(super) fn word(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            other => Err(other.not("text")),
        }
    }

    fn number<T: std::str::FromStr>(&self) -> Result<T, String> {
        let read = self.text().and_then(|text| text.parse().ok());
        read.ok_or_else(|| self.not("a whole number"))
    }

    /// A list; text is a comma-separated one, and a single value is a list of one.
    fn list(&self) -> Result<Vec<Self>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Text(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Self::Text(item.into()))
                .collect()),
            Self::Integer(_) => Ok(vec![self.clone()]),
            other => Err(other.not("a list")),
        }
    }

    fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, String> {
        let word = self.text();
        let chosen = choices
            .iter()
            .find(|(name, _)| Some(*name) == word.as_deref());
        chosen.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            self.not(&format!("one of {}", names.join(", ")))
        })
    }

    fn not(&self, wanted: &str) -> String {
        let found = match self {
            Self::Text(text) => format!("`{text}`"),
            Self::Integer(number) => format!("`{number}`"),
            Self::Bool(value) => format!("`{value}`"),
            Self::List(_) => "a list".into(),
            Self::Other(name) => (*name).into(),
        };
        format!("expected {wanted}, found {found}")
    }
}

/// A network; an address alone is a network of one.
fn network(raw: &Raw) -> Result<IpNet, String> {
    let text = raw.word()?;
    let address = || {
        text.parse()
            .ok()
            .map(|address: std::net::IpAddr| IpNet::from(address))
    };
    let network = text.parse().ok().or_else(address);
    network.ok_or_else(|| raw.not("a network such as 10.0.0.0/8 or an IP address"))
}

fn cores(raw: &Raw) -> Result<Vec<usize>, String> {
    let read = raw.text().and_then(|text| units::cores(&text));
    read.ok_or_else(|| raw.not("a core such as 2, or a range such as \"2-5\""))
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    let items: Vec<_> = items
        .iter()
        .map(|item| format!("{:?}", show(item)))
        .collect();
    format!("[{}]", items.join(", "))
}
