//! Rounds of a watch with a period of 3,200 us: they begin at 1,600, looks are 100 apart, and
//! cores are overdue at 2,400.

use super::*;

const PERIOD_US: u64 = 3200;

/// A process of two shards that a test moves.
struct World {
    vigil: Vigil,
    now_us: u64,
    sight: Sight,
}

impl World {
    fn new() -> Self {
        Self {
            vigil: Vigil::new(PERIOD_US, 0),
            now_us: 0,
            sight: Sight {
                published: true,
                shards: vec![ShardSight::default(); 2],
                ..Sight::default()
            },
        }
    }

    /// The next look, at its time.
    fn look(&mut self) -> Verdict {
        self.now_us = self.vigil.next_us();
        self.vigil.judge(&self.sight, self.now_us)
    }

    /// Looks until there is something to say, or the period is over.
    fn watch(&mut self) -> Verdict {
        let end_us = self.now_us + PERIOD_US;
        loop {
            let verdict = self.look();
            if verdict != Verdict::Wait || self.now_us > end_us {
                return verdict;
            }
        }
    }

    /// Ingest takes canaries, and these shards bring them back.
    fn sing(&mut self, shards: &[usize]) {
        self.sight.ingest_taken += 1;
        for shard in shards {
            self.sight.shards[*shard].heard += 1;
        }
    }
}

fn overdue(cores: &[Core]) -> Verdict {
    Verdict::Overdue(cores.to_vec())
}

#[test]
fn all_is_well_about_every_half_period() {
    let mut world = World::new();
    for round in 1..5 {
        assert_eq!(world.look(), Verdict::Wait);
        world.sing(&[0, 1]);
        assert_eq!(world.look(), Verdict::Alive);
        assert_eq!(world.now_us, round * (PERIOD_US / 2 + 100));
    }
}

#[test]
fn what_came_before_the_round_counts_for_nothing() {
    let mut world = World::new();
    world.sing(&[0, 1]);
    assert_eq!(world.watch(), overdue(&[Core::Ingest]));
    assert_eq!(world.now_us, PERIOD_US / 4 * 3);
}

#[test]
fn the_silent_shard_is_named_once_and_comes_back() {
    let mut world = World::new();
    assert_eq!(world.look(), Verdict::Wait);
    world.sing(&[0]);
    assert_eq!(world.watch(), overdue(&[Core::Shard(1)]));
    assert!(world.vigil.is_troubled());
    assert_eq!(world.watch(), Verdict::Wait, "said once");
    world.sing(&[1]);
    assert_eq!(world.watch(), Verdict::Alive);
    assert!(!world.vigil.is_troubled());
}

#[test]
fn shards_may_answer_one_after_the_other() {
    let mut world = World::new();
    world.look();
    world.sing(&[0]);
    assert_eq!(world.look(), Verdict::Wait);
    world.sing(&[1]);
    assert_eq!(world.look(), Verdict::Alive);
}

#[test]
fn ingest_is_to_blame_for_what_it_does_not_take() {
    let mut world = World::new();
    world.sight.published = false;
    assert_eq!(world.watch(), overdue(&[Core::Ingest]));
}

#[test]
fn a_lane_too_full_for_canaries_is_no_dead_shard_while_it_is_worked_off() {
    let mut world = World::new();
    world.sight.shards[1].is_crowded = true;
    world.look();
    world.sing(&[0]);
    assert_eq!(world.look(), Verdict::Wait);
    world.sight.shards[1].batches += 1;
    assert_eq!(world.look(), Verdict::Alive);
}

#[test]
fn a_full_lane_that_nobody_works_off_is_a_dead_shard() {
    let mut world = World::new();
    world.sight.shards[1].is_crowded = true;
    world.look();
    world.sing(&[0]);
    assert_eq!(world.watch(), overdue(&[Core::Shard(1)]));
}

#[test]
fn batches_vouch_for_no_shard_that_had_room_for_the_canary() {
    let mut world = World::new();
    world.look();
    world.sing(&[0]);
    world.sight.shards[1].batches += 100;
    assert_eq!(world.watch(), overdue(&[Core::Shard(1)]));
}

#[test]
fn an_inlet_full_all_along_but_worked_off_is_overload() {
    let mut world = World::new();
    world.sight.published = false;
    world.look();
    world.sight.ingest_taken += 1000;
    assert_eq!(world.look(), Verdict::Wait, "there is time to try again");
    assert_eq!(world.watch(), Verdict::Alive);
    assert_eq!(world.now_us, PERIOD_US / 4 * 3);
}

#[test]
fn a_shard_that_said_goodbye_need_not_answer() {
    let mut world = World::new();
    world.look();
    world.sight.shards[1].is_excused = true;
    world.sing(&[0]);
    assert_eq!(world.look(), Verdict::Alive);
}
