//! The spread of a figure over several runs. Main thread.

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
        let Spread {
            median,
            least,
            most,
        } = Spread::of(&[1.234_56, 123.456, 0.0]);
        let texts = [median, least, most].map(|value| rounded(value).to_string());
        assert_eq!(texts, ["1.2346", "0", "123.46"]);
    }
}
