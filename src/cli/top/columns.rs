//! The tables of the screen: columns of fixed width, of which the least important are left out on a
//! terminal that is too narrow for all.

use ratatui::layout::{Alignment, Constraint};
use ratatui::style::Stylize as _;
use ratatui::text::Text;
use ratatui::widgets::{Row, Table};

/// Columns between two columns of a table.
const SPACING: u16 = 1;

/// A column of a table.
pub(super) struct Column {
    name: &'static str,
    width: Width,
    alignment: Alignment,
    /// The order in which columns are left out if there is no room: the highest rank first.
    rank: u8,
}

/// The width of a column in characters.
enum Width {
    Fixed(u16),
    /// The rest of the line, at least as wide as the name of the column.
    Rest,
}

impl Column {
    /// Creates a column for numbers.
    pub(super) const fn number(name: &'static str, width: u16, rank: u8) -> Self {
        Self {
            name,
            width: Width::Fixed(width),
            alignment: Alignment::Right,
            rank,
        }
    }

    /// Creates a column for text.
    pub(super) const fn text(name: &'static str, width: u16, rank: u8) -> Self {
        Self {
            name,
            width: Width::Fixed(width),
            alignment: Alignment::Left,
            rank,
        }
    }

    /// Creates a column for text that takes the rest of the line and is never left out.
    pub(super) const fn rest(name: &'static str) -> Self {
        Self {
            name,
            width: Width::Rest,
            alignment: Alignment::Left,
            rank: 0,
        }
    }

    fn constraint(&self) -> Constraint {
        match self.width {
            Width::Fixed(width) => Constraint::Length(width),
            Width::Rest => Constraint::Fill(1),
        }
    }

    fn width_min(&self) -> usize {
        match self.width {
            Width::Fixed(width) => usize::from(width),
            Width::Rest => self.name.len(),
        }
    }
}

/// Returns the table of the columns that fit into `width` characters. Each row has a value for each
/// of `columns`.
pub(super) fn table<const COLUMNS: usize>(
    columns: &[Column; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    width: u16,
) -> Table<'static> {
    let shown = fitting(columns, width.into());
    let row = |mut values: [String; COLUMNS]| {
        let cells = shown.iter().map(|index| {
            let value = std::mem::take(&mut values[*index]);
            Text::from(value).alignment(columns[*index].alignment)
        });
        Row::new(cells.collect::<Vec<_>>())
    };
    let names = columns.each_ref().map(|column| column.name.to_owned());
    let rows: Vec<_> = rows.into_iter().map(row).collect();
    let widths = shown.iter().map(|index| columns[*index].constraint());
    Table::new(rows, widths)
        .header(row(names).bold())
        .column_spacing(SPACING)
}

/// Returns the indexes of the columns that fit into `width` characters, at least one.
fn fitting(columns: &[Column], width: usize) -> Vec<usize> {
    let mut shown: Vec<_> = (0..columns.len()).collect();
    let used = |shown: &[usize]| -> usize {
        let widths = shown.iter().map(|index| columns[*index].width_min());
        widths.sum::<usize>() + shown.len().saturating_sub(1) * usize::from(SPACING)
    };
    while used(&shown) > width && shown.len() > 1 {
        let last = shown.iter().max_by_key(|index| columns[**index].rank);
        let last = last.copied();
        shown.retain(|index| Some(*index) != last);
    }
    shown
}
