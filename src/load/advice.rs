//! Scaling advice from the node's own load: another node, one less, or neither. Nothing acts on it
//! here. No clock, no IO. Control thread.

use std::time::Duration;

use crate::config::Scale;

/// What an operator, or a program of theirs, is advised to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Advice {
    /// Add a node.
    Out,
    #[default]
    Hold,
    /// Take one away.
    In,
}

impl Advice {
    pub(super) const ALL: [Self; 3] = [Self::Out, Self::Hold, Self::In];

    /// As the metric's label has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Hold => "hold",
            Self::In => "in",
        }
    }

    /// As people say it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Out => "scale-out",
            Self::Hold => "hold",
            Self::In => "scale-in",
        }
    }
}

/// Since when the load has been beyond each threshold, in microseconds of the clock.
#[derive(Debug, Default)]
pub(super) struct Advisor {
    above: Option<u64>,
    urgent: Option<u64>,
    below: Option<u64>,
}

impl Advisor {
    /// Advice and its reason. `part`: what the load is made of. While connections are being moved
    /// away (`leaving`) the load says nothing, and the dwell times start afresh.
    pub(super) fn advise(
        &mut self,
        (load, part): (f64, &str),
        scale: &Scale,
        leaving: bool,
        now_us: u64,
    ) -> (Advice, String) {
        if leaving {
            *self = Self::default();
            let reason = "connections are being moved away";
            return (Advice::Hold, reason.into());
        }
        let percent = load * 100.0;
        let since = |since: &mut Option<u64>, beyond: bool| {
            *since = beyond.then(|| since.unwrap_or(now_us));
            since.map(|since_us| Duration::from_micros(now_us - since_us))
        };
        let is_above = percent > f64::from(scale.out_above);
        let is_urgent = percent > f64::from(scale.urgent_above);
        let is_below = percent < f64::from(scale.in_below);
        let cases = [
            (
                Advice::Out,
                "above",
                scale.urgent_above,
                scale.urgent_after,
                since(&mut self.urgent, is_urgent),
            ),
            (
                Advice::Out,
                "above",
                scale.out_above,
                scale.out_after,
                since(&mut self.above, is_above),
            ),
            (
                Advice::In,
                "below",
                scale.in_below,
                scale.in_after,
                since(&mut self.below, is_below),
            ),
        ];
        let mut waiting = None;
        for (advice, side, level, dwell, lasted) in cases {
            let Some(lasted) = lasted else { continue };
            let (seconds, wanted) = (lasted.as_secs(), dwell.as_secs());
            if lasted >= dwell {
                let reason = format!(
                    "load {percent:.0} % ({part}) has been {side} {level} % for {seconds} s"
                );
                return (advice, reason);
            }
            waiting.get_or_insert_with(|| {
                format!(
                    "load {percent:.0} % ({part}) is {side} {level} %, for {seconds} s of {wanted}"
                )
            });
        }
        let usual = || {
            let (low, high) = (scale.in_below, scale.out_above);
            format!("load {percent:.0} % ({part}) is between {low} % and {high} %")
        };
        (Advice::Hold, waiting.unwrap_or_else(usual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Advice each minute while the load is like this.
    fn minutes(advisor: &mut Advisor, from: u64, loads: &[f64]) -> Vec<Advice> {
        let scale = Scale::default();
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
    fn the_reason_says_what_is_awaited_and_what_has_been() {
        let (mut advisor, scale) = (Advisor::default(), Scale::default());
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
    fn leaving_connections_say_nothing() {
        let (mut advisor, scale) = (Advisor::default(), Scale::default());
        let mut advise = |leaving, minute: u64| {
            let now_us = minute * 60_000_000;
            advisor.advise((0.1, "cpu"), &scale, leaving, now_us).0
        };
        advise(false, 0);
        assert_eq!(advise(false, 15), Advice::In);
        assert_eq!(advise(true, 16), Advice::Hold);
        assert_eq!(advise(false, 17), Advice::Hold);
        assert_eq!(advise(false, 32), Advice::In);
    }
}
