//! Formats of booleans and named choices. Used on the main thread at start and on the control
//! thread at a reload.

use super::format::{ValueFormat, Visibility};
use super::raw::RawValue;
use crate::config::choices::{ApplePolicy, LogFormat, PayloadKind, SlowPolicy};

pub(in crate::config) const BOOLEAN: ValueFormat<bool> = ValueFormat {
    name: "true or false",
    visibility: Visibility::Public,
    read: |raw| match raw {
        RawValue::Bool(value) => Ok(*value),
        RawValue::Text(text) if text == "true" => Ok(true),
        RawValue::Text(text) if text == "false" => Ok(false),
        other => Err(other.expected("true or false")),
    },
    show: ToString::to_string,
};

pub(in crate::config) const SLOW_POLICY: ValueFormat<SlowPolicy> = ValueFormat {
    name: "`disconnect`, `drop_oldest` or `conflate`",
    visibility: Visibility::Public,
    read: |raw| raw.choice(SlowPolicy::NAMES),
    show: |value| name_of(*value, SlowPolicy::NAMES),
};

pub(in crate::config) const PAYLOAD_KIND: ValueFormat<PayloadKind> = ValueFormat {
    name: "`json`, `text` or `binary`",
    visibility: Visibility::Public,
    read: |raw| raw.choice(PayloadKind::NAMES),
    show: |value| name_of(*value, PayloadKind::NAMES),
};

pub(in crate::config) const LOG_FORMAT: ValueFormat<LogFormat> = ValueFormat {
    name: "`human` or `json`",
    visibility: Visibility::Public,
    read: |raw| raw.choice(LogFormat::NAMES),
    show: |value| name_of(*value, LogFormat::NAMES),
};

pub(in crate::config) const APPLE_POLICY: ValueFormat<ApplePolicy> = ValueFormat {
    name: "`decline` or `on`",
    visibility: Visibility::Public,
    read: |raw| raw.choice(ApplePolicy::NAMES),
    show: |value| name_of(*value, ApplePolicy::NAMES),
};

fn name_of<T: Copy + PartialEq>(value: T, names: &[(&str, T)]) -> String {
    let name = names.iter().find(|(_, choice)| *choice == value);
    name.map(|(name, _)| (*name).into())
        .expect("every choice has a name, as a test checks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_has_a_name() {
        for policy in [
            SlowPolicy::Disconnect,
            SlowPolicy::DropOldest,
            SlowPolicy::Conflate,
        ] {
            assert!(SLOW_POLICY.name.contains(&(SLOW_POLICY.show)(&policy)));
        }
        for kind in [PayloadKind::Json, PayloadKind::Text, PayloadKind::Binary] {
            assert!(PAYLOAD_KIND.name.contains(&(PAYLOAD_KIND.show)(&kind)));
        }
        for format in [LogFormat::Human, LogFormat::Json] {
            assert!(LOG_FORMAT.name.contains(&(LOG_FORMAT.show)(&format)));
        }
        for policy in [ApplePolicy::Decline, ApplePolicy::On] {
            assert!(APPLE_POLICY.name.contains(&(APPLE_POLICY.show)(&policy)));
        }
    }
}
