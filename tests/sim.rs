//! Seeded simulations of many connections, of the hub alone and of a whole shard.
//!
//! In the simulation of the hub, sends end at any byte, send nothing, fail, or complete turns later
//! in any order. Clients stop reading and resume. Sockets break at any moment. Slots are reused
//! while calls with the ids of their former connections still occur. The clock jumps.
//!
//! The simulation of a shard runs the real main loop with the real hub and the real lanes on a
//! simulated kernel. Completions are late and in any order. Operations fail temporarily or end
//! early. Buffers and descriptors run out. Other threads act between any two calls of the loop.
//! Whenever the shard sleeps, the simulation checks that no work is due.
//!
//! After every step the counters must add up, and every client checks each byte that it receives.
//!
//! `FANFARE_SIM_SEED` selects a single run. `FANFARE_SIM_STEPS` sets the number of steps of each
//! run.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

#[path = "fuzz/client_proto.rs"]
mod client_proto;
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
#[path = "sim/run_log.rs"]
mod run_log;
#[path = "sim/shard/mod.rs"]
mod shard;
#[path = "sim/translate.rs"]
mod translate;

use std::num::NonZero;
use std::thread;

use fanfare::observe::{Counts, ShardCounts};

use shard::Coverage;

/// The number of runs of each simulation.
const SEEDS: u64 = 90;

/// The number of steps of each run.
const STEPS: u64 = 4_000;

/// Returns the number in an environment variable, or `None` if the variable is not set.
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("set {name} to a number, not to {value:?}")),
    )
}

/// Runs all seeds, distributed over all cores, and returns their results.
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
            .flat_map(|share| share.join().expect("a check of the simulation failed"));
        results.collect()
    })
}

/// Returns whether the runs are long enough for every simulated event to occur.
fn is_complete() -> bool {
    let steps = number("FANFARE_SIM_STEPS").unwrap_or(STEPS);
    number("FANFARE_SIM_SEED").is_none() && steps >= STEPS
}

#[test]
fn counters_of_the_hub_add_up_and_clients_receive_what_they_expect() {
    let runs = run_seeds(|seed, steps| hub::Simulation::new(seed, steps).run());
    let mut seen = ShardCounts::default();
    for counts in &runs {
        Counts::add(&mut seen, counts);
    }
    println!("{seen:#?}");
    if is_complete() {
        // Runs in which these events do not occur would prove nothing about them.
        let counted = [
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
        assert!(counted.iter().all(|count| *count > 0), "{counted:?}");
    }
}

#[test]
fn a_shard_loses_nothing_and_does_not_sleep_while_work_is_due() {
    let runs = run_seeds(|seed, steps| shard::Simulation::new(seed, steps).run());
    let (mut seen, mut coverage) = (ShardCounts::default(), Coverage::default());
    for (counts, run) in &runs {
        Counts::add(&mut seen, counts);
        coverage.add(run);
    }
    println!("{seen:#?}\n{coverage:#?}");
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
        assert!(coverage.is_complete(), "{coverage:?}");
    }
}
