//! Draws the timeline of a run as SVG: latency on a logarithmic axis, below it throughput and CPU
//! of the server. Main thread, after the run.

use std::fmt::Write;

use crate::report::timeline::TimelineInterval;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 620.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 880.0;

/// Maximum length of the command above the panels in characters.
const COMMAND_CHARACTERS: usize = 160;

/// Maximum number of steps between the ticks of an axis.
const TICKS: f64 = 6.0;

const P50: &str = "#1b6ca8";
const P99: &str = "#c0392b";
const RATE: &str = "#2e7d32";
const CPU: &str = "#7f7f7f";

const STYLE: &str = "text{font:13px sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}\
    .small{font-size:11px;fill:#555}.grid{stroke:#ddd}.frame{fill:none;stroke:#888}\
    polyline{fill:none;stroke-width:1.6}";

/// Position of a panel in pixels from the top.
#[derive(Clone, Copy, Debug)]
struct Panel {
    top: f64,
    bottom: f64,
}

const LATENCY: Panel = Panel {
    top: 80.0,
    bottom: 310.0,
};
const THROUGHPUT: Panel = Panel {
    top: 360.0,
    bottom: 560.0,
};

/// Maps values to a share of an axis, 0 to 1.
#[derive(Clone, Copy, Debug)]
enum Scale {
    Linear { most: f64 },
    Log { least: f64, most: f64 },
}

impl Scale {
    fn share(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { most } => value / most,
            Self::Log { least, most } => (value.max(least) / least).ln() / (most / least).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Returns a linear axis from 0 to a round value of at least `value`, and its ticks.
    fn linear(value: f64) -> (Self, Vec<f64>) {
        let step = step(value.max(1e-9));
        let mut ticks = vec![0.0];
        let mut most = 0.0;
        while most < value * 0.999_999 || ticks.len() < 2 {
            most = step * ticks.len() as f64;
            ticks.push(most);
        }
        (Self::Linear { most }, ticks)
    }

    /// Returns a logarithmic axis of whole decades around the values, and its ticks.
    fn log(least: f64, most: f64) -> (Self, Vec<f64>) {
        let low = least.max(1.0).log10().floor();
        let high = most.max(1.0).log10().ceil().max(low + 1.0);
        let decades = (high - low) as i32;
        let ticks = (0..=decades).map(|nth| 10_f64.powf(low + f64::from(nth)));
        let (least, most) = (10_f64.powf(low), 10_f64.powf(high));
        (Self::Log { least, most }, ticks.collect())
    }
}

/// Returns a step of 1, 2 or 5 times a power of ten, so that at most [`TICKS`] steps reach `value`.
fn step(value: f64) -> f64 {
    let raw = value / TICKS;
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0].map(|factor| factor * power);
    let fitting = round.into_iter().find(|round| *round >= raw * 0.999_999);
    fitting.unwrap_or(10.0 * power)
}

/// Returns the drawing. `title` is the scenario and `command` the command line.
pub fn svg(title: &str, command: &str, intervals: &[TimelineInterval]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\">\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    text(&mut out, (LEFT, 26.0), "start", "title", title);
    text(
        &mut out,
        (LEFT, 44.0),
        "start",
        "small",
        &shortened(command),
    );
    let end_s = intervals.last().map_or(1.0, |interval| interval.end_s);
    let (time, seconds) = Scale::linear(end_s);
    let x = |value: f64| LEFT + time.share(value) * (RIGHT - LEFT);
    draw_latency(&mut out, intervals, &x);
    draw_throughput(&mut out, intervals, &x);
    for panel in [LATENCY, THROUGHPUT] {
        for &second in &seconds {
            let at = (x(second), panel.bottom + 18.0);
            text(&mut out, at, "middle", "", &number(second));
        }
    }
    let caption = (f64::midpoint(LEFT, RIGHT), HEIGHT - 16.0);
    text(&mut out, caption, "middle", "", "time since the warm-up, s");
    out.push_str("</svg>\n");
    out
}

fn draw_latency(out: &mut String, intervals: &[TimelineInterval], x: &impl Fn(f64) -> f64) {
    let timed: Vec<_> = intervals
        .iter()
        .filter_map(|interval| Some((interval.end_s, interval.latency?)))
        .collect();
    let p50 = timed.iter().map(|(end_s, at)| (*end_s, at.p50_us as f64));
    let p99 = timed.iter().map(|(end_s, at)| (*end_s, at.p99_us as f64));
    let least = p50.clone().map(|(_, us)| us).fold(f64::INFINITY, f64::min);
    let most = p99.clone().map(|(_, us)| us).fold(1.0, f64::max);
    let (scale, ticks) = Scale::log(least.min(most), most);
    axis(out, LATENCY, "delivery latency, us (log)", scale, &ticks);
    line(out, LATENCY, P50, scale, p50, x);
    line(out, LATENCY, P99, scale, p99, x);
    legend(out, LATENCY, &[("p50", P50), ("p99", P99)]);
}

fn draw_throughput(out: &mut String, intervals: &[TimelineInterval], x: &impl Fn(f64) -> f64) {
    let rates = intervals
        .iter()
        .map(|interval| (interval.end_s, interval.deliveries_per_second));
    let most = rates.clone().map(|(_, rate)| rate).fold(1.0, f64::max);
    let (scale, ticks) = Scale::linear(most);
    axis(out, THROUGHPUT, "deliveries/s", scale, &ticks);
    line(out, THROUGHPUT, RATE, scale, rates, x);
    let cpu: Vec<_> = intervals
        .iter()
        .filter_map(|interval| Some((interval.end_s, interval.server_cpu_percent?)))
        .collect();
    if cpu.is_empty() {
        legend(out, THROUGHPUT, &[("deliveries/s", RATE)]);
        return;
    }
    let most = cpu
        .iter()
        .map(|(_, percent)| *percent)
        .fold(100.0, f64::max);
    let (scale, ticks) = Scale::linear(most);
    for &percent in &ticks {
        let at = (RIGHT + 8.0, y(THROUGHPUT, scale, percent) + 4.0);
        text(out, at, "start", "", &format!("{percent:.0} %"));
    }
    line(out, THROUGHPUT, CPU, scale, cpu.into_iter(), x);
    let names = [("deliveries/s", RATE), ("server CPU, % of a core", CPU)];
    legend(out, THROUGHPUT, &names);
}

fn y(panel: Panel, scale: Scale, value: f64) -> f64 {
    panel.bottom - scale.share(value) * (panel.bottom - panel.top)
}

/// Draws the frame of a panel, the ticks on its left with grid lines, and its title.
fn axis(out: &mut String, panel: Panel, name: &str, scale: Scale, ticks: &[f64]) {
    for &tick in ticks {
        let at = y(panel, scale, tick);
        element(
            out,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ),
        );
        text(out, (LEFT - 8.0, at + 4.0), "end", "", &number(tick));
    }
    let (top, height) = (panel.top, panel.bottom - panel.top);
    let width = RIGHT - LEFT;
    element(
        out,
        format_args!(
            "<rect class=\"frame\" x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>"
        ),
    );
    text(out, (LEFT, panel.top - 10.0), "start", "", name);
}

/// Draws a line through values over time.
fn line(
    out: &mut String,
    panel: Panel,
    color: &str,
    scale: Scale,
    values: impl Iterator<Item = (f64, f64)>,
    x: &impl Fn(f64) -> f64,
) {
    let points: Vec<_> = values
        .map(|(end_s, value)| format!("{:.1},{:.1}", x(end_s), y(panel, scale, value)))
        .collect();
    let points = points.join(" ");
    element(
        out,
        format_args!("<polyline stroke=\"{color}\" points=\"{points}\"/>"),
    );
}

/// Draws names in their colors above the right end of a panel.
fn legend(out: &mut String, panel: Panel, names: &[(&str, &str)]) {
    let mut spans = String::new();
    for (name, color) in names {
        let name = escaped(name);
        // SVG drops ordinary spaces at the end of a span, but not no-break spaces.
        let _ = write!(
            spans,
            "<tspan fill=\"{color}\">\u{2014} {name}\u{a0}\u{a0}\u{a0}</tspan>"
        );
    }
    let at = panel.top - 10.0;
    element(
        out,
        format_args!("<text x=\"{RIGHT}\" y=\"{at}\" text-anchor=\"end\">{spans}</text>"),
    );
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, words: &str) {
    let words = escaped(words);
    element(
        out,
        format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        ),
    );
}

fn element(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{arguments}");
}

/// Shortens a command to the width of the drawing.
fn shortened(command: &str) -> String {
    match command.char_indices().nth(COMMAND_CHARACTERS) {
        Some((end, _)) => format!("{}\u{2026}", &command[..end]),
        None => command.to_owned(),
    }
}

fn escaped(words: &str) -> String {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    words.replace('>', "&gt;")
}

/// Returns the label of a tick, such as 250, 1.5k or 2M.
fn number(value: f64) -> String {
    let (value, unit) = match value {
        large if large >= 1e6 => (large / 1e6, "M"),
        large if large >= 1e3 => (large / 1e3, "k"),
        small => (small, ""),
    };
    let digits = format!("{value:.2}");
    format!(
        "{}{unit}",
        digits.trim_end_matches('0').trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::timeline::IntervalLatency;

    fn interval(end_s: f64, p50_us: u64) -> TimelineInterval {
        TimelineInterval {
            end_s,
            deliveries_per_second: 75_000.0,
            latency: (p50_us > 0).then_some(IntervalLatency {
                p50_us,
                p99_us: p50_us * 10,
            }),
            server_cpu_percent: Some(50.0),
        }
    }

    #[test]
    fn axes_end_at_round_values_that_include_all_values() {
        for (value, most, count) in [
            (75_000.0, 80_000.0, 5),
            (5_600_000.0, 6_000_000.0, 7),
            (1.0, 1.0, 6),
            (60.0, 60.0, 7),
        ] {
            let (scale, ticks) = Scale::linear(value);
            assert!(
                (ticks[ticks.len() - 1] - most).abs() < 1e-6 * most,
                "{value}"
            );
            assert_eq!(ticks.len(), count, "{value}");
            assert!(scale.share(value) <= 1.0 && scale.share(value / 2.0) < 0.51);
        }
        let (scale, ticks) = Scale::log(150.0, 40_000.0);
        let texts: Vec<_> = ticks.iter().map(|&tick| number(tick)).collect();
        assert_eq!(texts, ["100", "1k", "10k", "100k"]);
        assert!((scale.share(1000.0) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn every_value_is_inside_its_panel_and_text_is_escaped() {
        let intervals = [interval(0.25, 100), interval(0.5, 0), interval(0.75, 9000)];
        let svg = svg("custom", "a <b> & c", &intervals);
        assert!(svg.contains("a &lt;b&gt; &amp; c") && svg.ends_with("</svg>\n"));
        let lines: Vec<_> = svg
            .lines()
            .filter(|line| line.contains("<polyline"))
            .collect();
        assert_eq!(lines.len(), 4);
        for (line, (panel, count)) in
            lines
                .iter()
                .zip([(LATENCY, 2), (LATENCY, 2), (THROUGHPUT, 3), (THROUGHPUT, 3)])
        {
            let points = line.split("points=\"").nth(1).unwrap();
            let points: Vec<_> = points.trim_end_matches("\"/>").split(' ').collect();
            assert_eq!(points.len(), count);
            for point in points {
                let (x, y) = point.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((LEFT..=RIGHT).contains(&x), "{line}");
                assert!((panel.top..=panel.bottom).contains(&y), "{line}");
            }
        }
    }

    #[test]
    fn a_run_without_intervals_is_an_empty_drawing() {
        let svg = svg("custom", "", &[]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let long = super::svg("custom", &"\u{e4}".repeat(500), &[]);
        assert!(long.contains('\u{2026}') && !long.contains(&"\u{e4}".repeat(161)));
    }
}
