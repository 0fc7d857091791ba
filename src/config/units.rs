//! Durations, sizes, percentages and core lists as people write them. Used wherever values are read
//! or shown.

use std::time::Duration;

/// Units of time, largest first, in milliseconds.
const TIME: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size, largest first, in bytes. There are no decimal units, because `KB` has two common
/// meanings.
const SIZE: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Parses a duration such as `25s`, `500ms`, `2m` or `1h`. Only `0` needs no unit.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    if unit.is_empty() {
        return (number == 0).then_some(Duration::ZERO);
    }
    let (_, factor) = TIME.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor).map(Duration::from_millis)
}

/// Parses a whole percentage such as `70%`.
pub(super) fn percent(text: &str) -> Option<u32> {
    text.strip_suffix('%')?.trim_end().parse().ok()
}

/// Parses a fraction above 0 and up to 1, such as `20%` or `0.2`.
pub fn share(text: &str) -> Option<f64> {
    let share: f64 = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (share > 0.0 && share <= 1.0).then_some(share)
}

/// Writes a duration in the largest unit that divides it: `90s`, `2m`.
pub(super) fn show_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".into();
    }
    show(millis, &TIME).unwrap_or_else(|| format!("{millis}ms"))
}

/// Parses a size in bytes, such as `64KiB`, `1MiB`, `2GiB` or `65536`.
pub(super) fn size(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let factor = match SIZE.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() || unit == "B" => 1,
        None => return None,
    };
    number
        .checked_mul(factor)
        .and_then(|bytes| usize::try_from(bytes).ok())
}

/// Writes a size in the largest unit that divides it: `1536KiB`, `1MiB`, `1000`.
pub(super) fn show_size(bytes: usize) -> String {
    show(bytes as u64, &SIZE).unwrap_or_else(|| bytes.to_string())
}

/// Parses a core or a range of cores, `3` or `0-3`, as in the cpulist format of Linux.
pub(super) fn cores(text: &str) -> Option<Vec<usize>> {
    match text.split_once('-') {
        None => Some(vec![text.trim().parse().ok()?]),
        Some((first, last)) => {
            let (first, last): (usize, usize) =
                (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last && last < crate::limits::MAX_CORES).then(|| (first..=last).collect())
        }
    }
}

/// Divides text into a number and a unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Writes a value in the largest unit that divides it. Returns `None` if no unit does.
fn show(value: u64, units: &[(&str, u64)]) -> Option<String> {
    let divides = |factor: &u64| value != 0 && value.is_multiple_of(*factor);
    let (unit, factor) = units.iter().find(|(_, factor)| divides(factor))?;
    Some(format!("{}{unit}", value / factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_need_a_known_unit() {
        assert_eq!(duration("25s"), Some(Duration::from_secs(25)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        assert_eq!(duration("0"), Some(Duration::ZERO));
        for wrong in ["", "25", "s", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert_eq!(duration(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn sizes_have_binary_units_or_none() {
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1 MiB"), Some(1_048_576));
        assert_eq!(size("1000"), Some(1000));
        for wrong in ["", "1KB", "KiB", "-1", "1.5MiB", "99999999999GiB"] {
            assert_eq!(size(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn percentages_are_whole_and_shares_are_fractions() {
        assert_eq!((percent("70%"), percent("0 %")), (Some(70), Some(0)));
        for wrong in ["70", "%", "-1%", "0.5%", ""] {
            assert_eq!(percent(wrong), None, "{wrong:?}");
        }
        assert_eq!((share("20%"), share("0.2")), (Some(0.2), Some(0.2)));
        assert_eq!((share("100%"), share("0.5%")), (Some(1.0), Some(0.005)));
        for wrong in ["0", "0%", "1.1", "101%", "-1", "NaN", "inf", "%", ""] {
            assert_eq!(share(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn core_lists_accept_ranges() {
        assert_eq!(cores("3"), Some(vec![3]));
        assert_eq!(cores("2-4"), Some(vec![2, 3, 4]));
        for wrong in ["", "4-2", "a", "-", "0-99999999"] {
            assert_eq!(cores(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn written_values_are_parsed_to_the_same_value(value in 0_u64..=u64::MAX / 3_600_000) {
            let time = Duration::from_millis(value);
            prop_assert_eq!(duration(&show_duration(time)), Some(time));
            let bytes = value as usize;
            prop_assert_eq!(size(&show_size(bytes)), Some(bytes));
        }
    }
}
