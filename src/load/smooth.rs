//! Values with time constants: the load, the mean cost of a connection, and the load expected from
//! new connections. No clock, no IO. Control thread.

use std::time::Duration;

/// Returns the part of the distance to a new value that an exponential approach covers in
/// `elapsed_us`, 0 to 1.
fn step(elapsed_us: u64, constant: Duration) -> f64 {
    if constant.is_zero() {
        return 1.0;
    }
    1.0 - (-(elapsed_us as f64) / constant.as_micros() as f64).exp()
}

/// A value that rises with one time constant and falls with another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Smoothed(f64);

impl Smoothed {
    pub(super) fn starting_at(value: f64) -> Self {
        Self(value)
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }

    /// Moves the value towards `to`. `up` and `down` are the time constants.
    pub(super) fn follow(&mut self, to: f64, elapsed_us: u64, up: Duration, down: Duration) {
        let constant = if to > self.0 { up } else { down };
        self.0 += (to - self.0) * step(elapsed_us, constant);
    }
}

/// The load that new connections are expected to add and that does not show in the measured load
/// yet. It fades while their actual load shows in the measured load.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExpectedLoad(f64);

impl ExpectedLoad {
    pub(super) fn value(self) -> f64 {
        self.0
    }

    /// Adds `fresh` connections that were opened in the last `elapsed_us`, each with an expected
    /// load of `cost`.
    pub(super) fn add(&mut self, fresh: u64, cost: f64, elapsed_us: u64, constant: Duration) {
        self.0 *= 1.0 - step(elapsed_us, constant);
        self.0 += fresh as f64 * cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: u64 = 1_000_000;

    fn follow(smoothed: &mut Smoothed, to: f64, seconds: u64) {
        let (up, down) = (Duration::from_secs(2), Duration::from_secs(30));
        for _ in 0..seconds * 10 {
            smoothed.follow(to, SECOND_US / 10, up, down);
        }
    }

    #[test]
    fn a_value_rises_fast_and_falls_slowly() {
        let mut load = Smoothed::default();
        follow(&mut load, 1.0, 2);
        assert!((load.value() - 0.632).abs() < 0.001, "1 - 1/e after 2 s");
        follow(&mut load, 1.0, 20);
        assert!(load.value() > 0.999);
        follow(&mut load, 0.0, 30);
        assert!((load.value() - 0.368).abs() < 0.001, "1/e after 30 s");
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_steps() {
        let (mut one, mut many) = (Smoothed::default(), Smoothed::default());
        let constant = Duration::from_secs(3);
        one.follow(1.0, 2 * SECOND_US, constant, constant);
        for _ in 0..200 {
            many.follow(1.0, SECOND_US / 100, constant, constant);
        }
        assert!((one.value() - many.value()).abs() < 1e-9);
    }

    #[test]
    fn expected_load_is_added_at_once_and_fades() {
        let (mut expected, constant) = (ExpectedLoad::default(), Duration::from_secs(60));
        expected.add(100, 0.002, 0, constant);
        assert!((expected.value() - 0.2).abs() < 1e-9);
        expected.add(0, 0.002, 60 * SECOND_US, constant);
        assert!((expected.value() - 0.0736).abs() < 0.001);
    }

    #[test]
    fn without_a_time_constant_a_value_changes_at_once() {
        let mut load = Smoothed::starting_at(0.5);
        load.follow(0.1, 1, Duration::ZERO, Duration::ZERO);
        assert!((load.value() - 0.1).abs() < 1e-9);
        let mut expected = ExpectedLoad::default();
        expected.add(1, 1.0, 0, Duration::ZERO);
        expected.add(0, 1.0, 1, Duration::ZERO);
        assert!(expected.value() == 0.0);
    }
}
