//! Runs the fuzz targets with stable Rust and in bounded time, on mutations of their seed inputs.
//!
//! `FANFARE_FUZZ_SEED` repeats a run; `FANFARE_FUZZ_ITERATIONS` sets its length. The same targets
//! run under libFuzzer, see `tests/fuzz/Cargo.toml`.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Default limits of the run of one target. The first one that is reached ends the run.
const ITERATIONS: u64 = 50_000;
const TIME: Duration = Duration::from_secs(5);

/// Maximum length of an input: more than every limit that a target tests.
const INPUT_BYTES: usize = 16 * 1024;

macro_rules! run {
    ($target:ident) => {
        #[test]
        fn $target() {
            run(stringify!($target), targets::$target::$target);
        }
    };
}
targets::for_each_target!(run);

fn run(name: &str, target: fn(&[u8])) {
    let seeds = seeds(name);
    let wanted = number("FANFARE_FUZZ_ITERATIONS");
    let seed = number("FANFARE_FUZZ_SEED").unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64
    });
    println!("{name}: FANFARE_FUZZ_SEED={seed}");

    for input in &seeds {
        run_one(target, input, "a seed input");
    }
    let start = Instant::now();
    for iteration in 0..wanted.unwrap_or(ITERATIONS) {
        if wanted.is_none() && start.elapsed() > TIME {
            println!("{name}: {iteration} iterations within the time limit");
            return;
        }
        let mut random = Random(seed.wrapping_add(iteration));
        let input = mutate(&seeds, &mut random);
        run_one(
            target,
            &input,
            &format!("FANFARE_FUZZ_SEED={seed}, iteration {iteration}"),
        );
    }
}

fn run_one(target: fn(&[u8]), input: &[u8], origin: &str) {
    if let Err(panic) = std::panic::catch_unwind(|| target(input)) {
        eprintln!("{origin}: input b\"{}\"", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

/// Returns the inputs in `tests/fuzz/corpus/<name>`, sorted by name.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/corpus")
        .join(name);
    let mut paths: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(
        !paths.is_empty(),
        "{} has no seed inputs",
        directory.display()
    );
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is not a number")),
    )
}

/// Returns a seed input with one to eight changes.
fn mutate(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.byte(),
            2 if at < input.len() => {
                input[at] = [0, 1, 0x7d, 0x7e, 0x7f, 0x80, 0xff][random.below(7)];
            }
            3 => input.insert(at, random.byte()),
            4 => drop(input.drain(at..input.len().min(at + random.below(16)))),
            5 => input.truncate(at),
            6 => {
                // Insert a piece of this or another input, once or repeatedly.
                let other = &seeds[random.below(seeds.len())];
                let start = random.below(other.len() + 1);
                let end = other.len().min(start + random.below(64));
                let times = if random.below(8) == 0 {
                    random.below(256)
                } else {
                    1
                };
                input.splice(at..at, other[start..end].repeat(times));
            }
            _ => {
                let end = input.len().min(at + random.below(64));
                let piece = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
        }
    }
    input.truncate(INPUT_BYTES);
    input
}

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    /// Returns a number from 0 to `end`, excluding `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
