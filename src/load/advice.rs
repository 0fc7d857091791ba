//! Advice to add or remove a node, from the load of this node alone. fanfare itself does not act on
//! it. No clock, no IO. Control thread.

use std::time::Duration;

use crate::config::ScaleConfig;

/// The advice to an operator or to a program of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Advice {
    /// Add a node.
    Out,
    #[default]
    Hold,
    /// Remove a node.
    In,
}

impl Advice {
    pub(super) const ALL: [Self; 3] = [Self::Out, Self::Hold, Self::In];

    /// Returns the label in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Hold => "hold",
            Self::In => "in",
        }
    }

    /// Returns the name in JSON.
    pub(super) fn long_name(self) -> &'static str {
        match self {
            Self::Out => "scale-out",
            Self::Hold => "hold",
            Self::In => "scale-in",
        }
    }
}

/// The thresholds of `[scale]`, and since when the load has been beyond each of them.
#[derive(Debug, Default)]
pub(super) struct Advisor {
    /// Times in microseconds; `None` while the load is not beyond the threshold.
    above: Option<u64>,
    urgent: Option<u64>,
    below: Option<u64>,
}

/// A threshold that the load is beyond.
struct Exceeded {
    advice: Advice,
    /// `above` or `below`.
    side: &'static str,
    level: u32,
    /// How long the load must be beyond the threshold before the advice is given.
    dwell: Duration,
    lasted: Duration,
}

impl Advisor {
    /// Returns advice and its reason. `part` is the largest part of the load. While connections are
    /// leaving the node, the load is no basis for advice, and all dwell times start again.
    pub(super) fn advise(
        &mut self,
        (load, part): (f64, &str),
        scale: &ScaleConfig,
        is_leaving: bool,
        now_us: u64,
    ) -> (Advice, String) {
        if is_leaving {
            *self = Self::default();
            let reason = "connections are being moved away";
            return (Advice::Hold, reason.into());
        }
        let percent = load * 100.0;
        let exceeded = self.exceeded(percent, scale, now_us);
        if let Some(due) = exceeded.iter().find(|it| it.lasted >= it.dwell) {
            let (side, level, seconds) = (due.side, due.level, due.lasted.as_secs());
            let reason =
                format!("load {percent:.0} % ({part}) has been {side} {level} % for {seconds} s");
            return (due.advice, reason);
        }
        let reason = if let Some(waiting) = exceeded.first() {
            let (side, level) = (waiting.side, waiting.level);
            let (seconds, needed) = (waiting.lasted.as_secs(), waiting.dwell.as_secs());
            format!("load {percent:.0} % ({part}) is {side} {level} %, for {seconds} s of {needed}")
        } else {
            let (low, high) = (scale.in_below, scale.out_above);
            format!("load {percent:.0} % ({part}) is between {low} % and {high} %")
        };
        (Advice::Hold, reason)
    }

    /// Returns the thresholds that the load is beyond, the most urgent first.
    fn exceeded(&mut self, percent: f64, scale: &ScaleConfig, now_us: u64) -> Vec<Exceeded> {
        let update = |since_us: &mut Option<u64>, is_beyond: bool| {
            *since_us = is_beyond.then(|| since_us.unwrap_or(now_us));
            since_us.map(|since_us| Duration::from_micros(now_us - since_us))
        };
        let is_urgent = percent > f64::from(scale.urgent_above);
        let urgent = update(&mut self.urgent, is_urgent).map(|lasted| Exceeded {
            advice: Advice::Out,
            side: "above",
            level: scale.urgent_above,
            dwell: scale.urgent_after,
            lasted,
        });
        let is_above = percent > f64::from(scale.out_above);
        let above = update(&mut self.above, is_above).map(|lasted| Exceeded {
            advice: Advice::Out,
            side: "above",
            level: scale.out_above,
            dwell: scale.out_after,
            lasted,
        });
        let is_below = percent < f64::from(scale.in_below);
        let below = update(&mut self.below, is_below).map(|lasted| Exceeded {
            advice: Advice::In,
            side: "below",
            level: scale.in_below,
            dwell: scale.in_after,
            lasted,
        });
        [urgent, above, below].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the advice of each minute with these loads.
    fn minutes(advisor: &mut Advisor, from: u64, loads: &[f64]) -> Vec<Advice> {
        let scale = ScaleConfig::default();
        let each = loads.iter().zip(from..).map(|(load, minute)| {
            let now_us = minute * 60_000_000;
            advisor.advise((*load, "cpu"), &scale, false, now_us).0
        });
        each.collect()
    }

    #[test]
    fn out_after_three_minutes_above_and_sooner_when_urgent() {
        use Advice::{Hold, Out};
        let mut advisor = Advisor::default();
        let advice = minutes(&mut advisor, 0, &[0.8, 0.8, 0.8, 0.8, 0.6, 0.8]);
        assert_eq!(advice, [Hold, Hold, Hold, Out, Hold, Hold]);
        let advice = minutes(&mut Advisor::default(), 0, &[0.95, 0.95, 0.8]);
        assert_eq!(advice, [Hold, Out, Hold]);
    }

    #[test]
    fn in_after_a_quarter_of_an_hour_below() {
        let mut advisor = Advisor::default();
        let advice = minutes(&mut advisor, 0, &[0.1; 16]);
        assert_eq!(advice[..15], [Advice::Hold; 15]);
        assert_eq!(advice[15], Advice::In);
        assert_eq!(minutes(&mut advisor, 16, &[0.31]), [Advice::Hold]);
    }

    #[test]
    fn the_reason_names_the_threshold_and_the_time_beyond_it() {
        let (mut advisor, scale) = (Advisor::default(), ScaleConfig::default());
        let mut reason = |load, second: u64| {
            let now_us = second * 1_000_000;
            advisor.advise((load, "egress"), &scale, false, now_us).1
        };
        assert_eq!(
            reason(0.5, 0),
            "load 50 % (egress) is between 30 % and 70 %"
        );
        reason(0.8, 10);
        let waiting = "load 80 % (egress) is above 70 %, for 40 s of 180";
        assert_eq!(reason(0.8, 50), waiting);
        let due = "load 80 % (egress) has been above 70 % for 180 s";
        assert_eq!(reason(0.8, 190), due);
    }

    #[test]
    fn no_advice_is_given_while_connections_are_leaving() {
        let (mut advisor, scale) = (Advisor::default(), ScaleConfig::default());
        let mut advise = |is_leaving, minute: u64| {
            let now_us = minute * 60_000_000;
            advisor.advise((0.1, "cpu"), &scale, is_leaving, now_us).0
        };
        advise(false, 0);
        assert_eq!(advise(false, 15), Advice::In);
        assert_eq!(advise(true, 16), Advice::Hold);
        assert_eq!(advise(false, 17), Advice::Hold);
        assert_eq!(advise(false, 32), Advice::In);
    }
}
