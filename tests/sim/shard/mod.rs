//! One run of the simulation of a shard: the real main loop, hub and lanes on a simulated kernel.

mod checks;
mod clients;
mod connection;
mod control;
mod coverage;
mod descriptors;
mod ingest;
mod kernel;
mod operations;
mod progress;
mod ring;
mod service;
mod settle;
mod world;

use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;

use fanfare::fabric::{DescriptorBudget, Fabric, Wake};
use fanfare::limits::REFUSAL_SOCKETS;
use fanfare::observe::ShardCounts;
use fanfare::shard::{CompletionSignals, ShardLoop, Sleep, Turn};

use crate::counts::{check_identity, dropped};
use descriptors::Target;
use ring::{SharedWorld, SimulatedRing, open_listener};
use world::World;

pub use coverage::Coverage;

/// The state of the shard's thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thread {
    /// The next step is a turn.
    Turn,
    /// The next step is a sleep.
    Sleep,
    /// The executor waits for a signal of the event descriptor.
    WaitForSignal,
    Ended,
}

/// The state of one run.
pub struct Simulation {
    world: SharedWorld,
    shard: ShardLoop<SimulatedRing>,
    thread: Thread,
}

impl Simulation {
    pub fn new(seed: u64, steps: u64) -> Self {
        let (signals, event) = UnixStream::pair().expect("the process can open a socket pair");
        let wake = Wake::new(File::from(OwnedFd::from(signals)));
        let (submissions, _) = UnixStream::pair().expect("the process can open a socket pair");
        let submissions_wake = Wake::new(File::from(OwnedFd::from(submissions)));
        let max_connections = 1 + (seed % 40) as usize;
        let fabric = Arc::new(Fabric::new(vec![wake], submissions_wake, max_connections));
        let world = World::new(seed, steps, event, Arc::clone(&fabric));
        let config = Arc::new(world.config.clone());
        let world = Rc::new(RefCell::new(world));
        let listener = open_listener(&world);
        let ring = SimulatedRing::new(&world);
        let mut shard = ShardLoop::new(ring, listener, 0, config, fabric, seed);
        shard.start().expect("the simulated ring does not fail");
        Self {
            world,
            shard,
            thread: Thread::Turn,
        }
    }

    /// Runs all steps and ends the run. Returns the counters of the shard and the number of
    /// simulated events.
    pub fn run(mut self) -> (ShardCounts, Coverage) {
        let steps = self.world.borrow().log.steps;
        for step in 1..=steps {
            self.world.borrow_mut().log.step = step;
            self.step();
            if step.is_multiple_of(500) {
                self.settle();
                self.check_settled();
            }
        }
        self.finish()
    }

    /// Runs either the shard or another thread.
    fn step(&mut self) {
        let shard_runs = self.world.borrow_mut().random.u32(..3) > 0;
        if shard_runs {
            self.run_shard();
        } else {
            self.world.borrow_mut().simulate_event();
        }
        if self.thread == Thread::WaitForSignal {
            self.world.borrow_mut().check_signalled();
        }
        self.check();
    }

    /// Runs the shard's thread for one turn, one sleep or one check for a signal, as the executor
    /// does.
    fn run_shard(&mut self) {
        match self.thread {
            Thread::Turn => {
                {
                    let world = &mut *self.world.borrow_mut();
                    (world.is_in_turn, world.turn_us) = (true, None);
                }
                let turn = self.shard.turn().expect("the simulated ring does not fail");
                self.world.borrow_mut().is_in_turn = false;
                self.thread = match turn {
                    Turn::Worked => Thread::Turn,
                    Turn::Idle => Thread::Sleep,
                    Turn::Ended => Thread::Ended,
                };
                self.check_turn(turn);
            }
            Thread::Sleep => {
                {
                    let mut world = self.world.borrow_mut();
                    world.deadline_us = self.shard.deadline_us();
                    world.paused = self.shard.paused_connections();
                    world.parked = self.shard.hub().counts().parked as usize;
                    world.kernel.coverage.paused += world.paused as u64;
                }
                let sleep = self
                    .shard
                    .sleep()
                    .expect("the simulated ring does not fail");
                self.thread = match sleep {
                    Sleep::Over => Thread::Turn,
                    Sleep::Executor => Thread::WaitForSignal,
                };
                if sleep == Sleep::Executor {
                    self.world.borrow_mut().check_sleep_in_executor();
                    self.check_idle();
                }
            }
            Thread::WaitForSignal => {
                let is_signalled = {
                    let kernel = &mut self.world.borrow_mut().kernel;
                    kernel.read_event();
                    std::mem::take(&mut kernel.event_count) > 0
                };
                if is_signalled {
                    self.shard.end_executor_sleep();
                    self.thread = Thread::Turn;
                }
            }
            Thread::Ended => {}
        }
    }

    /// Checks the conditions that must hold after every step.
    fn check(&mut self) {
        let counts = self.shard.hub().counts();
        check_identity(&counts);
        let mut world = self.world.borrow_mut();
        world.check_surveys();
        let published = world.fabric.shards[0].counts.load();
        check_identity(&published);
        assert_eq!(published.taken, published.lane_reached, "{published:?}");
        let kernel = &world.kernel;
        let sockets = kernel
            .descriptors
            .count(|it| matches!(it, Target::Connection(_)));
        assert!(counts.connections <= sockets as u64, "{counts:?}");
        let max_descriptors = world.fabric.max_connections() + REFUSAL_SOCKETS;
        let held = world.fabric.held_descriptors() - DescriptorBudget::reserved_for(1);
        assert!(held <= max_descriptors as u64);
    }

    /// Checks the conditions that must hold after a turn.
    fn check_turn(&mut self, turn: Turn) {
        let counts = self.shard.hub().counts();
        let world = self.world.borrow();
        let kernel = &world.kernel;
        assert!(
            kernel.sends_are_complete(),
            "a send has not completed in its turn"
        );
        assert_eq!(kernel.signals, CompletionSignals::Off);
        assert_eq!(counts.written_bytes, kernel.sent_bytes);
        if turn != Turn::Ended {
            assert_eq!(world.fabric.shards[0].counts.load(), counts);
        }
    }

    /// Checks the conditions that must hold when the shard has no work.
    fn check_idle(&mut self) {
        let counts = self.shard.hub().counts();
        let world = self.world.borrow();
        let kernel = &world.kernel;
        if kernel.event_count > 0 {
            return;
        }
        let waiting = kernel.coverage.internal - world.internal.len() as u64;
        let accepted = kernel.accepted + kernel.coverage.refused + waiting;
        assert_eq!(counts.accepted, accepted, "{counts:?}");
        let open = kernel
            .descriptors
            .count(|it| matches!(it, Target::Connection(_)));
        let open = (open - world.internal.len()) as u64;
        assert_eq!(counts.connections, open, "{counts:?}");
        assert_eq!(counts.refused_descriptors, kernel.coverage.refused);
        assert!(dropped(&counts) <= counts.matched);
    }
}
