//! The part of a growing histogram that a statsd has not received yet, reduced to a bounded number
//! of values. No clock, no IO. Service thread.

use std::collections::{BTreeMap, VecDeque};

use crate::limits::STATSD_TIMER_VALUES;

/// The state of one timer. Buckets are pairs of the highest value in microseconds and the count,
/// ascending.
#[derive(Debug, Default)]
pub(super) struct UnsentTimer {
    sent: BTreeMap<u64, u64>,
    unsent: VecDeque<(u64, u64)>,
}

/// A value to send, and the number of measured values that it represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Representative {
    pub(super) value_us: u64,
    pub(super) count: u64,
}

impl UnsentTimer {
    /// Takes the current buckets of the histogram and computes the part that was not sent.
    pub(super) fn update(&mut self, buckets: &[(u64, u64)]) {
        let sent = &self.sent;
        let rest = buckets.iter().map(|&(value_us, count)| {
            let sent = sent.get(&value_us).copied().unwrap_or_default();
            (value_us, count.saturating_sub(sent))
        });
        self.unsent = rest.filter(|&(_, count)| count > 0).collect();
    }

    /// Returns the unsent part as N values, at most [`STATSD_TIMER_VALUES`], and their sample rate.
    /// Value number i, counted from 1, is the quantile i/N. So every quantile that statsd computes
    /// from them lies in the right bucket, and the last value is the maximum.
    pub(super) fn representatives(&self) -> (Vec<Representative>, f64) {
        let total: u64 = self.unsent.iter().map(|&(_, count)| count).sum();
        let value_count = total.min(STATSD_TIMER_VALUES);
        let mut values = Vec::with_capacity(value_count as usize);
        let mut buckets = self.unsent.iter();
        // Values in the buckets up to the current one, and the highest value of that bucket.
        let (mut passed, mut value_us) = (0, 0);
        let mut previous_rank = 0;
        for i in 1..=u128::from(value_count) {
            let rank = (i * u128::from(total)).div_ceil(u128::from(value_count)) as u64;
            while passed < rank {
                let bucket = buckets.next().expect("no rank is above the total");
                value_us = bucket.0;
                passed += bucket.1;
            }
            let count = rank - previous_rank;
            values.push(Representative { value_us, count });
            previous_rank = rank;
        }
        (values, value_count as f64 / total.max(1) as f64)
    }

    /// Records that the lowest `count` of the unsent values were sent.
    pub(super) fn confirm(&mut self, mut count: u64) {
        while count > 0
            && let Some((value_us, unsent)) = self.unsent.front_mut()
        {
            let taken = count.min(*unsent);
            *self.sent.entry(*value_us).or_default() += taken;
            *unsent -= taken;
            count -= taken;
            if *unsent == 0 {
                self.unsent.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(buckets: &[(u64, u64)]) -> u64 {
        buckets.iter().map(|(_, count)| count).sum()
    }

    /// Returns the value at a rank, counted from 1.
    fn at(buckets: &[(u64, u64)], rank: u64) -> u64 {
        let mut passed = 0;
        let bucket = buckets.iter().find(|(_, count)| {
            passed += count;
            passed >= rank
        });
        bucket.unwrap().0
    }

    #[test]
    fn few_values_are_sent_unchanged() {
        let mut timer = UnsentTimer::default();
        assert!(timer.representatives().0.is_empty());
        timer.update(&[(5, 2), (9, 1)]);
        let (values, rate) = timer.representatives();
        let values: Vec<_> = values.iter().map(|value| value.value_us).collect();
        assert_eq!((values, rate), (vec![5, 5, 9], 1.0));
    }

    prop_compose! {
        fn histogram()(
            counts in prop::collection::btree_map(0..1_000_000_u64, 1..40_000_u64, 1..60)
        ) -> Vec<(u64, u64)> {
            counts.into_iter().collect()
        }
    }

    proptest! {
        /// Computes percentiles as statsd does: it sorts the values and takes the one at
        /// round(percent of their number).
        #[test]
        fn percentiles_are_those_of_the_histogram(buckets in histogram()) {
            let mut timer = UnsentTimer::default();
            timer.update(&buckets);
            let (values, rate) = timer.representatives();
            let count = total(&buckets);
            prop_assert_eq!(values.iter().map(|value| value.count).sum::<u64>(), count);
            prop_assert!((values.len() as f64 / rate - count as f64).abs() < 1e-3);
            prop_assert!(values.is_sorted_by_key(|value| value.value_us));
            prop_assert_eq!(values.last().unwrap().value_us, buckets.last().unwrap().0);
            if values.len() == 1000 {
                for per_mille in [500, 900, 990, 999, 1000] {
                    let rank = (per_mille * u128::from(count)).div_ceil(1000) as u64;
                    let upper = values[per_mille as usize - 1].value_us;
                    prop_assert_eq!(upper, at(&buckets, rank));
                }
            }
        }

        /// Checks that values that were not sent are sent by a later flush, and none twice.
        #[test]
        fn every_value_is_sent_once(
            rounds in prop::collection::vec((histogram(), 0..=1000_usize), 1..6)
        ) {
            let (mut timer, mut whole, mut sent) = (UnsentTimer::default(), BTreeMap::new(), 0);
            for (growth, through) in rounds {
                for (value_us, count) in growth {
                    *whole.entry(value_us).or_default() += count;
                }
                let buckets: Vec<_> = whole.clone().into_iter().collect();
                timer.update(&buckets);
                let (values, _) = timer.representatives();
                let unsent: u64 = values.iter().map(|value| value.count).sum();
                prop_assert_eq!(unsent + sent, total(&buckets));
                let confirmed = values.iter().take(through).map(|value| value.count).sum();
                timer.confirm(confirmed);
                sent += confirmed;
            }
            timer.confirm(u64::MAX);
            prop_assert_eq!(timer.sent, whole);
        }
    }
}
