//! The table of a comparison in pairs: one row for each figure of both servers. Main thread.

use crate::report::columns::{Column, aligned};
use crate::report::quantity::FigureName;
use crate::report::spread::Spread;

/// Columns of the table: figure, unit, median and spread of both servers, ratio of the medians,
/// median and spread of the ratios of the pairs.
const COLUMNS: [Column; 9] = [
    Column::Left,
    Column::Left,
    Column::Right,
    Column::Joined,
    Column::Right,
    Column::Joined,
    Column::Right,
    Column::Right,
    Column::Joined,
];

type Row = [String; COLUMNS.len()];

/// The rows of the table.
#[derive(Debug)]
pub struct ComparisonTable {
    rows: Vec<Row>,
}

impl ComparisonTable {
    /// Creates a table with the names of both servers in its header.
    pub fn new([subject, opponent]: &[String; 2]) -> Self {
        let first = "medians (least–most)";
        let header = [first, "", "", subject, "", opponent, "ratio", "pairs", ""];
        Self {
            rows: vec![header.map(str::to_owned)],
        }
    }

    /// Adds a figure: the values of all pairs, the spreads of both servers, the ratio of the
    /// medians, and the spread of the ratios of the pairs.
    pub fn add(
        &mut self,
        figure: &str,
        values: &[(f64, f64)],
        [subject, opponent]: [Spread; 2],
        ratio: Option<(f64, Spread)>,
    ) {
        let name = FigureName::parse(figure);
        let medians = [subject.median, opponent.median];
        let values = values.iter().flat_map(|(one, other)| [*one, *other]);
        let values: Vec<_> = medians.into_iter().chain(values).collect();
        let format = name.format(&values);
        let [subject_median, subject_range] = cells(subject, |value| format.number(value));
        let [opponent_median, opponent_range] = cells(opponent, |value| format.number(value));
        let three_decimals = |ratio| format!("{ratio:.3}");
        let [ratio, pairs, ratios_range] = match ratio {
            Some((ratio, spread)) => {
                let [median, range] = cells(spread, three_decimals);
                [three_decimals(ratio), median, range]
            }
            None => [const { String::new() }; 3],
        };
        self.rows.push([
            name.words,
            format.symbol.to_owned(),
            subject_median,
            subject_range,
            opponent_median,
            opponent_range,
            ratio,
            pairs,
            ratios_range,
        ]);
    }

    /// Returns the lines of the table between empty lines.
    pub fn text(&self) -> String {
        format!("\n{}\n", aligned(COLUMNS, &self.rows).join("\n"))
    }
}

/// Returns the cells of a spread: the median, and the least and the most.
fn cells(spread: Spread, text: impl Fn(f64) -> String) -> [String; 2] {
    let range = format!("({}–{})", text(spread.least), text(spread.most));
    [text(spread.median), range]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_at_most_120_columns_wide() {
        let mut table = ComparisonTable::new(&["fanfare".into(), "floor-zeromq".into()]);
        let spread = |values: [f64; 2]| Spread::of(&values);
        for (figure, value) in [
            ("deliveries_per_second", 74_999.9),
            ("server_cpu_us_per_delivery", 3.456_78),
            ("latency_p99_us", 123_456.0),
            ("server_rss_bytes_per_connection", 1234.5),
        ] {
            let spreads = [spread([value; 2]), spread([value, value * 2.0])];
            let ratio = Some((0.5, spread([0.5, 0.75])));
            table.add(
                figure,
                &[(value, value), (value, value * 2.0)],
                spreads,
                ratio,
            );
        }
        let text = table.text();
        assert!(
            text.lines().all(|line| line.chars().count() <= 120),
            "{text}"
        );
        assert!(text.contains(" 3.46 (3.46–3.46) "), "{text}");
    }
}
