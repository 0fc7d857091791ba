//! The bytes of each feed on the wire: figures of the report, checks, and a table in Markdown.
//! Receiving thread, after the run.

use super::payloads::Feed;
use crate::report::results::Report;

/// The kinds of arrival and the kinds of clients, in the order of the figures of a row.
const ARRIVALS: [&str; 2] = ["single", "burst"];
pub const CLIENT_KINDS: [&str; 2] = ["plain", "deflate"];

/// Tolerance as a share of the bytes: pings may be sent to one kind of clients and not to the
/// other.
const PING_TOLERANCE: f64 = 0.005;

/// The figures of one feed with one kind of arrival, for one kind of clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct FeedFigures {
    /// Bytes of the WebSocket stream per publication received.
    pub wire_bytes: f64,
    pub publications_per_message: f64,
    pub missing: u64,
}

/// The figures of one feed.
#[derive(Debug)]
pub struct FeedRow {
    pub feed: Feed,
    /// Mean size of a payload.
    pub payload_bytes: f64,
    /// The figures by kind of arrival and kind of clients.
    pub figures: [[FeedFigures; 2]; 2],
}

impl FeedRow {
    /// Returns the bytes in percent of those of single publications to plain clients.
    fn percent(&self, figures: FeedFigures) -> f64 {
        figures.wire_bytes / self.figures[0][0].wire_bytes * 100.0
    }

    /// Returns the publications per message in bursts to clients that negotiated compression.
    fn burst_publications_per_message(&self) -> f64 {
        self.figures[1][1].publications_per_message
    }

    /// Adds the figures, and checks that nothing is missing and that compression and shared
    /// messages save bytes.
    pub fn add_to(&self, report: &mut Report) {
        let feed = self.feed.name();
        report.add_decimal(format!("{feed}_payload_bytes"), self.payload_bytes);
        for (arrival, both) in ARRIVALS.into_iter().zip(self.figures) {
            for (kind, figures) in CLIENT_KINDS.into_iter().zip(both) {
                let name = format!("{feed}_{arrival}_{kind}");
                let wire_bytes = figures.wire_bytes;
                report.add_decimal(format!("{name}_wire_bytes_per_delivery"), wire_bytes);
                report.add_decimal(format!("{name}_percent"), self.percent(figures));
                report.add_zero(&format!("{name}_missing"), figures.missing);
            }
            let [plain, deflate] = both.map(|figures| figures.wire_bytes);
            report.check(deflate <= plain * (1.0 + PING_TOLERANCE), || {
                format!("{feed}_{arrival}: {deflate:.1} bytes compressed, {plain:.1} plain")
            });
        }
        let per_message = self.burst_publications_per_message();
        report.add_decimal(
            format!("{feed}_burst_publications_per_message"),
            per_message,
        );
        let [[_, single], [_, burst]] = self.figures;
        let saves = per_message <= 1.0 || burst.wire_bytes < single.wire_bytes;
        report.check(saves, || format!("{feed}: shared messages save no bytes"));
    }

    fn markdown(&self) -> String {
        let mut columns = vec![
            self.feed.name().to_owned(),
            format!("{:.0}", self.payload_bytes),
        ];
        for figures in self.figures.into_iter().flatten() {
            let percent = self.percent(figures);
            columns.push(format!("{:.1} ({percent:.0} %)", figures.wire_bytes));
        }
        columns.push(format!("{:.1}", self.burst_publications_per_message()));
        format!("| {} |", columns.join(" | "))
    }
}

/// Returns a table in Markdown: bytes per publication, and percent of the third column.
pub fn markdown(rows: &[FeedRow], burst: usize) -> String {
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
    lines.extend(rows.iter().map(FeedRow::markdown));
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(wire_bytes: [[f64; 2]; 2], publications_per_message: f64, missing: u64) -> FeedRow {
        let figures = |wire_bytes| FeedFigures {
            wire_bytes,
            publications_per_message,
            missing,
        };
        FeedRow {
            feed: Feed::Chat,
            payload_bytes: 280.0,
            figures: wire_bytes.map(|arrival| arrival.map(figures)),
        }
    }

    fn is_passed(wire_bytes: [[f64; 2]; 2], publications_per_message: f64, missing: u64) -> bool {
        let mut report = Report::new("test");
        row(wire_bytes, publications_per_message, missing).add_to(&mut report);
        report.is_passed()
    }

    #[test]
    fn compression_and_shared_messages_must_save_bytes() {
        assert!(is_passed([[300.0, 200.0], [290.0, 90.0]], 20.0, 0));
        assert!(is_passed([[300.0, 200.0], [300.0, 200.0]], 1.0, 0));
        assert!(is_passed([[300.0, 301.0], [290.0, 90.0]], 20.0, 0));
        assert!(!is_passed([[300.0, 200.0], [300.0, 200.0]], 20.0, 0));
        assert!(!is_passed([[300.0, 302.0], [290.0, 90.0]], 20.0, 0));
        assert!(!is_passed([[300.0, 200.0], [290.0, 90.0]], 20.0, 1));
    }

    #[test]
    fn the_table_has_a_row_for_each_feed() {
        let table = markdown(&[row([[300.0, 200.0], [290.0, 90.0]], 20.0, 0)], 20);
        let expected = "| chat | 280 | 300.0 (100 %) | 200.0 (67 %) | 290.0 (97 %) | \
            90.0 (30 %) | 20.0 |";
        assert_eq!(table.trim().lines().last(), Some(expected));
        let separators = |line: &str| line.matches('|').count();
        assert!(table.trim().lines().all(|line| separators(line) == 8));
    }
}
