//! Seeded simulations of many connections, of the hub alone and of a whole shard.
//!
//! In the simulation of the hub, sends are short at any byte, refused, failed, or completed turns
//! later in any order; clients stop reading and resume; sockets break at any moment; slots are
//! reused while calls for their former connections still arrive; the clock jumps.
//!
//! The simulation of a shard runs the real main loop with the real hub and the real lanes on a
//! simulated kernel. Completions are late and in any order, operations fail for the moment or end
//! early, buffers and descriptors run out, other threads act between any two calls of the loop,
//! and the decision to sleep is checked against everything that could be due.
//!
//! After every step the counters must add up, and every client checks each byte that it receives.
//!
//! `FANFARE_SIM_SEED` repeats one run; `FANFARE_SIM_STEPS` sets the length of each.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

#[path = "hub/upstream.rs"]
mod upstream;
#[path = "hub/wire.rs"]
mod wire;
#[path = "hub/zlib.rs"]
mod zlib;

#[path = "sim/behaviour.rs"]
mod behaviour;
#[path = "sim/client.rs"]
mod client;
#[path = "sim/counts.rs"]
mod counts;
#[path = "sim/hub/mod.rs"]
mod hub;
#[path = "sim/shard/mod.rs"]
mod shard;

use std::num::NonZero;
use std::thread;

use fanfare::observe::{Counts, ShardCounts};

use shard::EventCounts;

/// Runs of each simulation, and steps of each run.
const SEEDS: u64 = 90;
const STEPS: u64 = 4_000;

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")),
    )
}

/// Runs all seeds, as many at a time as there are cores.
fn run_seeds<T: Send>(run: impl Fn(u64, u64) -> T + Sync) -> Vec<T> {
    let steps = number("FANFARE_SIM_STEPS").unwrap_or(STEPS);
    let seeds = number("FANFARE_SIM_SEED").map_or(0..SEEDS, |seed| seed..seed + 1);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let run_share = |first: usize| {
        let seeds = seeds.clone().skip(first).step_by(cores);
        seeds.map(|seed| run(seed, steps)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let shares: Vec<_> = (0..cores)
            .map(|first| scope.spawn(move || run_share(first)))
            .collect();
        let results = shares
            .into_iter()
            .flat_map(|share| share.join().expect("every check holds"));
        results.collect()
    })
}

/// Returns whether the runs are long enough to meet everything that they simulate.
fn is_complete() -> bool {
    let steps = number("FANFARE_SIM_STEPS").unwrap_or(STEPS);
    number("FANFARE_SIM_SEED").is_none() && steps >= STEPS
}

#[test]
fn counters_add_up_and_clients_get_what_they_were_promised() {
    let runs = run_seeds(|seed, steps| hub::Simulation::new(seed, steps).run());
    let mut seen = ShardCounts::default();
    for counts in &runs {
        Counts::add(&mut seen, counts);
    }
    println!("{seen:#?}");
    if is_complete() {
        // A run that never met what it simulates would prove nothing.
        let met = [
            seen.written,
            seen.dropped_oldest,
            seen.dropped_conflated,
            seen.dropped_closed,
            seen.sends_blocked,
            seen.closed_peer,
            seen.closed_lost,
            seen.closed_no_pong,
            seen.refused_limit,
            seen.refused_timeout,
            seen.deflate_compressed,
            seen.deflate_small,
            seen.deflate_incompressible,
            seen.deflate_deliveries,
        ];
        assert!(met.iter().all(|count| *count > 0), "{met:?}");
    }
}

#[test]
fn a_shard_loses_nothing_and_never_sleeps_past_work() {
    let runs = run_seeds(|seed, steps| shard::Simulation::new(seed, steps).run());
    let (mut seen, mut events) = (ShardCounts::default(), EventCounts::default());
    for (counts, run) in &runs {
        Counts::add(&mut seen, counts);
        events.add(run);
    }
    println!("{seen:#?}\n{events:#?}");
    if is_complete() {
        let counted = [
            seen.written,
            seen.dropped_oldest,
            seen.dropped_conflated,
            seen.dropped_slow,
            seen.dropped_closed,
            seen.closed_peer,
            seen.closed_lost,
            seen.closed_no_pong,
            seen.closed_shutdown,
            seen.refused_limit,
            seen.refused_descriptors,
            seen.refused_draining,
            seen.refused_timeout,
            seen.buffers_exhausted,
        ];
        assert!(counted.iter().all(|count| *count > 0), "{counted:?}");
        assert!(events.is_complete(), "{events:?}");
    }
}
