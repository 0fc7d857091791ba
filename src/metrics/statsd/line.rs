//! One metric as statsd reads it: `name:value|type|@rate`. Pure; used by the control thread.
//!
//! Only `c`, `g` and `ms` are ever written: statsd takes any type it does not know for a counter.

use crate::limits::STATSD_NAME_BYTES;

/// A name of parts, such as a metric and its label's value, behind the prefix. What statsd would
/// change or drop is changed or dropped here, and a dot within a part is no separator.
pub(super) fn name<'a>(prefix: &str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut name = prefix.to_owned();
    for part in parts {
        name.push('.');
        name.push_str(&sanitised(part));
    }
    name.truncate(STATSD_NAME_BYTES);
    name
}

/// ASCII letters, digits, `_` and `-`; dots and white space become `_`, slashes `-`.
pub(super) fn sanitised(part: &str) -> String {
    let plain = |letter: char| match letter {
        '.' => Some('_'),
        '/' => Some('-'),
        _ if letter.is_whitespace() => Some('_'),
        _ if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') => Some(letter),
        _ => None,
    };
    part.chars().filter_map(plain).collect()
}

pub(super) fn counter(name: &str, delta: u64) -> String {
    format!("{name}:{delta}|c\n")
}

/// A gauge below zero takes two lines, since a sign makes the value a change: first zero, then
/// down from it. What is no number has no line.
pub(super) fn gauge(name: &str, value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    Some(if value < 0.0 {
        format!("{name}:0|g\n{name}:{value}|g\n")
    } else {
        // The sum takes the sign off a negative zero.
        format!("{name}:{}|g\n", value + 0.0)
    })
}

/// `rate`: the share of the measured values that are sent, above 0, at most 1.
pub(super) fn timer(name: &str, value_us: u64, rate: f64) -> String {
    let value = value_us as f64 / 1000.0;
    if rate < 1.0 {
        format!("{name}:{value}|ms|@{rate}\n")
    } else {
        format!("{name}:{value}|ms\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_as_statsd_reads_them() {
        assert_eq!(counter("a.b", 7), "a.b:7|c\n");
        assert_eq!(gauge("a", 0.25).as_deref(), Some("a:0.25|g\n"));
        assert_eq!(gauge("a", -0.0).as_deref(), Some("a:0|g\n"));
        assert_eq!(gauge("a", -3.0).as_deref(), Some("a:0|g\na:-3|g\n"));
        assert_eq!(gauge("a", f64::NAN), None);
        assert_eq!(timer("a", 1279, 1.0), "a:1.279|ms\n");
        // statsd reads digits and dots only: no exponent, however small the rate.
        assert_eq!(timer("a", 5000, 1e-9), "a:5|ms|@0.000000001\n");
    }

    #[test]
    fn names_keep_their_parts_apart() {
        let name = name("edge.host_1", ["delivery quantile", "0.99", "a/b:c|d@e#é"]);
        assert_eq!(name, "edge.host_1.delivery_quantile.0_99.a-bcde");
    }

    proptest! {
        #[test]
        fn names_hold_nothing_that_statsd_changes(parts in prop::collection::vec(".*", 0..4)) {
            let name = name("fanfare", parts.iter().map(String::as_str));
            prop_assert!(name.starts_with("fanfare") && name.len() <= STATSD_NAME_BYTES);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            prop_assert!(name.bytes().all(plain), "{}", name);
        }
    }
}
