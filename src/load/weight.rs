//! The weight that load balancers get: the free capacity of the node and the cost of its
//! connections. No clock, no IO. Control thread.
//!
//! If the weight were the free capacity alone, a node whose connections cost ten times as much
//! would get as many connections as the others until it is nearly full. With the cost, every node
//! gets load at the same rate, so that the loads of all nodes rise together.

/// The lowest weight in percent. A weight of 0 would take the node out of service, and all
/// full nodes would look alike to a load balancer.
pub(super) const LOWEST: u32 = 1;
const HIGHEST: f64 = 100.0;

/// From this load on, the free capacity falls by a power and not linearly, so that it never becomes
/// 0: of two overloaded nodes the one with more load gets fewer connections.
const NEARLY_FULL: f64 = 0.9;
const FALL_EXPONENT: i32 = 4;

/// Small weights change by steps of this fraction of the weight, because between 4 % and 5 % a load
/// balancer sends a quarter more connections.
const SMALL_WEIGHT_STEPS: u32 = 8;

/// Returns the free capacity of a node, from 1 down to almost 0.
fn free_capacity(load: f64) -> f64 {
    if load <= NEARLY_FULL {
        return 1.0 - load;
    }
    (1.0 - NEARLY_FULL) * (NEARLY_FULL / load).powi(FALL_EXPONENT)
}

/// Returns the weight in percent that a node should have. `load` includes the expected load of new
/// connections. `cost` is the load of one connection and `planned` its planned value.
pub(super) fn target(load: f64, cost: f64, planned: f64) -> f64 {
    let price = if cost > planned { planned / cost } else { 1.0 };
    HIGHEST * free_capacity(load) * price
}

/// The announced weight. It falls at once, rises slowly, and ignores small changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    announced: u32,
    /// The weight without the suppression of small changes.
    exact: f64,
}

impl Default for Weight {
    /// Returns the weight of a node that has just started: the lowest.
    fn default() -> Self {
        Self {
            announced: LOWEST,
            exact: f64::from(LOWEST),
        }
    }
}

impl Weight {
    /// Returns the announced weight in percent, 1 to 100.
    pub(super) fn percent(self) -> u32 {
        self.announced
    }

    /// Moves the weight towards `target`. It rises by at most `rise` points per second, and changes
    /// that are smaller than `hysteresis` points are not announced.
    #[allow(clippy::cast_sign_loss)] // The value is clamped to a positive range.
    pub(super) fn follow(&mut self, target: f64, elapsed_us: u64, rise: u32, hysteresis: u32) {
        let risen = self.exact + f64::from(rise) * elapsed_us as f64 / 1e6;
        self.exact = target.clamp(f64::from(LOWEST), HIGHEST).min(risen);
        let percent = self.exact.round() as u32;
        let step = hysteresis.min(self.announced / SMALL_WEIGHT_STEPS).max(1);
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
    fn free_capacity_never_becomes_zero() {
        assert!((target(0.27, 0.1, 0.1) - 73.0).abs() < 1e-9);
        assert!((free_capacity(0.9) - 0.1).abs() < 1e-9);
        assert!(free_capacity(1.2) > 0.03 && free_capacity(1.2) < 0.04);
    }

    #[test]
    fn expensive_connections_lower_the_weight_and_cheap_ones_do_not_raise_it() {
        assert!((target(0.5, 0.01, 0.001) - 5.0).abs() < 1e-9);
        assert!((target(0.5, 0.0001, 0.001) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn a_weight_starts_low_rises_slowly_and_falls_at_once() {
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
        let mut follow = |target| {
            weight.follow(target, 100 * SECOND_US, 10, 3);
            weight.percent()
        };
        assert_eq!([50.0, 52.0, 48.4, 47.0].map(&mut follow), [50, 50, 50, 47]);
        assert_eq!([9.0, 8.0, 7.0, 6.0].map(&mut follow), [9, 8, 7, 6]);
    }

    proptest! {
        #[test]
        fn more_load_never_raises_the_weight(one in 0.0..3.0, more in 0.0..3.0) {
            prop_assert!(target(one + more, 1.0, 1.0) <= target(one, 1.0, 1.0));
            prop_assert!(target(one + more, 1.0, 1.0) > 0.0);
        }

        #[test]
        fn a_weight_is_always_a_percentage(
            steps in prop::collection::vec((-1.0..500.0, 0_u64..9_000_000), 1..50),
        ) {
            let mut weight = Weight::default();
            for (target, elapsed_us) in steps {
                weight.follow(target, elapsed_us, 10, 3);
                prop_assert!((1..=100).contains(&weight.percent()));
            }
        }
    }
}
