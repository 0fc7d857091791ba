//! What of a growing histogram a statsd does not know yet, and the few values that stand for it.
//! Pure; used by the control thread.

use std::collections::{BTreeMap, VecDeque};

use crate::limits::STATSD_TIMER_VALUES;

/// One timer. Buckets are `(highest value in microseconds, count)`, ascending.
#[derive(Debug, Default)]
pub(super) struct Tail {
    sent: BTreeMap<u64, u64>,
    due: VecDeque<(u64, u64)>,
}

/// One value that is sent, and how many measured ones it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    pub value_us: u64,
    pub count: u64,
}

impl Tail {
    /// Takes the whole histogram as it is now: what was not sent of it is due.
    pub(super) fn measure(&mut self, buckets: &[(u64, u64)]) {
        let sent = &self.sent;
        let rest = buckets.iter().map(|&(value_us, count)| {
            let sent = sent.get(&value_us).copied().unwrap_or_default();
            (value_us, count.saturating_sub(sent))
        });
        self.due = rest.filter(|&(_, count)| count > 0).collect();
    }

    /// What is due, in at most [`STATSD_TIMER_VALUES`] values: of N the one with the number i, from
    /// 1, is the quantile i/N. So any quantile that a statsd reads off them is that of the bucket
    /// it lies in, and the last is the maximum. The rate is the same for all of them.
    pub(super) fn stands(&self) -> (Vec<Stand>, f64) {
        let total: u64 = self.due.iter().map(|&(_, count)| count).sum();
        let values = total.min(STATSD_TIMER_VALUES);
        let mut stands = Vec::with_capacity(values as usize);
        let (mut buckets, mut passed, mut before) = (self.due.iter(), 0, 0);
        let mut value_us = 0;
        for i in 1..=u128::from(values) {
            let rank = (i * u128::from(total)).div_ceil(u128::from(values)) as u64;
            while passed < rank {
                let bucket = buckets.next().expect("no rank is above the total");
                value_us = bucket.0;
                passed += bucket.1;
            }
            let count = rank - before;
            stands.push(Stand { value_us, count });
            before = rank;
        }
        (stands, values as f64 / total.max(1) as f64)
    }

    /// The lowest `count` of what was due have been sent.
    pub(super) fn settle(&mut self, mut count: u64) {
        while count > 0
            && let Some((value_us, waiting)) = self.due.front_mut()
        {
            let taken = count.min(*waiting);
            *self.sent.entry(*value_us).or_default() += taken;
            *waiting -= taken;
            count -= taken;
            if *waiting == 0 {
                self.due.pop_front();
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

    /// The value at a rank, from 1, of all that a histogram holds.
    fn at(buckets: &[(u64, u64)], rank: u64) -> u64 {
        let mut passed = 0;
        let bucket = buckets.iter().find(|(_, count)| {
            passed += count;
            passed >= rank
        });
        bucket.unwrap().0
    }

    #[test]
    fn few_values_are_sent_as_they_are() {
        let mut tail = Tail::default();
        assert!(tail.stands().0.is_empty());
        tail.measure(&[(5, 2), (9, 1)]);
        let (stands, rate) = tail.stands();
        let values: Vec<_> = stands.iter().map(|stand| stand.value_us).collect();
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
        /// What a statsd does: sorts the values and takes the one at round(percent of them).
        #[test]
        fn percentiles_are_those_of_the_histogram(buckets in histogram()) {
            let mut tail = Tail::default();
            tail.measure(&buckets);
            let (stands, rate) = tail.stands();
            let count = total(&buckets);
            prop_assert_eq!(stands.iter().map(|stand| stand.count).sum::<u64>(), count);
            prop_assert!((stands.len() as f64 / rate - count as f64).abs() < 1e-3);
            prop_assert!(stands.is_sorted_by_key(|stand| stand.value_us));
            prop_assert_eq!(stands.last().unwrap().value_us, buckets.last().unwrap().0);
            if stands.len() == 1000 {
                for per_mille in [500, 900, 990, 999, 1000] {
                    let rank = (per_mille * u128::from(count)).div_ceil(1000) as u64;
                    let upper = stands[per_mille as usize - 1].value_us;
                    prop_assert_eq!(upper, at(&buckets, rank));
                }
            }
        }

        /// Whatever part of the values gets through, the rest is due again, and nothing twice.
        #[test]
        fn every_value_is_sent_once(
            rounds in prop::collection::vec((histogram(), 0..=1000_usize), 1..6)
        ) {
            let (mut tail, mut whole, mut sent) = (Tail::default(), BTreeMap::new(), 0);
            for (growth, through) in rounds {
                for (value_us, count) in growth {
                    *whole.entry(value_us).or_default() += count;
                }
                let buckets: Vec<_> = whole.clone().into_iter().collect();
                tail.measure(&buckets);
                let (stands, _) = tail.stands();
                let due: u64 = stands.iter().map(|stand| stand.count).sum();
                prop_assert_eq!(due + sent, total(&buckets));
                let settled = stands.iter().take(through).map(|stand| stand.count).sum();
                tail.settle(settled);
                sent += settled;
            }
            tail.settle(u64::MAX);
            prop_assert_eq!(tail.sent, whole);
        }
    }
}
