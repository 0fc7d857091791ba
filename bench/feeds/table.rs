//! What each feed took on the wire: rows of the report, its expectations, and a table for people.

use super::payloads::Feed;
use crate::report::Report;

/// The ways of arriving and the kinds of clients, in the order of a row's cells.
const ARRIVALS: [&str; 2] = ["single", "burst"];
pub const SIDES: [&str; 2] = ["plain", "deflate"];

/// What pings may add to the bytes of one kind of clients and not of the other, as a share.
const PINGS: f64 = 0.005;

/// What one kind of clients got of one feed that arrived in one way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cell {
    /// Bytes of the WebSocket stream per publication that came.
    pub wire_bytes: f64,
    pub publications_per_message: f64,
    pub missing: u64,
}

/// What one feed took.
#[derive(Debug)]
pub struct Row {
    pub feed: Feed,
    /// The mean.
    pub payload_bytes: f64,
    /// By arrival and kind of clients.
    pub cells: [[Cell; 2]; 2],
}

impl Row {
    /// Of what single publications take to plain clients.
    fn percent(&self, cell: Cell) -> f64 {
        cell.wire_bytes / self.cells[0][0].wire_bytes * 100.0
    }

    /// Publications that shared a message with others, to clients that negotiated.
    fn shared(&self) -> f64 {
        self.cells[1][1].publications_per_message
    }

    /// Adds the figures, and what must hold: all came, and compressing and sharing save bytes.
    pub fn add_to(&self, report: &mut Report) {
        let feed = self.feed.name();
        report.add_decimal(format!("{feed}_payload_bytes"), self.payload_bytes);
        for (arrival, cells) in ARRIVALS.into_iter().zip(self.cells) {
            for (side, cell) in SIDES.into_iter().zip(cells) {
                let name = format!("{feed}_{arrival}_{side}");
                report.add_decimal(format!("{name}_wire_bytes_per_delivery"), cell.wire_bytes);
                report.add_decimal(format!("{name}_percent"), self.percent(cell));
                report.add_zero(&format!("{name}_missing"), cell.missing);
            }
            let [plain, deflate] = cells.map(|cell| cell.wire_bytes);
            report.expect(deflate <= plain * (1.0 + PINGS), || {
                format!("{feed}_{arrival}: {deflate:.1} bytes compressed, {plain:.1} plain")
            });
        }
        let shared = self.shared();
        report.add_decimal(format!("{feed}_burst_publications_per_message"), shared);
        let [[_, single], [_, burst]] = self.cells;
        let pays = shared <= 1.0 || burst.wire_bytes < single.wire_bytes;
        report.expect(pays, || format!("{feed}: sharing a message saves nothing"));
    }

    fn markdown(&self) -> String {
        let mut columns = vec![
            self.feed.name().to_owned(),
            format!("{:.0}", self.payload_bytes),
        ];
        for cell in self.cells.into_iter().flatten() {
            let percent = self.percent(cell);
            columns.push(format!("{:.1} ({percent:.0} %)", cell.wire_bytes));
        }
        columns.push(format!("{:.1}", self.shared()));
        format!("| {} |", columns.join(" | "))
    }
}

/// A table in Markdown: bytes per publication, and percent of the third column.
pub fn markdown(rows: &[Row], burst: usize) -> String {
    let titles = [
        "feed".to_owned(),
        "payload".to_owned(),
        "plain".to_owned(),
        "deflate".to_owned(),
        format!("plain, bursts of {burst}"),
        format!("deflate, bursts of {burst}"),
        "publications per message in bursts".to_owned(),
    ];
    let mut lines = vec![
        String::new(),
        format!("| {} |", titles.join(" | ")),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(rows.iter().map(Row::markdown));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wire_bytes: [[f64; 2]; 2], publications_per_message: f64, missing: u64) -> Row {
        let cell = |wire_bytes| Cell {
            wire_bytes,
            publications_per_message,
            missing,
        };
        Row {
            feed: Feed::Chat,
            payload_bytes: 280.0,
            cells: wire_bytes.map(|side| side.map(cell)),
        }
    }

    fn is_met(wire_bytes: [[f64; 2]; 2], publications_per_message: f64, missing: u64) -> bool {
        let mut report = Report::new("test");
        row(wire_bytes, publications_per_message, missing).add_to(&mut report);
        report.is_met()
    }

    #[test]
    fn compressing_and_sharing_must_save_bytes() {
        assert!(is_met([[300.0, 200.0], [290.0, 90.0]], 20.0, 0));
        assert!(is_met([[300.0, 200.0], [300.0, 200.0]], 1.0, 0));
        assert!(is_met([[300.0, 301.0], [290.0, 90.0]], 20.0, 0));
        assert!(!is_met([[300.0, 200.0], [300.0, 200.0]], 20.0, 0));
        assert!(!is_met([[300.0, 302.0], [290.0, 90.0]], 20.0, 0));
        assert!(!is_met([[300.0, 200.0], [290.0, 90.0]], 20.0, 1));
    }

    #[test]
    fn the_table_has_a_row_for_each_feed() {
        let table = markdown(&[row([[300.0, 200.0], [290.0, 90.0]], 20.0, 0)], 20);
        let expected = "| chat | 280 | 300.0 (100 %) | 200.0 (67 %) | 290.0 (97 %) | \
            90.0 (30 %) | 20.0 |";
        assert_eq!(table.trim().lines().last(), Some(expected));
        let bars = |line: &str| line.matches('|').count();
        assert!(table.trim().lines().all(|line| bars(line) == 8));
    }
}
