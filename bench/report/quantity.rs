//! Figures as a person reads them: the name in words, and the value with a unit, thousands
//! separators and three significant digits. Main thread.

/// The unit in which a figure is measured. The name of the figure contains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Count,
    Nanoseconds,
    Microseconds,
    Seconds,
    Bytes,
    Percent,
    PerSecond,
}

/// Values are printed in larger units from the next row's minimum on.
type LargerUnits = &'static [(f64, f64, &'static str)];

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;

impl Unit {
    /// Returns the units in which values are printed: minimum, factor and symbol of each.
    fn printed(self) -> LargerUnits {
        match self {
            Self::Count => &[(0.0, 1.0, "")],
            Self::Nanoseconds => &[(0.0, 1.0, "ns"), (1e3, 1e-3, "µs"), (1e6, 1e-6, "ms")],
            Self::Microseconds => &[(0.0, 1.0, "µs"), (1e3, 1e-3, "ms"), (1e6, 1e-6, "s")],
            Self::Seconds => &[(0.0, 1.0, "s")],
            Self::Bytes => &[
                (0.0, 1.0, "bytes"),
                (10.0 * KIB, 1.0 / KIB, "KiB"),
                (MIB, 1.0 / MIB, "MiB"),
            ],
            Self::Percent => &[(0.0, 1.0, "%")],
            Self::PerSecond => &[(0.0, 1.0, "/s"), (1e6, 1e-6, "million/s")],
        }
    }
}

/// The name of a figure, divided into words and a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureName {
    pub words: String,
    unit: Unit,
}

impl FigureName {
    /// Parses a name of the JSON form, such as `server_cpu_us_per_delivery`.
    pub fn parse(name: &str) -> Self {
        let (name, mut unit) = match name.strip_suffix("_per_second") {
            Some(rest) => (rest, Unit::PerSecond),
            None => (name, Unit::Count),
        };
        let name = name.replace("rss_bytes", "memory");
        let mut words = Vec::new();
        for word in name.split('_') {
            match word {
                "ns" => unit = Unit::Nanoseconds,
                "us" => unit = Unit::Microseconds,
                "percent" => unit = Unit::Percent,
                "seconds" => {
                    unit = Unit::Seconds;
                    words.push("time");
                }
                "bytes" => {
                    unit = Unit::Bytes;
                    words.push("bytes");
                }
                "memory" => {
                    unit = Unit::Bytes;
                    words.push("memory");
                }
                "cpu" => words.push("CPU"),
                "p999" => words.push("p99.9"),
                other => words.push(other),
            }
        }
        Self {
            words: words.join(" "),
            unit,
        }
    }

    /// Returns the name of a ratio in words.
    pub fn ratio(words: String) -> Self {
        let unit = Unit::Count;
        Self { words, unit }
    }

    /// Returns the format for values of this figure. The first value determines unit and digits.
    pub fn format(&self, values: &[f64]) -> ValueFormat {
        let first = values.iter().copied().find(|value| *value != 0.0);
        let first = first.unwrap_or(0.0).abs();
        let fitting = |(least, _, _): &&(f64, f64, &'static str)| first >= *least;
        let printed = self.unit.printed();
        let (_, factor, symbol) = *printed.iter().rev().find(fitting).unwrap_or(&printed[0]);
        let are_whole = values.iter().all(|value| value.fract() == 0.0);
        let decimals = if are_whole && symbol == printed[0].2 {
            0
        } else {
            decimals(first * factor)
        };
        ValueFormat {
            factor,
            symbol,
            decimals,
        }
    }

    /// Returns a value with its unit.
    pub fn text(&self, value: f64) -> String {
        self.format(&[value]).text(value)
    }

    /// Returns a value and its bound with their units. The value has more digits if it would
    /// otherwise look like the bound.
    pub fn beside_bound(&self, value: f64, bound: f64) -> [String; 2] {
        let mut format = self.format(&[value]);
        while format.text(value) == format.text(bound)
            && value.to_bits() != bound.to_bits()
            && format.decimals < MOST_DECIMALS
        {
            format.decimals += 1;
        }
        let mut bound_format = self.format(&[bound]);
        if (bound * bound_format.factor).fract() == 0.0 {
            bound_format.decimals = 0;
        }
        [format.text(value), bound_format.text(bound)]
    }
}

/// Maximum number of decimals of a value.
const MOST_DECIMALS: usize = 9;

/// Returns the number of decimals for three significant digits.
fn decimals(value: f64) -> usize {
    match value {
        hundreds if hundreds >= 99.95 => 0,
        tens if tens >= 9.995 => 1,
        ones if ones >= 0.9995 => 2,
        _ => 3,
    }
}

/// Unit and number of decimals of the values of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueFormat {
    factor: f64,
    pub symbol: &'static str,
    decimals: usize,
}

impl ValueFormat {
    /// Returns a value without its unit.
    pub fn number(&self, value: f64) -> String {
        if value.is_finite() {
            separated(value * self.factor, self.decimals)
        } else {
            "none".to_owned()
        }
    }

    fn text(&self, value: f64) -> String {
        let text = format!("{} {}", self.number(value), self.symbol);
        text.trim_end().to_owned()
    }
}

/// Returns a number with thousands separators.
fn separated(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    if value < 0.0 {
        out.push('-');
    }
    for (nth, digit) in whole.char_indices() {
        if nth > 0 && (whole.len() - nth).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_and_values_have_units() {
        for (name, value, words, text) in [
            ("published", 1_234_567.0, "published", "1,234,567"),
            ("missing", 0.0, "missing", "0"),
            ("latency_p999_us", 23_887.0, "latency p99.9", "23.9 ms"),
            ("latency_p50_us", 341.0, "latency p50", "341 µs"),
            ("opening_max_us", 2_500_000.0, "opening max", "2.50 s"),
            (
                "server_cpu_us_per_delivery",
                3.3849,
                "server CPU per delivery",
                "3.38 µs",
            ),
            (
                "server_cpu_ns_per_delivery",
                61.9,
                "server CPU per delivery",
                "61.9 ns",
            ),
            ("server_cpu_percent", 99.96, "server CPU", "100 %"),
            (
                "deliveries_per_second",
                75_000.12,
                "deliveries",
                "75,000 /s",
            ),
            (
                "deliveries_per_second",
                11_912_345.6,
                "deliveries",
                "11.9 million/s",
            ),
            (
                "server_rss_bytes_per_connection",
                368.2,
                "server memory per connection",
                "368 bytes",
            ),
            (
                "server_rss_bytes_before",
                12_345_678.0,
                "server memory before",
                "11.8 MiB",
            ),
            ("received_bytes", 20_480.0, "received bytes", "20.0 KiB"),
            ("seconds_with_pings", 3.0, "time with pings", "3 s"),
            ("cpu_ratio", 1.034_56, "CPU ratio", "1.03"),
        ] {
            let figure = FigureName::parse(name);
            assert_eq!(
                (&*figure.words, &*figure.text(value)),
                (words, text),
                "{name}"
            );
        }
    }

    #[test]
    fn values_of_one_scale_have_the_same_unit_and_decimals() {
        let format = FigureName::parse("latency_p99_us").format(&[1100.0, 990.0, 12_000.0]);
        let numbers = [1100.0, 990.0, 12_000.0].map(|value| format.number(value));
        assert_eq!(
            (numbers, format.symbol),
            (["1.10", "0.99", "12.00"].map(String::from), "ms")
        );
        let format = FigureName::parse("missing").format(&[0.0, 0.0, 5.0]);
        assert_eq!(format.number(5.0), "5");
        assert_eq!(format.number(f64::NAN), "none");
    }

    #[test]
    fn a_value_that_misses_its_bound_does_not_look_like_it() {
        let beside = |value, bound| FigureName::parse("cpu_ratio").beside_bound(value, bound);
        assert_eq!(beside(1.021, 1.02), ["1.021", "1.02"]);
        assert_eq!(beside(1.02, 1.02), ["1.02", "1.02"]);
        assert_eq!(beside(0.985, 1.02), ["0.985", "1.02"]);
        let latency = FigureName::parse("latency_p99_us");
        assert_eq!(latency.beside_bound(2001.0, 2000.0), ["2.001 ms", "2 ms"]);
    }
}
