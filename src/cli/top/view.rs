//! Draws a screen into terminal cells. `--once` prints the same cells as lines of text.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Text;
use ratatui::widgets::{Table, Widget};

use super::columns::{Column, table};
use super::head::head;
use super::model::{Screen, ShardRow};
use super::node::Slow;
use super::units::{bytes, microseconds, number, percent};

/// Minimum number of lines for the slowest connections, whatever the number of shards.
const SLOW_LINES: u16 = 6;
/// Lines of the table of shards besides its rows: the header, and the empty line below the table.
const SHARD_TABLE_EXTRA_LINES: u16 = 2;
/// Minimum number of lines for the table of shards: the header, one row and the empty line.
const SHARD_TABLE_LINES_MIN: u16 = SHARD_TABLE_EXTRA_LINES + 1;
/// Line of the header of the slowest connections.
const SLOW_HEADER_LINES: u16 = 1;
/// Columns of a screen that is printed as text.
const TEXT_COLUMNS: u16 = 132;

/// Draws the part of the screen that fits into `area`: on a small terminal, the first shards and
/// the slowest connections.
pub(super) fn draw(screen: &Screen, area: Rect, buffer: &mut Buffer) {
    let head = head(screen, area.width);
    let head_lines = lines(head.len());
    let room = area.height.saturating_sub(head_lines + SLOW_LINES);
    let wanted = lines(screen.shards.len()) + SHARD_TABLE_EXTRA_LINES;
    let shard_lines = room.max(SHARD_TABLE_LINES_MIN).min(wanted);
    let rows = [
        Constraint::Length(head_lines),
        Constraint::Length(shard_lines),
        Constraint::Min(0),
    ];
    let [head_area, shard_area, slow_area] = Layout::vertical(rows).areas(area);
    Text::from(head).render(head_area, buffer);
    Widget::render(shards(screen, shard_lines, area.width), shard_area, buffer);
    Widget::render(slow(screen, area.width), slow_area, buffer);
    if screen.outdated_s.is_some() {
        buffer.set_style(shard_area.union(slow_area), Style::new().dim());
    }
}

/// Returns all rows, cut to 132 columns.
pub(super) fn text(screen: &Screen) -> String {
    let shard_lines = lines(screen.shards.len()) + SHARD_TABLE_EXTRA_LINES;
    let slow_lines = SLOW_HEADER_LINES + lines(screen.slow.len()).max(SLOW_LINES);
    let height = lines(head(screen, TEXT_COLUMNS).len()) + shard_lines + slow_lines;
    let area = Rect::new(0, 0, TEXT_COLUMNS, height);
    let mut buffer = Buffer::empty(area);
    draw(screen, area, &mut buffer);
    let rows = area.rows().map(|row| {
        let cells = row.columns().filter_map(|cell| buffer.cell(cell));
        let line: String = cells.map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    let rows: Vec<_> = rows.collect();
    rows.join("\n").trim_end().to_owned() + "\n"
}

/// Converts a number of rows to a number of lines.
fn lines(count: usize) -> u16 {
    // No terminal has 16,383 lines. The limit keeps sums within u16.
    u16::try_from(count)
        .unwrap_or(u16::MAX / 4)
        .min(u16::MAX / 4)
}

const SHARD_COLUMNS: [Column; 10] = [
    Column::number("shard", 5, 0),
    Column::number("connections", 11, 2),
    Column::number("topics", 8, 6),
    Column::number("matched/s", 9, 5),
    Column::number("written/s", 9, 3),
    Column::number("pending", 9, 4),
    Column::number("lane", 6, 7),
    Column::number("turns/s", 8, 8),
    Column::number("parks/s", 8, 9),
    Column::number("busy", 5, 1),
];

const SLOW_COLUMNS: [Column; 9] = [
    Column::number("shard", 5, 5),
    Column::number("pending", 9, 1),
    Column::number("bytes", 10, 4),
    Column::number("behind", 8, 2),
    Column::number("blocked", 7, 3),
    Column::number("topics", 6, 7),
    Column::text("protocol", 14, 6),
    Column::text("user", 16, 8),
    Column::rest("slowest connections"),
];

/// Returns the table of shards. If it has more rows than fit into `room` lines, the last row shows
/// the number of the others.
fn shards(screen: &Screen, room: u16, columns: u16) -> Table<'static> {
    let shown = usize::from(room.saturating_sub(SHARD_TABLE_EXTRA_LINES));
    let all = screen.shards.iter().enumerate();
    let mut rows: Vec<_> = all.map(|(index, shard)| shard_row(index, shard)).collect();
    if rows.len() > shown {
        let hidden = rows.len() + 1 - shown.max(1);
        rows.truncate(shown.saturating_sub(1));
        let mut others: [String; SHARD_COLUMNS.len()] = Default::default();
        others[0] = format!("{:<5}", format!("+{hidden}"));
        others[1] = "more shards".into();
        rows.push(others);
    }
    table(&SHARD_COLUMNS, rows, columns)
}

fn shard_row(index: usize, shard: &ShardRow) -> [String; SHARD_COLUMNS.len()] {
    [
        index.to_string(),
        shard.connections.to_string(),
        shard.topics.to_string(),
        number(shard.matched),
        number(shard.written),
        shard.pending.to_string(),
        shard.lane.to_string(),
        number(shard.turns),
        number(shard.parks),
        percent(shard.busy),
    ]
}

fn slow(screen: &Screen, columns: u16) -> Table<'static> {
    let rows = screen.slow.iter().map(slow_row).collect();
    table(&SLOW_COLUMNS, rows, columns)
}

fn slow_row(slow: &Slow) -> [String; SLOW_COLUMNS.len()] {
    let deflate = if slow.deflate { " deflate" } else { "" };
    let blocked = if slow.blocked { "yes" } else { "no" };
    let client = slow.client.as_deref().unwrap_or_default();
    let peer = slow.peer.as_deref().unwrap_or("disconnected");
    // The back end chooses the name, and a terminal would act on its control characters.
    let user = slow.user.as_deref().unwrap_or_default();
    [
        slow.shard.to_string(),
        slow.pending.to_string(),
        bytes(Some(slow.pending_bytes as f64)),
        microseconds(slow.behind_us.map(|behind_us| behind_us as f64)),
        blocked.into(),
        slow.topics.to_string(),
        format!("{}{deflate}", slow.protocol),
        user.escape_debug().to_string(),
        format!("{peer} {client}"),
    ]
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::style::{Color, Modifier};

    use super::super::model::tests::sample;
    use super::*;

    fn screen() -> Screen {
        Screen::of(Some(&sample(100.0, 10)), &sample(102.0, 14))
    }

    /// Draws a screen on a terminal of this size and returns its lines.
    fn shown(screen: &Screen, columns: u16, rows: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal
            .draw(|frame| draw(screen, frame.area(), frame.buffer_mut()))
            .unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content().chunks(usize::from(columns));
        let line = |cells: &[ratatui::buffer::Cell]| -> String {
            cells.iter().map(ratatui::buffer::Cell::symbol).collect()
        };
        lines
            .map(|cells| line(cells).trim_end().to_owned())
            .collect()
    }

    #[test]
    fn a_screen_is_printed_as_text() {
        let expected = "\
fanfare 0.1.0   127.0.0.1:8001   up 1m42s   ok
connections 3500 of 64000   in 30/s   out 120/s   23.4 KiB/s   pending 24
dropped 8.0/s (slow 4.0/s, lane 4.0/s)   rejected 2.0/s
latency p50 900us  p99 14.0ms  p99.9 20.0ms  max 31.0ms   lag p50 -  p99 -  p99.9 -  max -

shard connections   topics matched/s written/s   pending   lane  turns/s  parks/s  busy
    0        1750       20        80        60        12      1       14      6.0   50%
    1        1750       20        80        60        12      1       14      6.0   50%

shard   pending      bytes   behind blocked topics protocol       user             slowest connections
    1      4096    1.0 MiB     2.5s     yes      3 client deflate ann\\u{202e}\\n    10.0.0.7:5123 9b2f
";
        assert_eq!(text(&screen()), expected);
    }

    #[test]
    fn a_terminal_shows_the_same_text_with_colors() {
        let text = text(&screen());
        let lines = shown(&screen(), TEXT_COLUMNS, 40);
        assert!(text.lines().eq(lines[..text.lines().count()].iter()));
        let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 24));
        draw(&screen(), buffer.area, &mut buffer);
        assert_eq!(
            buffer[(0, 2)].fg,
            Color::Red,
            "a positive rate of drops is red"
        );
        let without_drops = Screen::of(Some(&sample(100.0, 10)), &sample(102.0, 10));
        buffer.reset();
        draw(&without_drops, buffer.area, &mut buffer);
        assert_eq!(buffer[(0, 2)].fg, Color::Reset);
    }

    #[test]
    fn every_terminal_size_is_drawn_and_shows_the_slowest_connections() {
        let mut screen = screen();
        screen.shards = vec![screen.shards[0].clone(); 64];
        for columns in [1, 20, 80, 200] {
            for rows in [1, 2, 5, 8, 12, 24, 100] {
                shown(&screen, columns, rows);
            }
        }
        let lines = shown(&screen, 132, 24);
        assert!(lines[5 + 11].starts_with("+54   more shards"), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("10.0.0.7:5123")));
        assert_eq!(
            text(&screen).matches("50%").count(),
            64,
            "text has a line for each shard"
        );
    }

    #[test]
    fn names_and_figures_are_whole_on_narrow_terminals() {
        let mut screen = screen();
        screen.lag_us = screen.latency_us;
        let wide = text(&screen);
        let words: Vec<_> = wide.split_whitespace().collect();
        for columns in 30..TEXT_COLUMNS {
            let lines = shown(&screen, columns, 40);
            for line in &lines {
                let unknown = line.split_whitespace().find(|it| !words.contains(it));
                assert_eq!(unknown, None, "{columns} columns: {lines:#?}");
            }
            let shown = lines.join(" ");
            for figure in ["pending 24", "rejected 2.0/s", "lag p50", "10.0.0.7:5123"] {
                assert!(shown.contains(figure), "{columns}: {figure}: {lines:#?}");
            }
            assert_eq!(shown.matches("max 31.0ms").count(), 2, "{lines:#?}");
        }
        let lines = shown(&screen, 80, 24);
        let expected = [
            "shard connections   topics matched/s written/s   pending   lane  turns/s  busy",
            "shard   pending      bytes   behind blocked protocol       slowest connections",
        ];
        let headers: Vec<_> = lines
            .iter()
            .filter(|line| line.starts_with("shard"))
            .collect();
        assert_eq!(headers, expected, "{lines:#?}");
    }

    #[test]
    fn a_long_error_is_shown_in_full() {
        let mut screen = screen();
        screen.error = Some("127.0.0.1:8001: refused; is `fanfare serve` running there?".into());
        let lines = shown(&screen, 40, 24);
        let all = lines.join(" ");
        assert!(all.contains("refused; is `fanfare serve`"), "{lines:#?}");
        assert!(all.contains("running there?"), "{lines:#?}");
    }

    #[test]
    fn health_reasons_missing_shards_and_errors_are_shown() {
        let mut screen = screen();
        screen.health.status = "degraded".into();
        screen.health.reasons = vec!["at ws.max_connections (10)".into()];
        screen.silent_shards = vec![1];
        let lines = shown(&screen, 100, 24);
        assert!(lines[0].ends_with("degraded: at ws.max_connections (10)"));
        assert_eq!(lines[4], "shard 1 did not report its slow connections");
        screen.error = Some("the node is unreachable".into());
        assert_eq!(shown(&screen, 100, 24)[4], "the node is unreachable");
    }

    #[test]
    fn old_figures_are_marked_with_their_age_and_no_status_is_shown() {
        let mut screen = screen();
        screen.outdated_s = Some(75);
        let lines = shown(&screen, 100, 24);
        let expected = "fanfare 0.1.0   127.0.0.1:8001   no answer for 1m15s: old figures";
        assert_eq!(lines[0], expected);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 100, 24));
        draw(&screen, buffer.area, &mut buffer);
        let is_dim = |row| buffer[(2, row)].modifier.contains(Modifier::DIM);
        assert!(!is_dim(0));
        for (row, _) in lines.iter().enumerate().filter(|(_, it)| !it.is_empty()) {
            assert_eq!(is_dim(row as u16), row > 0, "{row}");
        }
    }

    #[test]
    fn control_characters_from_a_node_are_not_printed() {
        let mut screen = screen();
        screen.slow[0].peer = Some("\u{1b}[2J\u{7}".into());
        assert!(!text(&screen).contains(['\u{1b}', '\u{7}']));
    }
}
