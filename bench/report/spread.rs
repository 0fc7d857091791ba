//! The spread of a figure over several runs. Main thread.

use std::fmt::{self, Display};

/// Median, least and most of several values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Returns the spread of `values`. Without values all three are NaN.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let last = sorted.len().saturating_sub(1);
        Self {
            median: f64::midpoint(at(last / 2), at(sorted.len() / 2)),
            least: at(0),
            most: at(last),
        }
    }
}

impl Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, least, most] = [self.median, self.least, self.most].map(rounded);
        // `pad` on the whole text, so that the width of a format applies to it.
        out.pad(&format!("{median} ({least} to {most})"))
    }
}

/// Rounds to four decimals, or to two from 10 on. More digits would only look exact.
pub fn rounded(value: f64) -> f64 {
    let scale = if value.abs() < 10.0 { 1e4 } else { 1e2 };
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_beyond_the_precision_are_rounded() {
        let spread = Spread::of(&[1.234_56, 123.456, 0.0]);
        assert_eq!(spread.to_string(), "1.2346 (0 to 123.46)");
        assert_eq!(format!("{spread:>22}"), "  1.2346 (0 to 123.46)");
    }
}
