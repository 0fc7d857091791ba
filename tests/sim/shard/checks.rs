//! Checks when the shard sleeps: no work is due, and every later event wakes the shard.

use fanfare::limits::ACCEPT_PAUSE;
use fanfare::shard::CompletionSignals;

use super::connection::{Receive, ServerEnd};
use super::descriptors::Target;
use super::operations::WakeRead;
use super::world::World;

const SECOND_US: u64 = 1_000_000;

impl World {
    /// Checks a sleep in the ring. The sleep ends at once if an operation has completed.
    pub fn check_sleep_in_ring(&mut self) {
        if self.kernel.has_completed() {
            return;
        }
        assert_eq!(
            self.kernel.wake_read,
            WakeRead::UnderWay,
            "the shard sleeps in the ring, and the lane cannot wake it"
        );
        self.check_sleep();
    }

    /// Checks a sleep in the executor. The sleep ends at once if the event descriptor is signalled.
    pub fn check_sleep_in_executor(&mut self) {
        let kernel = &mut self.kernel;
        kernel.coverage.executor_sleeps += 1;
        assert_eq!(
            kernel.wake_read,
            WakeRead::None,
            "a read in the ring would consume the signals"
        );
        assert_eq!(
            kernel.signals,
            CompletionSignals::On,
            "completions do not signal the shard"
        );
        kernel.read_event();
        if kernel.event_count == 0 {
            self.check_sleep();
        }
    }

    /// Checks that the shard was signalled if there is work while it sleeps in its executor.
    pub fn check_signalled(&mut self) {
        self.kernel.read_event();
        let has_work = self.kernel.has_work() || self.has_input();
        assert!(
            !has_work || self.kernel.event_count > 0,
            "there is work, and the sleeping shard was not signalled"
        );
    }

    /// Returns whether other threads have given the shard something to do.
    fn has_input(&self) -> bool {
        let shard = &self.fabric.shards[0];
        !shard.lane.is_empty()
            || !shard.service_answers.is_empty()
            || !self.fabric.config.is_applied(&shard.config)
    }

    /// Checks that there is no work, and that a timer runs for each deadline.
    fn check_sleep(&mut self) {
        assert!(
            !self.has_input(),
            "the shard sleeps with work on the lane or without the newest configuration"
        );
        assert!(
            !self.kernel.has_work(),
            "the shard sleeps with work in the ring"
        );
        if let Some(due_us) = self.deadline_us {
            self.check_timer(due_us, "a deadline of the shard");
        }
        if self.kernel.listener.is_some() && !self.kernel.is_accepting {
            self.check_timer(
                self.now_us + ACCEPT_PAUSE.as_micros() as u64,
                "the end of an accept pause",
            );
        }
        let mut unread = Vec::new();
        for (key, connection) in &self.kernel.connections {
            let is_idle = connection.receive == Receive::Idle && !connection.shut_down;
            let is_internal = self.internal.values().any(|number| {
                self.kernel.descriptors.get(*number) == Some(Target::Connection(*key))
            });
            if connection.server == ServerEnd::Open && is_idle && !is_internal {
                unread.push((key, connection));
            }
        }
        assert!(
            unread.len() <= self.paused + self.parked,
            "the shard sleeps without a receive operation: {unread:?}"
        );
        let second = self.turn_us.expect("a turn precedes the sleep") / SECOND_US;
        for (key, connection) in unread {
            if self.peers[key].client.is_connecting() {
                continue; // A hook has not answered.
            }
            assert_eq!(
                connection.read_us / SECOND_US,
                second,
                "{key}: the pause in reading outlasts its second"
            );
        }
        let held = self
            .kernel
            .buffers
            .iter()
            .filter(|it| it.filled_for.is_some());
        assert_eq!(
            held.count(),
            0,
            "the shard sleeps and has not returned all buffers"
        );
    }

    /// Checks that a timer fires by this time, or by now if this time has passed. `deadline` names
    /// the deadline in the message.
    fn check_timer(&self, due_us: u64, deadline: &str) {
        let due_us = due_us.max(self.now_us);
        let is_armed = self
            .kernel
            .timers
            .iter()
            .any(|timer| timer.due_us <= due_us);
        assert!(
            is_armed,
            "the shard sleeps past {deadline} at {due_us} us without a timer: {:?}",
            self.kernel.timers
        );
    }
}
