//! Formats of numbers, sizes, times and percentages. Used on the main thread at start and on the
//! control thread at a reload.

use std::time::Duration;

use super::format::{ValueFormat, Visibility};
use super::raw::RawValue;
use crate::config::units;
use crate::limits;

pub(in crate::config) const DURATION: ValueFormat<Duration> = ValueFormat {
    name: "duration",
    visibility: Visibility::Public,
    read: |raw| {
        let duration = raw.text().and_then(|text| units::duration(&text));
        duration.ok_or_else(|| raw.expected("a duration such as 25s, 500ms, 2m or 1h"))
    },
    show: |value| units::show_duration(*value),
};

/// In bytes.
pub(in crate::config) const SIZE: ValueFormat<usize> = ValueFormat {
    name: "size",
    visibility: Visibility::Public,
    read: |raw| {
        let bytes = raw.text().and_then(|text| units::size(&text));
        bytes.ok_or_else(|| raw.expected("a size such as 65536, 64KiB or 1MiB"))
    },
    show: |value| units::show_size(*value),
};

pub(in crate::config) const SIZE_OR_OFF: ValueFormat<Option<usize>> = ValueFormat {
    name: "size or `off`",
    visibility: Visibility::Public,
    read: |raw| {
        if raw.is_off() {
            return Ok(None);
        }
        (SIZE.read)(raw).map(Some)
    },
    show: |value| value.map_or_else(|| "off".into(), units::show_size),
};

pub(in crate::config) const SIZE_OR_AUTO: ValueFormat<Option<usize>> = ValueFormat {
    name: "size or `auto`",
    visibility: Visibility::Public,
    read: |raw| {
        if raw.is_word("auto") {
            return Ok(None);
        }
        (SIZE.read)(raw).map(Some)
    },
    show: |value| value.map_or_else(|| "auto".into(), units::show_size),
};

/// In whole percent.
pub(in crate::config) const PERCENT: ValueFormat<u32> = ValueFormat {
    name: "percentage",
    visibility: Visibility::Public,
    read: |raw| {
        let percent = raw.text().and_then(|text| units::percent(&text));
        percent.ok_or_else(|| raw.expected("a percentage such as 70%"))
    },
    show: |value| format!("{value}%"),
};

pub(in crate::config) const COUNT: ValueFormat<usize> = ValueFormat {
    name: "number",
    visibility: Visibility::Public,
    read: |raw| raw.number(),
    show: ToString::to_string,
};

pub(in crate::config) const COUNT_U32: ValueFormat<u32> = ValueFormat {
    name: "number",
    visibility: Visibility::Public,
    read: |raw| raw.number(),
    show: ToString::to_string,
};

pub(in crate::config) const COUNT_OR_AUTO: ValueFormat<Option<usize>> = ValueFormat {
    name: "number or `auto`",
    visibility: Visibility::Public,
    read: |raw| {
        if raw.is_word("auto") {
            return Ok(None);
        }
        raw.number().map(Some)
    },
    show: |value| value.map_or_else(|| "auto".into(), |count| count.to_string()),
};

pub(in crate::config) const DEFLATE_LEVEL: ValueFormat<u8> = ValueFormat {
    name: "1 to 12",
    visibility: Visibility::Public,
    read: |raw| {
        let number = raw.number().ok();
        let level = number.filter(|level| limits::DEFLATE_LEVELS.contains(level));
        level.ok_or_else(|| raw.expected("a level from 1 (fastest) to 12 (smallest)"))
    },
    show: ToString::to_string,
};

/// Permission bits (`chmod(2)`). TOML numbers are accepted too, such as `0o660`.
pub(in crate::config) const FILE_MODE: ValueFormat<u32> = ValueFormat {
    name: "file mode",
    visibility: Visibility::Public,
    read: |raw| {
        let bits = match raw {
            RawValue::Text(text) => u32::from_str_radix(text, 8).ok(),
            RawValue::Integer(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        let mode = bits.filter(|bits| *bits <= 0o777);
        mode.ok_or_else(|| raw.expected("an octal file mode such as \"0600\""))
    },
    show: |value| format!("0{value:o}"),
};
