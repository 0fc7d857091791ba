//! The sleep of an idle shard: first in its ring, then in its executor. Runs on the shard thread.
//!
//! Every sleep follows the same order, so that no event is missed. The shard first enables the
//! events that wake it, then checks once more for work, and then sleeps:
//!
//! | event | wakes the short sleep | wakes the executor sleep |
//! |---|---|---|
//! | a batch or request on the lane | a read of the event descriptor | the event descriptor |
//! | an answer of the service thread | a read of the event descriptor | the event descriptor |
//! | a new configuration | a read of the event descriptor | the event descriptor |
//! | a completion | the ring | the event descriptor, which the ring signals |
//! | a deadline | a timer in the ring | a timer in the ring, by its completion |

use std::io;
use std::time::Duration;

use crate::limits::SHORT_SLEEP;

use super::ring::{Cancelled, Completion, CompletionSignals, Ring};
use super::shard_loop::ShardLoop;

/// The outcome of [`ShardLoop::sleep`], which determines the next step of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sleep {
    /// The sleep is over: run the next turn.
    Over,
    /// The sleep continues in the executor: wait until the shard's event descriptor is signalled,
    /// then call
    /// [`ShardLoop::end_executor_sleep`] and run the next turn.
    Executor,
}

/// The outcome of the check for work before a sleep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LastCheck {
    Work,
    NoWork,
}

impl<R: Ring> ShardLoop<R> {
    /// Sleeps until there is work in the ring or on the lane, or a deadline has passed.
    ///
    /// The short sleep in the ring takes one system call. The sleep in the executor takes nine, so
    /// the shard begins it only when the whole short sleep has passed without work. It also lets
    /// the executor run its own tasks.
    pub fn sleep(&mut self) -> io::Result<Sleep> {
        self.arm_timer()?;
        // The short sleep submits what is queued. So only completions are work for this check.
        if self.park(Ring::has_completed) == LastCheck::NoWork {
            self.hub.counts_mut().parks += 1;
            if self.sleep_in_ring()? == LastCheck::NoWork {
                self.ring.set_signals(CompletionSignals::On);
                if self.park(Ring::has_work) == LastCheck::NoWork {
                    return Ok(Sleep::Executor);
                }
                self.ring.set_signals(CompletionSignals::Off);
            }
        }
        self.shard().lane.wake.unpark();
        Ok(Sleep::Over)
    }

    /// Ends a sleep in the executor. Called when the event descriptor was signalled.
    pub fn end_executor_sleep(&mut self) {
        self.ring.set_signals(CompletionSignals::Off);
        self.shard().lane.wake.unpark();
    }

    /// Returns the earliest time, in microseconds, at which the shard has to work even if no event
    /// occurs.
    pub fn deadline_us(&self) -> Option<u64> {
        let accept_end_us = self.accept_until_us.filter(|_| self.acceptor.is_open());
        self.hub
            .deadline_us()
            .into_iter()
            .chain(self.acceptor.deadline_us())
            .chain(self.receives.deadline_us())
            .chain(accept_end_us)
            .min()
    }

    /// Lets other threads signal the event descriptor, and checks for work once more. `has_work`
    /// checks the ring.
    fn park(&mut self, has_work: impl Fn(&mut R) -> bool) -> LastCheck {
        let shard = &self.fabric.shards[self.index];
        shard.lane.wake.park();
        let has_input = !shard.lane.is_empty()
            || !shard.service_answers.is_empty()
            || !self.fabric.config.is_applied(&shard.config);
        if !has_input && !has_work(&mut self.ring) && self.completions.is_empty() {
            LastCheck::NoWork
        } else {
            LastCheck::Work
        }
    }

    /// Sleeps in the ring for [`SHORT_SLEEP`]. If there is no work then, ends the read of the event
    /// descriptor. Otherwise the read would consume the signal with which the ring wakes the
    /// executor.
    fn sleep_in_ring(&mut self) -> io::Result<LastCheck> {
        if !self.reading_wake {
            self.ring.read_wake()?;
            self.reading_wake = true;
        }
        self.ring.short_sleep(SHORT_SLEEP)?;
        if self.park(Ring::has_work) == LastCheck::Work {
            return Ok(LastCheck::Work);
        }
        self.ring.cancel(Cancelled::WakeRead)?;
        while self.reading_wake {
            self.ring.reap_one(&mut self.completions)?;
            let reading_wake = &mut self.reading_wake;
            self.completions.retain(|completion| match completion {
                Completion::WakeRead => {
                    *reading_wake = false;
                    false
                }
                Completion::Cancel => false,
                _ => true,
            });
        }
        Ok(LastCheck::NoWork)
    }

    /// Starts a timer for the next deadline, unless an earlier one is running.
    fn arm_timer(&mut self) -> io::Result<()> {
        let now_us = self.ring.now_us();
        if self.timer_due_us.is_some_and(|due_us| due_us <= now_us) {
            self.timer_due_us = None;
        }
        let Some(due_us) = self.deadline_us() else {
            return Ok(());
        };
        if self.timer_due_us.is_none_or(|armed_us| due_us < armed_us) {
            let delay = Duration::from_micros(due_us.saturating_sub(now_us));
            self.ring.start_timer(delay)?;
            self.timer_due_us = Some(due_us);
        }
        Ok(())
    }
}
