//! Rounds with a watchdog period of 3,200 us: they begin at 1,600, checks are 100 apart, and
//! threads are overdue at 2,400.

use super::*;

const PERIOD_US: u64 = 3200;

/// A process with two shards whose state a test changes.
struct World {
    check: LivenessCheck,
    now_us: u64,
    observation: Observation,
}

impl World {
    fn new() -> Self {
        Self {
            check: LivenessCheck::new(PERIOD_US, 0),
            now_us: 0,
            observation: Observation {
                is_published: true,
                shards: vec![ShardObservation::default(); 2],
                ..Observation::default()
            },
        }
    }

    /// Makes the next check at its time.
    fn check(&mut self) -> LivenessOutcome {
        self.now_us = self.check.next_us();
        self.check.check(&self.observation, self.now_us)
    }

    /// Makes checks until one has an outcome, or for one period.
    fn run(&mut self) -> LivenessOutcome {
        let end_us = self.now_us + PERIOD_US;
        loop {
            let outcome = self.check();
            if outcome != LivenessOutcome::Pending || self.now_us > end_us {
                return outcome;
            }
        }
    }

    /// Lets ingest take a canary and these shards deliver it.
    fn deliver(&mut self, shards: &[usize]) {
        self.observation.submissions_taken += 1;
        for shard in shards {
            self.observation.shards[*shard].delivered += 1;
        }
    }
}

fn overdue(threads: &[ThreadName]) -> LivenessOutcome {
    LivenessOutcome::Overdue(threads.to_vec())
}

#[test]
fn all_threads_are_alive_about_every_half_period() {
    let mut world = World::new();
    for round in 1..5 {
        assert_eq!(world.check(), LivenessOutcome::Pending);
        world.deliver(&[0, 1]);
        assert_eq!(world.check(), LivenessOutcome::Alive);
        assert_eq!(world.now_us, round * (PERIOD_US / 2 + 100));
    }
}

#[test]
fn deliveries_before_the_round_do_not_count() {
    let mut world = World::new();
    world.deliver(&[0, 1]);
    assert_eq!(world.run(), overdue(&[ThreadName::Ingest]));
    assert_eq!(world.now_us, PERIOD_US / 4 * 3);
}

#[test]
fn an_overdue_shard_is_reported_once_and_can_recover() {
    let mut world = World::new();
    assert_eq!(world.check(), LivenessOutcome::Pending);
    world.deliver(&[0]);
    assert_eq!(world.run(), overdue(&[ThreadName::Shard(1)]));
    assert!(world.check.is_overdue());
    assert_eq!(world.run(), LivenessOutcome::Pending, "reported once");
    world.deliver(&[1]);
    assert_eq!(world.run(), LivenessOutcome::Alive);
    assert!(!world.check.is_overdue());
}

#[test]
fn shards_may_deliver_one_after_the_other() {
    let mut world = World::new();
    world.check();
    world.deliver(&[0]);
    assert_eq!(world.check(), LivenessOutcome::Pending);
    world.deliver(&[1]);
    assert_eq!(world.check(), LivenessOutcome::Alive);
}

#[test]
fn ingest_is_overdue_if_it_takes_no_submission() {
    let mut world = World::new();
    world.observation.is_published = false;
    assert_eq!(world.run(), overdue(&[ThreadName::Ingest]));
}

#[test]
fn a_shard_that_takes_batches_from_a_crowded_lane_is_alive() {
    let mut world = World::new();
    world.observation.shards[1].is_crowded = true;
    world.check();
    world.deliver(&[0]);
    assert_eq!(world.check(), LivenessOutcome::Pending);
    world.observation.shards[1].batches += 1;
    assert_eq!(world.check(), LivenessOutcome::Alive);
}

#[test]
fn a_shard_that_takes_nothing_from_a_crowded_lane_is_overdue() {
    let mut world = World::new();
    world.observation.shards[1].is_crowded = true;
    world.check();
    world.deliver(&[0]);
    assert_eq!(world.run(), overdue(&[ThreadName::Shard(1)]));
}

#[test]
fn batches_do_not_count_for_a_shard_whose_lane_had_room_for_the_canary() {
    let mut world = World::new();
    world.check();
    world.deliver(&[0]);
    world.observation.shards[1].batches += 100;
    assert_eq!(world.run(), overdue(&[ThreadName::Shard(1)]));
}

#[test]
fn a_full_submission_queue_from_which_ingest_takes_is_overload() {
    let mut world = World::new();
    world.observation.is_published = false;
    world.check();
    world.observation.submissions_taken += 1000;
    assert_eq!(
        world.check(),
        LivenessOutcome::Pending,
        "there is time to try again"
    );
    assert_eq!(world.run(), LivenessOutcome::Alive);
    assert_eq!(world.now_us, PERIOD_US / 4 * 3);
}

#[test]
fn an_exempt_shard_need_not_deliver() {
    let mut world = World::new();
    world.check();
    world.observation.shards[1].is_exempt = true;
    world.deliver(&[0]);
    assert_eq!(world.check(), LivenessOutcome::Alive);
}
