//! How long a comparison in pairs takes, on stderr: an estimate before the first pair, and the
//! remaining time after each. Main thread.

use std::time::{Duration, Instant};

/// The time of a comparison in pairs.
#[derive(Debug)]
pub struct PairSchedule {
    pub pairs: u32,
    start: Instant,
}

impl PairSchedule {
    /// Prints the estimate. `seconds` is the planned time of one run, without opening connections.
    pub fn start(scenario: &str, pairs: u32, seconds: u32) -> Self {
        eprintln!("fanfare-bench: {}", announcement(scenario, pairs, seconds));
        Self {
            pairs,
            start: Instant::now(),
        }
    }

    /// Prints the remaining time after `done` pairs.
    pub fn finish_pair(&self, done: u32) {
        let (pairs, left) = (
            self.pairs,
            remaining(self.start.elapsed(), done, self.pairs),
        );
        let left = duration(left);
        if done < pairs {
            eprintln!("fanfare-bench: pair {done} of {pairs} done, about {left} left");
        } else {
            eprintln!("fanfare-bench: pair {done} of {pairs} done");
        }
    }
}

fn announcement(scenario: &str, pairs: u32, seconds: u32) -> String {
    let runs = pairs.saturating_mul(2);
    let intro = format!("{scenario}, {runs} runs in pairs");
    if seconds == 0 {
        return format!("{intro}; how long they take is known after the first pair");
    }
    let total_s = u64::from(runs) * u64::from(seconds);
    let (each, total) = (
        duration(Duration::from_secs(seconds.into())),
        duration(Duration::from_secs(total_s)),
    );
    format!("{intro}, each {each} and the time to open its connections: at least {total}")
}

/// Returns the time for the other pairs if each takes as long as those that are done.
fn remaining(elapsed: Duration, done: u32, pairs: u32) -> Duration {
    elapsed * pairs.saturating_sub(done) / done.max(1)
}

/// Returns a duration in words, such as `4 min 10 s`.
fn duration(duration: Duration) -> String {
    let seconds = (duration + Duration::from_millis(500)).as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_covers_all_runs() {
        assert_eq!(
            announcement("helpshift", 5, 62),
            "helpshift, 10 runs in pairs, each 1 min 2 s and the time to open its connections: \
             at least 10 min 20 s"
        );
        assert!(announcement("storm", 1, 0).contains("after the first pair"));
    }

    #[test]
    fn the_remaining_time_follows_from_the_pairs_that_are_done() {
        let seconds = Duration::from_secs;
        assert_eq!(remaining(seconds(150), 2, 5), seconds(225));
        assert_eq!(remaining(seconds(150), 5, 5), Duration::ZERO);
        let texts = [59, 225, 7500].map(|s| duration(seconds(s)));
        assert_eq!(texts, ["59 s", "3 min 45 s", "2 h 5 min"]);
    }
}
