//! The weight that a load balancer is told: what is left of the node, and how dear its connections
//! are. No clock, no IO. Control thread.
//!
//! With the room that is left alone, a node whose connections cost ten times as much gets as many
//! as the others until it is nearly full. Weighed by cost too, every node gets connections as fast
//! as load, so that their loads rise together.

/// Percent: what is announced at the least. 0 would take the node out, and its order among others
/// that are full as well would be lost.
pub(super) const LEAST: u32 = 1;
const MOST: f64 = 100.0;

/// The load from which the room falls by a power and not by a line, so that it never ends: of two
/// nodes that are both too full, the fuller one still gets less.
const NEARLY_FULL: f64 = 0.9;
const FALL: i32 = 4;

/// Small weights move by this part of themselves: 4 % and 5 % differ by a quarter.
const SMALL: u32 = 8;

/// What is left of a node, 1 to nearly 0.
fn room(load: f64) -> f64 {
    if load <= NEARLY_FULL {
        return 1.0 - load;
    }
    (1.0 - NEARLY_FULL) * (NEARLY_FULL / load).powi(FALL)
}

/// The weight in percent that a node should have. `load`: with what fresh connections will add;
/// `cost`: of one connection, and `planned`: what it was planned to be.
pub(super) fn wanted(load: f64, cost: f64, planned: f64) -> f64 {
    let price = if cost > planned { planned / cost } else { 1.0 };
    MOST * room(load) * price
}

/// The announced weight: falls at once, rises slowly, and does not flicker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    announced: u32,
    /// What it may be by now, given how fast it may rise.
    allowed: f64,
}

impl Default for Weight {
    /// A node that joins starts with next to nothing.
    fn default() -> Self {
        Self {
            announced: LEAST,
            allowed: f64::from(LEAST),
        }
    }
}

impl Weight {
    /// Percent, 1 to 100.
    pub(super) fn percent(self) -> u32 {
        self.announced
    }

    /// `rise`: points per second; `hysteresis`: points.
    #[allow(clippy::cast_sign_loss)] // It is clamped to what is announced.
    pub(super) fn follow(&mut self, wanted: f64, elapsed_us: u64, rise: u32, hysteresis: u32) {
        let risen = self.allowed + f64::from(rise) * elapsed_us as f64 / 1e6;
        self.allowed = wanted.clamp(f64::from(LEAST), MOST).min(risen);
        let percent = self.allowed.round() as u32;
        let step = hysteresis.min(self.announced / SMALL).max(1);
        if percent.abs_diff(self.announced) >= step {
            self.announced = percent;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND_US: u64 = 1_000_000;

    #[test]
    fn room_is_what_is_left_and_never_ends() {
        assert!((wanted(0.27, 0.1, 0.1) - 73.0).abs() < 1e-9);
        assert!((room(0.9) - 0.1).abs() < 1e-9);
        assert!(room(1.2) > 0.03 && room(1.2) < 0.04);
    }

    #[test]
    fn dear_connections_make_it_lighter_and_cheap_ones_not_heavier() {
        assert!((wanted(0.5, 0.01, 0.001) - 5.0).abs() < 1e-9);
        assert!((wanted(0.5, 0.0001, 0.001) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn it_starts_small_rises_slowly_and_falls_at_once() {
        let mut weight = Weight::default();
        let mut announced = Vec::new();
        for _ in 0..5 {
            weight.follow(80.0, SECOND_US, 10, 3);
            announced.push(weight.percent());
        }
        assert_eq!(announced, [11, 21, 31, 41, 51]);
        weight.follow(1.0, SECOND_US / 10, 10, 3);
        assert_eq!(weight.percent(), 1);
    }

    #[test]
    fn a_small_change_is_not_announced_unless_the_weight_is_small() {
        let mut weight = Weight::default();
        let mut follow = |wanted| {
            weight.follow(wanted, 100 * SECOND_US, 10, 3);
            weight.percent()
        };
        assert_eq!([50.0, 52.0, 48.4, 47.0].map(&mut follow), [50, 50, 50, 47]);
        assert_eq!([9.0, 8.0, 7.0, 6.0].map(&mut follow), [9, 8, 7, 6]);
    }

    proptest! {
        #[test]
        fn the_fuller_of_two_never_weighs_more(one in 0.0..3.0, more in 0.0..3.0) {
            prop_assert!(wanted(one + more, 1.0, 1.0) <= wanted(one, 1.0, 1.0));
            prop_assert!(wanted(one + more, 1.0, 1.0) > 0.0);
        }

        #[test]
        fn it_is_always_a_percentage(
            steps in prop::collection::vec((-1.0..500.0, 0_u64..9_000_000), 1..50),
        ) {
            let mut weight = Weight::default();
            for (wanted, elapsed_us) in steps {
                weight.follow(wanted, elapsed_us, 10, 3);
                prop_assert!((1..=100).contains(&weight.percent()));
            }
        }
    }
}
