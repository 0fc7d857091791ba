//! Formats figures with four or five characters and a unit. An unknown figure is `-`.

const UNKNOWN: &str = "-";

/// Formats a number: `0.3`, `7`, `75.0k`, `1.2M`. From 10 to 9,999 it is rounded to an integer.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.into(),
        Some(value) if value > 0.0 && value < 9.95 => format!("{value:.1}"),
        Some(value) if value < 9_999.5 => format!("{value:.0}"),
        Some(value) if value < 999_950.0 => format!("{:.1}k", value / 1e3),
        Some(value) if value < 999_950_000.0 => format!("{:.1}M", value / 1e6),
        Some(value) => format!("{:.1}G", value / 1e9),
    }
}

/// Formats a size: `512 B`, `1.0 KiB`, `22.5 MiB`.
pub(super) fn bytes(value: Option<f64>) -> String {
    let Some(value) = value else {
        return UNKNOWN.into();
    };
    if value < 1023.5 {
        return format!("{value:.0} B");
    }
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value / 1024.0;
    let mut unit = 0;
    while scaled >= 1023.95 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", units[unit])
}

/// Formats a duration in microseconds: `850us`, `14.0ms`, `2.5s`, `125s`.
pub(super) fn microseconds(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.into(),
        Some(value) if value < 999.5 => format!("{value:.0}us"),
        Some(value) if value < 999_950.0 => format!("{:.1}ms", value / 1e3),
        Some(value) if value < 99_950_000.0 => format!("{:.1}s", value / 1e6),
        Some(value) => format!("{:.0}s", value / 1e6),
    }
}

/// Formats an age in seconds: `42s`, `3m05s`, `2h07m`, `12d04h`.
pub(super) fn age(seconds: f64) -> String {
    // A negative number is shown as 0. No realistic age exceeds the range of a `Duration`.
    let seconds = std::time::Duration::try_from_secs_f64(seconds)
        .unwrap_or_default()
        .as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// Formats a share: 0.93 is `93%`.
pub(super) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| UNKNOWN.into(), |share| format!("{:.0}%", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_below_and_above_each_change_of_unit() {
        let numbers = [
            (0.0, "0"),
            (0.3, "0.3"),
            (9.96, "10"),
            (9_999.4, "9999"),
            (9_999.6, "10.0k"),
            (999_949.0, "999.9k"),
            (999_951.0, "1.0M"),
            (2.5e9, "2.5G"),
        ];
        for (value, text) in numbers {
            assert_eq!(number(Some(value)), text);
        }
        let sizes = [
            (1023.0, "1023 B"),
            (1024.0, "1.0 KiB"),
            (1_048_575.0, "1.0 MiB"),
            (5.0 * 1024_f64.powi(5), "5120.0 TiB"),
        ];
        for (value, text) in sizes {
            assert_eq!(bytes(Some(value)), text);
        }
        let times = [
            (850.0, "850us"),
            (999.7, "1.0ms"),
            (14_000.0, "14.0ms"),
            (2_500_000.0, "2.5s"),
            (125_000_000.0, "125s"),
        ];
        for (value, text) in times {
            assert_eq!(microseconds(Some(value)), text);
        }
    }

    #[test]
    fn ages_have_two_parts() {
        let ages = [
            (42.9, "42s"),
            (185.0, "3m05s"),
            (7_620.0, "2h07m"),
            (12.2 * 86_400.0, "12d04h"),
            (-1.0, "0s"),
        ];
        for (seconds, text) in ages {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn an_unknown_figure_is_a_dash() {
        let all = [number(None), bytes(None), microseconds(None), percent(None)];
        assert_eq!(all, [UNKNOWN; 4]);
        assert_eq!(percent(Some(0.926)), "93%");
    }
}
