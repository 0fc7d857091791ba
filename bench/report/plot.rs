//! Draws the timeline of a run as SVG: latency on a logarithmic axis, below it throughput and CPU
//! of the server. Main thread, after the run.

use std::fmt::Write;

use crate::report::scale::{Scale, number, time};
use crate::report::timeline::TimelineInterval;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 620.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 880.0;

/// Maximum length of the command above the panels in characters.
const COMMAND_CHARACTERS: usize = 130;

/// Distance of the baseline of a title and a legend from their panel in pixels. The labels of the
/// uppermost ticks extend 6 pixels above the panel.
const TITLE_DISTANCE: f64 = 16.0;

/// Sizes of a legend in pixels: a line in the color of its curve, its distance from the name, the
/// distance between two names, and a character, which is 7 pixels wide on average.
const SAMPLE: f64 = 24.0;
const SAMPLE_DISTANCE: f64 = 6.0;
const NAME_DISTANCE: f64 = 26.0;
const CHARACTER: f64 = 7.5;

const P50: &str = "#1b6ca8";
const P99: &str = "#c0392b";
const RATE: &str = "#2e7d32";
const CPU: &str = "#7f7f7f";

const STYLE: &str = "text{font:13px sans-serif;fill:#222}.title{font-size:16px;font-weight:bold}\
    .small{font-size:11px;fill:#555}.grid{stroke:#ddd}.frame{fill:none;stroke:#888}\
    polyline{fill:none;stroke-width:1.6}.sample{stroke-width:3}";

/// Position of a panel in pixels from the top.
#[derive(Clone, Copy, Debug)]
struct Panel {
    top: f64,
    bottom: f64,
}

const LATENCY: Panel = Panel {
    top: 88.0,
    bottom: 310.0,
};
const THROUGHPUT: Panel = Panel {
    top: 378.0,
    bottom: 560.0,
};

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
    let title = "delivery latency (logarithmic)";
    axis(out, LATENCY, title, scale, &ticks, time);
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
    axis(out, THROUGHPUT, "deliveries/s", scale, &ticks, number);
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
fn axis(
    out: &mut String,
    panel: Panel,
    name: &str,
    scale: Scale,
    ticks: &[f64],
    label: fn(f64) -> String,
) {
    for &tick in ticks {
        let at = y(panel, scale, tick);
        element(
            out,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            ),
        );
        text(out, (LEFT - 8.0, at + 4.0), "end", "", &label(tick));
    }
    let (top, height) = (panel.top, panel.bottom - panel.top);
    let width = RIGHT - LEFT;
    element(
        out,
        format_args!(
            "<rect class=\"frame\" x=\"{LEFT}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>"
        ),
    );
    let at = (LEFT, panel.top - TITLE_DISTANCE);
    text(out, at, "start", "", name);
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

/// Draws names behind lines in their colors, above the right end of a panel.
fn legend(out: &mut String, panel: Panel, names: &[(&str, &str)]) {
    let mut right = RIGHT;
    let baseline = panel.top - TITLE_DISTANCE;
    for (name, color) in names.iter().rev() {
        let start = right - CHARACTER * name.chars().count() as f64;
        let (from, to) = (start - SAMPLE_DISTANCE - SAMPLE, start - SAMPLE_DISTANCE);
        let middle = baseline - 4.0;
        element(
            out,
            format_args!(
                "<line class=\"sample\" stroke=\"{color}\" x1=\"{from:.1}\" x2=\"{to:.1}\" \
                 y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>"
            ),
        );
        text(out, (start, baseline), "start", "name", name);
        right = from - NAME_DISTANCE;
    }
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
    fn the_legend_is_above_its_panel_and_its_parts_do_not_touch() {
        let svg = svg("custom", "", &[interval(0.25, 100)]);
        let attribute = |line: &str, name: &str| -> f64 {
            let value = line.split(&format!(" {name}=\"")).nth(1).unwrap();
            value.split('"').next().unwrap().parse().unwrap()
        };
        let lines: Vec<_> = svg.lines().collect();
        let entries = lines.windows(2).filter(|two| two[0].contains("\"sample\""));
        let mut left_of_others = [RIGHT, RIGHT];
        for (nth, two) in entries.enumerate() {
            let (panel, left) = ([LATENCY, THROUGHPUT][nth / 2], &mut left_of_others[nth / 2]);
            let (sample, name) = (two[0], two[1]);
            let length = name.split(['>', '<']).nth(2).unwrap().len() as f64;
            assert!(attribute(name, "y") <= panel.top - 14.0);
            assert!(attribute(sample, "x2") + 4.0 < attribute(name, "x"));
            assert!(attribute(name, "x") + 7.0 * length <= *left);
            *left = attribute(sample, "x1") - 20.0;
        }
        assert!(
            left_of_others
                .iter()
                .all(|&left| LEFT + 250.0 < left && left < RIGHT - 100.0)
        );
    }

    #[test]
    fn a_run_without_intervals_is_an_empty_drawing() {
        let svg = svg("custom", "", &[]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        let long = super::svg("custom", &"\u{e4}".repeat(500), &[]);
        assert!(long.contains('\u{2026}') && !long.contains(&"\u{e4}".repeat(161)));
    }
}
