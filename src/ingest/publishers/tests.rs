//! Tests of lost and repeated numbers, in order and out of order.

use proptest::prelude::*;

use super::*;
use crate::limits::{
    PUBLISHER_JUMP, PUBLISHER_RUN as RUN, PUBLISHER_WINDOW as WINDOW, SOCKET_TURN_MESSAGES,
};

/// A table of publishers, its counters and a clock.
#[derive(Default)]
struct Table {
    publishers: Publishers,
    counts: IngestCounts,
    now_us: u64,
}

impl Table {
    fn note(&mut self, id: &str, numbers: impl IntoIterator<Item = u64>) {
        for seq in numbers {
            let meta = Meta {
                id: Some(id.into()),
                seq: Some(seq),
            };
            self.publishers
                .note(Some(&meta), self.now_us, &mut self.counts);
        }
    }

    /// Moves the clock until no missing number is expected any more.
    fn wait(&mut self) {
        for _ in 0..2 {
            self.now_us += REORDER_TIMEOUT_US;
            self.publishers.review(self.now_us, &mut self.counts);
        }
    }

    /// Returns the numbers of lost messages, duplicates and restarts.
    fn found(&self) -> [u64; 3] {
        [
            self.counts.publisher_missing,
            self.counts.publisher_duplicates,
            self.counts.publisher_restarts,
        ]
    }
}

/// Returns the counts for one publisher's numbers after no missing number is expected any more.
fn found(numbers: &[u64]) -> [u64; 3] {
    let mut table = Table::default();
    table.note("a", numbers.iter().copied());
    table.wait();
    table.found()
}

#[test]
fn numbers_in_order_change_no_counter() {
    for start in [0, 1, 1000, u64::MAX - 50] {
        assert_eq!(found(&(start..start + 50).collect::<Vec<_>>()), [0, 0, 0]);
    }
}

#[test]
fn a_gap_counts_as_lost_and_a_repetition_as_duplicate() {
    assert_eq!(found(&[1, 2, 5, 6]), [2, 0, 0]);
    assert_eq!(found(&[5, 5, 6, 6, 6]), [0, 3, 0]);
    assert_eq!(found(&[10, 11, 1011]), [999, 0, 0]);
    for ahead in [2, 63, 64, 65, WINDOW - 1, WINDOW, WINDOW + 1, 5 * WINDOW] {
        let numbers = [10, 10 + ahead, 11 + ahead];
        assert_eq!(found(&numbers), [ahead - 1, 0, 0], "{ahead}");
    }
}

#[test]
fn a_late_number_is_not_lost() {
    assert_eq!(found(&[1, 2, 4, 5, 3]), [0, 0, 0]);
    assert_eq!(found(&[1, 2, 4, 5, 3, 3]), [0, 1, 0]);
    assert_eq!(
        found(&[2, 0, 1]),
        [0, 0, 0],
        "the first message overtook others"
    );
    assert_eq!(
        found(&[5, 2, 3]),
        [1, 0, 0],
        "the number between them is expected"
    );
}

#[test]
fn a_missing_number_is_lost_after_a_window_or_a_timeout() {
    let mut table = Table::default();
    table.note("a", (1..10).chain(11..10 + WINDOW));
    assert_eq!(table.found(), [0, 0, 0], "it may still arrive");
    table.note("a", [10 + WINDOW]);
    assert_eq!(table.found(), [1, 0, 0]);
    table.note("a", [10]);
    assert_eq!(table.found(), [1, 1, 0], "it arrived too late");

    let mut table = Table::default();
    table.note("a", [1, 3]);
    table
        .publishers
        .review(REORDER_TIMEOUT_US - 1, &mut table.counts);
    assert_eq!(table.found(), [0, 0, 0]);
    table.wait();
    assert_eq!(table.found(), [1, 0, 0]);
    table.note("a", [4, 6, 5]);
    table.wait();
    assert_eq!(table.found(), [1, 0, 0], "the publisher is reviewed again");
}

#[test]
fn a_restart_loses_nothing() {
    assert_eq!(found(&[1, 2, 3, 4, 1, 2, 3]), [0, 0, 1]);
    assert_eq!(found(&[0, 1, 2, 0, 1, 2]), [0, 0, 1]);
    assert_eq!(found(&[700, 701, 0, 1]), [0, 0, 1]);
    assert_eq!(
        found(&[400, 401, 0, 1]),
        [0, 0, 1],
        "inside the window, but below the first number"
    );
    assert_eq!(
        found(&[1, 2, 4, 1, 2]),
        [1, 0, 1],
        "missing numbers are lost"
    );
    let far = PUBLISHER_JUMP + 100;
    assert_eq!(
        found(&[7, far, far + 1]),
        [0, 0, 1],
        "a step this long is a restart"
    );
}

#[test]
fn a_restart_that_loses_its_first_messages_is_detected() {
    for joined in [5, 100, 5_000] {
        let restarted = joined..joined + 1_000;
        let numbers: Vec<u64> = (1..20_000).chain(restarted.clone()).collect();
        assert_eq!(found(&numbers), [0, RUN - 1, 1], "{joined}");
        let gap: Vec<u64> = numbers.into_iter().chain([restarted.end + 7]).collect();
        assert_eq!(
            found(&gap),
            [7, RUN - 1, 1],
            "the publisher is tracked again"
        );
    }
    let late = (1..20_000).chain(100..200).chain([150, 130]);
    let late: Vec<u64> = late.collect();
    assert_eq!(
        found(&late),
        [0, RUN + 1, 1],
        "the numbers of the run have arrived"
    );
}

#[test]
fn repetitions_of_old_numbers_are_not_a_restart() {
    let again = 100..100 + RUN - 1;
    let few: Vec<u64> = (1..20_000).chain(again.clone()).collect();
    assert_eq!(found(&few), [0, RUN - 1, 0]);
    let in_between = again
        .clone()
        .chain([20_000])
        .chain(again.clone())
        .chain([20_001]);
    let alive: Vec<u64> = (1..20_000).chain(in_between).collect();
    assert_eq!(
        found(&alive),
        [0, 2 * (RUN - 1), 0],
        "the publisher continues"
    );
    let descending: Vec<u64> = (1..20_000).chain((100..400).rev()).collect();
    assert_eq!(found(&descending), [0, 300, 0]);
    let near: Vec<u64> = (1..20_000).chain(19_600..20_000).collect();
    assert_eq!(found(&near), [0, 400, 0]);
}

/// Sends numbers alternately to two sockets, which ingest drains alternately.
#[test]
fn two_sockets_drained_alternately_lose_nothing() {
    let drain = 2 * SOCKET_TURN_MESSAGES as u64;
    for start in [0, 1, 70_000] {
        let drains = (start..start + 10 * drain).step_by(drain as usize);
        let numbers = drains.flat_map(|from| {
            let (even, odd) = (from..from + drain, from + 1..from + drain);
            even.step_by(2).chain(odd.step_by(2))
        });
        assert_eq!(found(&numbers.collect::<Vec<_>>()), [0, 0, 0], "{start}");
    }
}

#[test]
fn each_publisher_has_its_own_numbers() {
    let mut table = Table::default();
    table.note("a", 0..5);
    table.note("b", 100..105);
    table.note("a", 5..10);
    let without_id = Meta {
        id: None,
        seq: Some(7),
    };
    table
        .publishers
        .note(Some(&without_id), 0, &mut table.counts);
    assert_eq!((table.found(), table.counts.publishers), ([0, 0, 0], 2));
}

#[test]
fn the_table_is_bounded_and_removes_inactive_publishers() {
    let mut table = Table::default();
    for number in 0..2 * PUBLISHERS as u64 {
        table.note(&format!("{number}"), [1]);
        table.note("busy", [number]);
        assert!(table.counts.publishers <= PUBLISHERS as u64);
    }
    assert_eq!(table.found(), [0, 0, 0]);
    table.note("0", [50]);
    assert_eq!(table.found(), [0, 0, 0], "it was removed");
    table.note("busy", [2 * PUBLISHERS as u64 + 1]);
    table.wait();
    assert_eq!(table.found(), [1, 0, 0], "it was not removed");
}

proptest! {
    /// Checks numbers that overtake each other by less than the window: exactly those that never
    /// arrived are lost, and exactly those that arrived twice are duplicates.
    #[test]
    fn order_makes_no_difference(
        start in 2..1_000_u64,
        sent_numbers in prop::collection::vec((0..250_u64, 0..20_u32), 1..1500),
    ) {
        let mut sent: Vec<(u64, u64)> = Vec::new();
        let (mut lost, mut twice) = (0, 0);
        for (index, &(delay, outcome)) in sent_numbers.iter().enumerate() {
            // The first number is not overtaken by more than the numbers accepted below it.
            let delay = if index == 0 { delay.min(RUN) } else { delay };
            let (seq, at) = (start + index as u64, index as u64 + delay);
            // The first and the last number always arrive: a loss there cannot be detected.
            let is_end = index == 0 || index == sent_numbers.len() - 1;
            match outcome {
                0 if !is_end => lost += 1,
                1 => {
                    twice += 1;
                    sent.extend([(at, seq), (at + 1, seq)]);
                }
                _ => sent.push((at, seq)),
            }
        }
        sent.sort_unstable();
        let numbers: Vec<u64> = sent.into_iter().map(|(_, seq)| seq).collect();
        prop_assert_eq!(found(&numbers), [lost, twice, 0]);
    }
}
