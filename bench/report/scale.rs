//! The axes of a plot: scales, ticks, and the labels of ticks. Main thread, after the run.

/// Maximum number of steps between the ticks of an axis.
const TICKS: f64 = 6.0;

/// Maps values to a share of an axis, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    Linear { most: f64 },
    Log { least: f64, most: f64 },
}

impl Scale {
    /// Returns the position of a value.
    pub fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { most } => value / most,
            Self::Log { least, most } => (value.max(least) / least).ln() / (most / least).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Returns a linear axis from 0 to a round value of at least `value`, and its ticks.
    pub fn linear(value: f64) -> (Self, Vec<f64>) {
        let step = step(value.max(1e-9));
        let mut ticks = vec![0.0];
        let mut most = 0.0;
        while most < value * 0.999_999 || ticks.len() < 2 {
            most = step * ticks.len() as f64;
            ticks.push(most);
        }
        (Self::Linear { most }, ticks)
    }

    /// Returns a logarithmic axis of whole decades around the values, and its ticks.
    pub fn log(least: f64, most: f64) -> (Self, Vec<f64>) {
        let low = least.max(1.0).log10().floor();
        let high = most.max(1.0).log10().ceil().max(low + 1.0);
        let decades = (high - low) as i32;
        let ticks = (0..=decades).map(|nth| 10_f64.powf(low + f64::from(nth)));
        let (least, most) = (10_f64.powf(low), 10_f64.powf(high));
        (Self::Log { least, most }, ticks.collect())
    }
}

/// Returns a step of 1, 2 or 5 times a power of ten, so that at most [`TICKS`] steps reach `value`.
fn step(value: f64) -> f64 {
    let raw = value / TICKS;
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0].map(|factor| factor * power);
    let fitting = round.into_iter().find(|round| *round >= raw * 0.999_999);
    fitting.unwrap_or(10.0 * power)
}

/// Returns the label of a tick of a latency, such as 100 µs or 10 ms.
pub fn time(us: f64) -> String {
    match us {
        seconds if seconds >= 1e6 => format!("{} s", number(seconds / 1e6)),
        milliseconds if milliseconds >= 1e3 => format!("{} ms", number(milliseconds / 1e3)),
        microseconds => format!("{} µs", number(microseconds)),
    }
}

/// Returns the label of a tick, such as 250, 1.5k or 2M.
pub fn number(value: f64) -> String {
    let (value, unit) = match value {
        large if large >= 1e6 => (large / 1e6, "M"),
        large if large >= 1e3 => (large / 1e3, "k"),
        small => (small, ""),
    };
    let digits = format!("{value:.2}");
    format!(
        "{}{unit}",
        digits.trim_end_matches('0').trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_values_that_include_all_values() {
        for (value, most, count) in [
            (75_000.0, 80_000.0, 5),
            (5_600_000.0, 6_000_000.0, 7),
            (1.0, 1.0, 6),
            (60.0, 60.0, 7),
        ] {
            let (scale, ticks) = Scale::linear(value);
            assert!(
                (ticks[ticks.len() - 1] - most).abs() < 1e-6 * most,
                "{value}"
            );
            assert_eq!(ticks.len(), count, "{value}");
            assert!(scale.share(value) <= 1.0 && scale.share(value / 2.0) < 0.51);
        }
        let (scale, ticks) = Scale::log(150.0, 40_000.0);
        let texts: Vec<_> = ticks.iter().map(|&tick| number(tick)).collect();
        assert_eq!(texts, ["100", "1k", "10k", "100k"]);
        assert!((scale.share(1000.0) - 1.0 / 3.0).abs() < 1e-9);
        let texts: Vec<_> = ticks.iter().map(|&tick| time(tick)).collect();
        assert_eq!(texts, ["100 µs", "1 ms", "10 ms", "100 ms"]);
    }
}
