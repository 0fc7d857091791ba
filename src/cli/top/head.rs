//! The figures above the tables. Figures that do not fit into a line are continued on the next one.

use std::mem;

use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};

use super::model::Screen;
use super::node::Quantiles;
use super::units::{age, bytes, microseconds, number};

/// Separates two figures of a line.
const GAP: &str = "   ";

/// Returns the lines, the last of which are a notice or empty.
pub(super) fn head(screen: &Screen, columns: u16) -> Vec<Line<'static>> {
    let figures = |spans: Vec<Span<'static>>| match screen.outdated_s {
        Some(_) => spans.into_iter().map(Stylize::dim).collect(),
        None => spans,
    };
    let groups = [
        first_line(screen),
        figures(traffic(screen)),
        figures(drops(screen)),
        figures(latencies(screen)),
        vec![notice(screen).red().bold()],
    ];
    let lines = groups.into_iter().flat_map(|it| pack(it, columns.into()));
    lines.collect()
}

/// Divides figures into lines of at most `columns` characters: between two figures, and at the
/// spaces of a figure that is longer than a line. Returns at least one line.
fn pack(figures: Vec<Span<'static>>, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut line = Line::default();
    for piece in figures.into_iter().flat_map(|it| pieces(&it, columns)) {
        if !line.spans.is_empty() && line.width() + GAP.len() + piece.width() > columns {
            lines.push(mem::take(&mut line));
        }
        if !line.spans.is_empty() {
            line.push_span(GAP);
        }
        line.push_span(piece);
    }
    lines.push(line);
    lines
}

/// Divides a figure that is longer than `columns` characters at its spaces. A longer word remains
/// whole.
fn pieces(figure: &Span<'static>, columns: usize) -> Vec<Span<'static>> {
    let mut pieces = vec![String::new()];
    for word in figure.content.split(' ') {
        let piece = pieces.last_mut().expect("there is a first piece");
        let (length, added) = (Span::raw(&*piece).width(), Span::raw(word).width());
        if piece.is_empty() {
            piece.push_str(word);
        } else if length + 1 + added <= columns {
            piece.push(' ');
            piece.push_str(word);
        } else {
            pieces.push(word.to_owned());
        }
    }
    let style = figure.style;
    let spans = pieces.into_iter().map(|it| Span::styled(it, style));
    spans.collect()
}

/// Returns the reason why figures are outdated or missing.
fn notice(screen: &Screen) -> String {
    let silent = screen
        .silent_shards
        .iter()
        .map(|shard| format!("shard {shard} did not report its slow connections"));
    let silent: Vec<_> = silent.collect();
    screen.error.clone().unwrap_or_else(|| silent.join("; "))
}

fn first_line(screen: &Screen) -> Vec<Span<'static>> {
    let mut line = vec![
        format!("fanfare {}", screen.version).bold(),
        screen.address.clone().into(),
    ];
    if let Some(seconds) = screen.outdated_s {
        let text = format!("no answer for {}: old figures", age(seconds as f64));
        line.push(text.red().bold().reversed());
    } else {
        line.push(format!("up {}", age(screen.uptime_s)).into());
        line.push(status(screen));
    }
    line
}

fn status(screen: &Screen) -> Span<'static> {
    let health = &screen.health;
    let color = match health.status.as_str() {
        "ok" => Color::Green,
        _ => Color::Yellow,
    };
    let text = match health.reasons.as_slice() {
        [] => health.status.clone(),
        reasons => format!("{}: {}", health.status, reasons.join("; ")),
    };
    Span::styled(text, color)
}

fn traffic(screen: &Screen) -> Vec<Span<'static>> {
    let (connections, maximum) = (screen.connections, screen.max_connections);
    vec![
        format!("connections {connections} of {maximum}").into(),
        format!("in {}/s", number(screen.received)).into(),
        format!("out {}/s", number(screen.written)).into(),
        format!("{}/s", bytes(screen.written_bytes)).into(),
        format!("pending {}", screen.pending).into(),
    ]
}

fn drops(screen: &Screen) -> Vec<Span<'static>> {
    let is_positive = |rate: Option<f64>| rate.is_some_and(|rate| rate > 0.0);
    let reasons = screen.dropped.iter().filter(|(_, rate)| is_positive(*rate));
    let reasons = reasons.map(|(reason, rate)| format!("{reason} {}/s", number(*rate)));
    let reasons: Vec<_> = reasons.collect();
    let total = screen.total_dropped();
    let reasons = match reasons.as_slice() {
        [] => String::new(),
        reasons => format!(" ({})", reasons.join(", ")),
    };
    let dropped = format!("dropped {}/s{reasons}", number(total));
    let rejected = format!("rejected {}/s", number(screen.rejected));
    let style = |rate| {
        if is_positive(rate) {
            Style::new().red().bold()
        } else {
            Style::new()
        }
    };
    vec![
        Span::styled(dropped, style(total)),
        Span::styled(rejected, style(screen.rejected)),
    ]
}

fn latencies(screen: &Screen) -> Vec<Span<'static>> {
    let of = |name: &str, quantiles: Option<Quantiles>| {
        let time = |get: fn(&Quantiles) -> f64| microseconds(quantiles.as_ref().map(get));
        format!(
            "{name} p50 {}  p99 {}  p99.9 {}  max {}",
            time(|quantiles| quantiles.p50),
            time(|quantiles| quantiles.p99),
            time(|quantiles| quantiles.p999),
            time(|quantiles| quantiles.max),
        )
    };
    vec![
        of("latency", screen.latency_us).into(),
        of("lag", screen.lag_us).into(),
    ]
}
