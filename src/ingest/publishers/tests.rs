//! What the numbers of publishers tell, in order and out of it.

use proptest::prelude::*;

use super::*;

use crate::limits::{PUBLISHER_RUN as RUN, PUBLISHER_WINDOW as WINDOW, SOCKET_TURN_MESSAGES};

/// Publishers, and what was found of them.
#[derive(Default)]
struct Desk {
    publishers: Publishers,
    counts: IngestCounts,
    now_us: u64,
}

impl Desk {
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

    /// Lets time pass until no hole is young.
    fn wait(&mut self) {
        for _ in 0..2 {
            self.now_us += REORDER_TIMEOUT_US;
            self.publishers.review(self.now_us, &mut self.counts);
        }
    }

    /// Missing, duplicates, restarts.
    fn found(&self) -> [u64; 3] {
        [
            self.counts.publisher_missing,
            self.counts.publisher_duplicates,
            self.counts.publisher_restarts,
        ]
    }
}

/// What a publisher's numbers come to once nothing is expected any more.
fn found(numbers: &[u64]) -> [u64; 3] {
    let mut desk = Desk::default();
    desk.note("a", numbers.iter().copied());
    desk.wait();
    desk.found()
}

#[test]
fn numbers_in_order_are_nothing_to_talk_about() {
    for start in [0, 1, 1000, u64::MAX - 50] {
        assert_eq!(found(&(start..start + 50).collect::<Vec<_>>()), [0, 0, 0]);
    }
}

#[test]
fn a_gap_is_missing_and_a_repetition_a_duplicate() {
    assert_eq!(found(&[1, 2, 5, 6]), [2, 0, 0]);
    assert_eq!(found(&[5, 5, 6, 6, 6]), [0, 3, 0]);
    assert_eq!(found(&[10, 11, 1011]), [999, 0, 0]);
    for ahead in [2, 63, 64, 65, WINDOW - 1, WINDOW, WINDOW + 1, 5 * WINDOW] {
        let numbers = [10, 10 + ahead, 11 + ahead];
        assert_eq!(found(&numbers), [ahead - 1, 0, 0], "{ahead}");
    }
}

#[test]
fn a_late_one_fills_its_hole() {
    assert_eq!(found(&[1, 2, 4, 5, 3]), [0, 0, 0]);
    assert_eq!(found(&[1, 2, 4, 5, 3, 3]), [0, 1, 0]);
    assert_eq!(
        found(&[2, 0, 1]),
        [0, 0, 0],
        "the very first overtook others"
    );
    assert_eq!(
        found(&[5, 2, 3]),
        [1, 0, 0],
        "and what was sent between them is expected"
    );
}

#[test]
fn a_hole_is_missing_when_a_window_has_passed_or_time_has() {
    let mut desk = Desk::default();
    desk.note("a", (1..10).chain(11..10 + WINDOW));
    assert_eq!(desk.found(), [0, 0, 0], "it may still come");
    desk.note("a", [10 + WINDOW]);
    assert_eq!(desk.found(), [1, 0, 0]);
    desk.note("a", [10]);
    assert_eq!(desk.found(), [1, 1, 0], "it came too late");

    let mut desk = Desk::default();
    desk.note("a", [1, 3]);
    desk.publishers
        .review(REORDER_TIMEOUT_US - 1, &mut desk.counts);
    assert_eq!(desk.found(), [0, 0, 0]);
    desk.wait();
    assert_eq!(desk.found(), [1, 0, 0]);
    desk.note("a", [4, 6, 5]);
    desk.wait();
    assert_eq!(desk.found(), [1, 0, 0], "it is looked after again");
}

#[test]
fn who_begins_anew_has_lost_nothing() {
    assert_eq!(found(&[1, 2, 3, 4, 1, 2, 3]), [0, 0, 1]);
    assert_eq!(found(&[0, 1, 2, 0, 1, 2]), [0, 0, 1]);
    assert_eq!(found(&[700, 701, 0, 1]), [0, 0, 1]);
    assert_eq!(found(&[400, 401, 0, 1]), [0, 0, 1], "near, but before all");
    assert_eq!(found(&[1, 2, 4, 1, 2]), [1, 0, 1], "holes stay");
    let far = PUBLISHER_JUMP + 100;
    assert_eq!(
        found(&[7, far, far + 1]),
        [0, 0, 1],
        "no numbers leap so far"
    );
}

#[test]
fn who_begins_anew_and_loses_the_first_ones_is_recognised() {
    for joined in [5, 100, 5_000] {
        let anew = joined..joined + 1_000;
        let numbers: Vec<u64> = (1..20_000).chain(anew.clone()).collect();
        assert_eq!(found(&numbers), [0, RUN - 1, 1], "{joined}");
        let gap: Vec<u64> = numbers.into_iter().chain([anew.end + 7]).collect();
        assert_eq!(found(&gap), [7, RUN - 1, 1], "it is followed again");
    }
    let late = (1..20_000).chain(100..200).chain([150, 130]);
    let late: Vec<u64> = late.collect();
    assert_eq!(found(&late), [0, RUN + 1, 1], "the run has come");
}

#[test]
fn repetitions_from_long_ago_are_no_beginning() {
    let again = 100..100 + RUN - 1;
    let few: Vec<u64> = (1..20_000).chain(again.clone()).collect();
    assert_eq!(found(&few), [0, RUN - 1, 0]);
    let in_between = again
        .clone()
        .chain([20_000])
        .chain(again.clone())
        .chain([20_001]);
    let alive: Vec<u64> = (1..20_000).chain(in_between).collect();
    assert_eq!(found(&alive), [0, 2 * (RUN - 1), 0], "it goes on");
    let descending: Vec<u64> = (1..20_000).chain((100..400).rev()).collect();
    assert_eq!(found(&descending), [0, 300, 0]);
    let near: Vec<u64> = (1..20_000).chain(19_600..20_000).collect();
    assert_eq!(found(&near), [0, 400, 0]);
}

/// Numbers that go to two sockets by turns, which are drained by turns.
#[test]
fn two_sockets_drained_by_turns_lose_nothing() {
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
fn each_publisher_has_numbers_of_its_own() {
    let mut desk = Desk::default();
    desk.note("a", 0..5);
    desk.note("b", 100..105);
    desk.note("a", 5..10);
    let nameless = Meta {
        id: None,
        seq: Some(7),
    };
    desk.publishers.note(Some(&nameless), 0, &mut desk.counts);
    assert_eq!((desk.found(), desk.counts.publishers), ([0, 0, 0], 2));
}

#[test]
fn the_table_is_bounded_and_forgets_who_is_silent() {
    let mut desk = Desk::default();
    for number in 0..2 * PUBLISHERS as u64 {
        desk.note(&format!("{number}"), [1]);
        desk.note("busy", [number]);
        assert!(desk.counts.publishers <= PUBLISHERS as u64);
    }
    assert_eq!(desk.found(), [0, 0, 0]);
    desk.note("0", [50]);
    assert_eq!(desk.found(), [0, 0, 0], "it was forgotten");
    desk.note("busy", [2 * PUBLISHERS as u64 + 1]);
    desk.wait();
    assert_eq!(desk.found(), [1, 0, 0], "it was not");
}

proptest! {
    /// Numbers that overtake each other by less than the window: what is missing is what never
    /// came, what is a duplicate came twice.
    #[test]
    fn order_makes_no_difference(
        start in 2..1_000_u64,
        fates in prop::collection::vec((0..250_u64, 0..20_u32), 1..1500),
    ) {
        let mut sent: Vec<(u64, u64)> = Vec::new();
        let (mut lost, mut twice) = (0, 0);
        for (index, &(delay, fate)) in fates.iter().enumerate() {
            // Nobody overtakes the very first by more than what may come below it.
            let delay = if index == 0 { delay.min(RUN) } else { delay };
            let (seq, at) = (start + index as u64, index as u64 + delay);
            // The ends come in any case, else nobody could know of them.
            let is_end = index == 0 || index == fates.len() - 1;
            match fate {
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
