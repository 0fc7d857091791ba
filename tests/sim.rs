//! A seeded simulation of many connections on one hub, with a small kernel for each.
//!
//! Sends are short at any byte, refused, failed, or completed turns later in any order; readers
//! stop and resume; sockets break at any moment; slots are reused while calls for their former
//! connections still come in; the clock jumps. After every step the counters must add up, and
//! every client checks each byte it gets against what the protocol promised it.
//!
//! `FANFARE_SIM_SEED` repeats one run; `FANFARE_SIM_STEPS` sets the length of each.

#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

#[path = "hub/upstream.rs"]
mod upstream;
#[path = "hub/wire.rs"]
mod wire;
#[path = "hub/zlib.rs"]
mod zlib;

#[path = "sim/client.rs"]
mod client;
#[path = "sim/kernel.rs"]
mod kernel;
#[path = "sim/settle.rs"]
mod settle;
#[path = "sim/simulation.rs"]
mod simulation;
#[path = "sim/steps.rs"]
mod steps;

use std::num::NonZero;
use std::thread;

use fanfare::observe::{Counts, ShardCounts};

use simulation::Simulation;

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

#[test]
fn counters_add_up_and_clients_get_what_they_were_promised() {
    let steps = number("FANFARE_SIM_STEPS").unwrap_or(STEPS);
    let seeds = number("FANFARE_SIM_SEED").map_or(0..SEEDS, |seed| seed..seed + 1);
    let mut seen = ShardCounts::default();
    // As many runs at a time as there are cores.
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let run = |first: usize| {
        let seeds = seeds.clone().skip(first).step_by(cores);
        let runs = seeds.map(|seed| Simulation::new(seed, steps).run());
        runs.collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let runs = (0..cores).map(|first| {
            scope.spawn({
                let run = &run;
                move || run(first)
            })
        });
        for run in runs.collect::<Vec<_>>() {
            for counts in run.join().expect("what must hold does") {
                Counts::add(&mut seen, &counts);
            }
        }
    });
    println!("{seen:#?}");
    if number("FANFARE_SIM_SEED").is_none() && steps >= STEPS {
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
