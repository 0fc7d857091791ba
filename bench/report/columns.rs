//! Lines of cells whose columns are as wide as their widest cell. Main thread.

use std::fmt::Write;

/// The position of the cells of a column.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    Left,
    Right,
    /// At the left, close to the column before it, such as a unit behind a number.
    Joined,
}

/// Returns a line for each row. Every line begins with two spaces.
pub fn aligned<const N: usize>(columns: [Column; N], rows: &[[String; N]]) -> Vec<String> {
    let length = |cell: &String| cell.chars().count();
    let width = |nth: usize| rows.iter().map(|row| length(&row[nth])).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let mut out = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
            if width == 0 {
                continue;
            }
            // Writing to a string cannot fail.
            let _ = match column {
                Column::Left => write!(out, "  {cell:<width$}"),
                Column::Right => write!(out, "  {cell:>width$}"),
                Column::Joined => write!(out, " {cell:<width$}"),
            };
        }
        out.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["latency", "341", "µs"], ["p50", "1,024", ""]];
        let rows = rows.map(|row| row.map(String::from));
        let lines = aligned([Column::Left, Column::Right, Column::Joined], &rows);
        assert_eq!(lines, ["  latency    341 µs", "  p50      1,024"]);
        assert!(aligned([Column::Left], &[]).is_empty());
    }
}
