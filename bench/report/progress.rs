//! The progress bar of a run, on stderr if that is a terminal. It shows only the elapsed time, so
//! that it costs the scenario nothing. A thread of the progress bar.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

const REDRAW: Duration = Duration::from_millis(250);

/// Width of the bar in characters.
const WIDTH: usize = 32;

/// A bar that is visible until it is dropped.
#[derive(Debug)]
pub struct ProgressIndicator {
    bar: Option<ProgressBar>,
}

impl ProgressIndicator {
    /// Shows a bar for a run of `seconds`.
    pub fn start(scenario: &'static str, seconds: u32) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let filled = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Writing fails only if the terminal has no room, and the run goes on without the bar.
            let _ = out.write_str(&bar_text(state.elapsed(), seconds));
        };
        let style = ProgressStyle::with_template("{msg} {gauge} {elapsed}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .with_key("gauge", filled);
        let bar = ProgressBar::no_length()
            .with_style(style)
            .with_message(scenario);
        bar.enable_steady_tick(REDRAW);
        Self { bar: Some(bar) }
    }
}

impl Drop for ProgressIndicator {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Returns the text of the bar. After the planned time the run only waits for the last deliveries.
fn bar_text(elapsed: Duration, seconds: u32) -> String {
    let total_s = f64::from(seconds.max(1));
    let share = (elapsed.as_secs_f64() / total_s).min(1.0);
    let done = (0..WIDTH).take_while(|&at| (at + 1) as f64 <= share * WIDTH as f64);
    let done = done.count();
    let (full, rest) = ("#".repeat(done), "-".repeat(WIDTH - done));
    let tail = if share < 1.0 { "" } else { " (draining)" };
    format!(
        "[{full}{rest}] {:3.0} % of {seconds} s{tail}",
        share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_with_time_and_then_stays_full() {
        let at = |ms| bar_text(Duration::from_millis(ms), 10);
        assert_eq!(at(0), format!("[{}]   0 % of 10 s", "-".repeat(WIDTH)));
        let half = format!("[{}{}]  50 % of 10 s", "#".repeat(16), "-".repeat(16));
        assert_eq!(at(5000), half);
        assert!(at(25_000).ends_with("100 % of 10 s (draining)"));
        assert!(bar_text(Duration::ZERO, 0).contains("0 %"));
    }
}
