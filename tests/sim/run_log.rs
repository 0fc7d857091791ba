//! The last events of a run and its seed. If the test fails, they are printed, so that the run can
//! be repeated. Test thread.

use std::collections::VecDeque;

/// The position of a run and its last events. Prints them when the thread panics.
pub struct RunLog {
    seed: u64,
    pub steps: u64,
    /// The number of the current step; 0 before the first.
    pub step: u64,
    lines: VecDeque<String>,
}

impl RunLog {
    /// The number of events that are kept. The report of a failure then fits on one screen.
    const LINES: usize = 50;

    pub fn new(seed: u64, steps: u64) -> Self {
        Self {
            seed,
            steps,
            step: 0,
            lines: VecDeque::new(),
        }
    }

    /// Adds an event, which occurs at `now_us`.
    pub fn add(&mut self, now_us: u64, event: &str) {
        if self.lines.len() == Self::LINES {
            self.lines.pop_front();
        }
        let line = format!("  {} @{now_us}us: {event}\n", self.step);
        self.lines.push_back(line);
    }
}

impl Drop for RunLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let report: String = self.lines.iter().map(String::as_str).collect();
            let Self {
                seed, steps, step, ..
            } = self;
            eprintln!(
                "the last events:\n{report}failed at step {step}; repeat with \
                 FANFARE_SIM_SEED={seed} FANFARE_SIM_STEPS={steps}"
            );
        }
    }
}
