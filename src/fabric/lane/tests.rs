//! Tests of the lane: totals, bounds, and the order of answers relative to batches.

use std::iter;

use super::*;

fn lane() -> Lane {
    let event = tempfile::tempfile().expect("a file replaces an event descriptor");
    Lane::new(Wake::new(event))
}

fn batch(held_bytes: usize) -> Arc<Batch> {
    Arc::new(Batch {
        broadcasts: Vec::new(),
        held_bytes,
    })
}

fn answers(number: u32) -> Vec<(Ticket, SubmissionResult)> {
    vec![(Ticket::numbered(number), SubmissionResult::Accepted)]
}

#[test]
fn each_batch_carries_the_running_total_of_publications() {
    let lane = lane();
    for (publications, held_bytes) in [(2, 1), (3, LANE_BYTES - 1), (7, 1)] {
        let pushed = lane.push(batch(held_bytes), publications, 5);
        assert_eq!(
            pushed.is_err(),
            publications == 7,
            "a refused batch is not on the lane"
        );
    }
    assert_eq!(lane.pushed_total(), 5);
    let popped: Vec<_> = iter::from_fn(|| lane.pop())
        .map(|item| match item {
            LaneItem::Batch(it) => (it.publications, it.pushed_total, it.pushed_at_us),
            LaneItem::Answers(_) => panic!("there are no answers"),
        })
        .collect();
    assert_eq!(popped, [(2, 2, 5), (3, 5, 5)]);
    assert_eq!((lane.pushed_total(), lane.queued_bytes()), (5, 0));
}

#[test]
fn answers_keep_their_place_between_batches() {
    let lane = lane();
    for number in 1..=3 {
        lane.push(batch(1), u64::from(number), 0)
            .expect("there is room");
        lane.reserve_answers().expect("there is room");
        lane.push_answers(answers(number));
    }
    for number in 1..=3 {
        match lane.pop() {
            Some(LaneItem::Batch(pushed)) => assert_eq!(pushed.publications, u64::from(number)),
            other => panic!("not batch {number}: {other:?}"),
        }
        match lane.pop() {
            Some(LaneItem::Answers(popped)) => assert_eq!(popped, answers(number)),
            other => panic!("not answers {number}: {other:?}"),
        }
    }
    assert!(lane.pop().is_none());
}

#[test]
fn a_lane_full_of_batches_has_room_for_all_reserved_answers() {
    let lane = lane();
    for _ in 0..LANE_ANSWERS {
        lane.reserve_answers().expect("there is room");
    }
    assert_eq!(lane.reserve_answers(), Err(LaneFull));
    for _ in 0..LANE_BATCHES {
        lane.push(batch(1), 1, 0).expect("there is room");
    }
    assert_eq!(lane.push(batch(1), 1, 0), Err(LaneFull));
    for number in 0..LANE_ANSWERS as u32 {
        lane.push_answers(answers(number));
    }
    let items: Vec<_> = iter::from_fn(|| lane.pop()).collect();
    assert_eq!(
        items.len(),
        LANE_BATCHES + LANE_ANSWERS,
        "no answer is lost"
    );
    for _ in 0..LANE_ANSWERS {
        lane.reserve_answers()
            .expect("the popped answers returned their room");
    }
}

#[test]
fn an_empty_lane_has_room_for_a_batch_of_any_size() {
    let lane = lane();
    assert_eq!(lane.check_room(2 * LANE_BYTES), Ok(()));
    lane.push(batch(10), 1, 0).expect("there is room");
    assert_eq!(lane.check_room(LANE_BYTES - 10), Ok(()));
    assert_eq!(lane.check_room(LANE_BYTES - 9), Err(LaneFull));
}
