//! The lines of the statsd protocol: `name:value|type|@rate`. No clock, no IO. Service thread.
//!
//! Only the types `c`, `g` and `ms` are used: statsd takes a type that it does not know for a
//! counter.

use crate::limits::STATSD_NAME_BYTES;

/// Returns a metric name: the prefix and the sanitized components, separated by dots.
pub(super) fn name<'a>(prefix: &str, components: impl IntoIterator<Item = &'a str>) -> String {
    let mut name = prefix.to_owned();
    for component in components {
        name.push('.');
        name.push_str(&sanitize(component));
    }
    name.truncate(STATSD_NAME_BYTES);
    name
}

/// Returns a component of a name with only ASCII letters, digits, `_` and `-`. Dots, which separate
/// components, and white space become `_`, slashes become `-`, and other characters are removed.
/// Statsd makes the same changes, except for dots.
pub(super) fn sanitize(component: &str) -> String {
    let replace = |letter: char| match letter {
        '.' => Some('_'),
        '/' => Some('-'),
        _ if letter.is_whitespace() => Some('_'),
        _ if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') => Some(letter),
        _ => None,
    };
    component.chars().filter_map(replace).collect()
}

/// Formats the increment of a counter.
pub(super) fn counter(name: &str, amount: u64) -> String {
    format!("{name}:{amount}|c\n")
}

/// Formats a gauge. Returns `None` if the value is infinite or not a number. A negative value takes
/// two lines, because statsd adds a value with a sign to the gauge: the first line sets it to 0.
pub(super) fn gauge(name: &str, value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    if value < 0.0 {
        return Some(format!("{name}:0|g\n{name}:{value}|g\n"));
    }
    let without_sign = value + 0.0; // Turns -0.0 into 0.0.
    Some(format!("{name}:{without_sign}|g\n"))
}

/// Formats a value of a timer in milliseconds. `rate` is the share of the measured values that are
/// sent, greater than 0 and at most 1.
pub(super) fn timer(name: &str, value_us: u64, rate: f64) -> String {
    let milliseconds = value_us as f64 / 1000.0;
    if rate < 1.0 {
        format!("{name}:{milliseconds}|ms|@{rate}\n")
    } else {
        format!("{name}:{milliseconds}|ms\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_have_the_format_that_statsd_parses() {
        assert_eq!(counter("a.b", 7), "a.b:7|c\n");
        assert_eq!(gauge("a", 0.25).as_deref(), Some("a:0.25|g\n"));
        assert_eq!(gauge("a", -0.0).as_deref(), Some("a:0|g\n"));
        assert_eq!(gauge("a", -3.0).as_deref(), Some("a:0|g\na:-3|g\n"));
        assert_eq!(gauge("a", f64::NAN), None);
        assert_eq!(timer("a", 1279, 1.0), "a:1.279|ms\n");
        // statsd parses digits and dots only, so a small rate has no exponent.
        assert_eq!(timer("a", 5000, 1e-9), "a:5|ms|@0.000000001\n");
    }

    #[test]
    fn components_stay_separate() {
        let name = name("edge.host_1", ["delivery quantile", "0.99", "a/b:c|d@e#é"]);
        assert_eq!(name, "edge.host_1.delivery_quantile.0_99.a-bcde");
    }

    proptest! {
        #[test]
        fn names_contain_nothing_that_statsd_changes(parts in prop::collection::vec(".*", 0..4)) {
            let name = name("fanfare", parts.iter().map(String::as_str));
            prop_assert!(name.starts_with("fanfare") && name.len() <= STATSD_NAME_BYTES);
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
            prop_assert!(name.bytes().all(plain), "{}", name);
        }
    }
}
