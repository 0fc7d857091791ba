//! Checks of the decision to sleep: everything that is due has something that wakes the shard.

use fanfare::limits::ACCEPT_PAUSE;
use fanfare::shard::CompletionSignals;

use super::connection::{Receive, ServerEnd};
use super::descriptors::Target;
use super::kernel::WakeRead;
use super::world::World;

impl World {
    /// Checks a sleep in the ring. A completion ends the sleep at once.
    pub fn check_sleep_in_ring(&mut self) {
        if self.kernel.has_completed() {
            return;
        }
        assert_eq!(
            self.kernel.wake_read,
            WakeRead::UnderWay,
            "sleeps in the ring, and the lane cannot wake it"
        );
        self.check_sleep();
    }

    /// Checks a sleep in the executor. A signal ends the sleep at once.
    pub fn check_sleep_in_executor(&mut self) {
        let kernel = &mut self.kernel;
        kernel.events.executor_sleeps += 1;
        assert_eq!(
            kernel.wake_read,
            WakeRead::None,
            "the ring takes the signals away"
        );
        assert_eq!(kernel.signals, CompletionSignals::On, "nothing signals");
        kernel.read_event();
        if kernel.event_count == 0 {
            self.check_sleep();
        }
    }

    /// Checks that an event signals a shard that sleeps in its executor.
    pub fn check_signalled(&mut self) {
        self.kernel.read_event();
        let has_work = self.kernel.has_work() || !self.fabric.shards[0].lane.is_empty();
        assert!(
            !has_work || self.kernel.event_count > 0,
            "there is work, and the sleeping shard was not signalled"
        );
    }

    fn check_sleep(&mut self) {
        assert!(
            self.fabric.shards[0].lane.is_empty(),
            "sleeps with work on the lane"
        );
        assert!(!self.kernel.has_work(), "sleeps with work in the ring");
        if let Some(due_us) = self.deadline_us {
            self.check_timer(due_us, "a deadline of the hub");
        }
        if self.kernel.listener.is_some() && !self.kernel.is_accepting {
            self.check_timer(
                self.now_us + ACCEPT_PAUSE.as_micros() as u64,
                "the end of an accept pause",
            );
        }
        for (key, connection) in &self.kernel.connections {
            let is_idle = connection.receive == Receive::Idle && !connection.shut_down;
            let is_internal = self.internal.values().any(|number| {
                self.kernel.descriptors.get(*number) == Some(Target::Connection(*key))
            });
            assert!(
                connection.server != ServerEnd::Open || !is_idle || is_internal,
                "{key}: sleeps and receives nothing: {connection:?}"
            );
        }
        let held = self
            .kernel
            .buffers
            .iter()
            .filter(|it| it.filled_for.is_some());
        assert_eq!(held.count(), 0, "sleeps and holds buffers");
    }

    /// Checks that a timer fires by this time, or at once if the time has passed.
    fn check_timer(&self, due_us: u64, what: &str) {
        let due_us = due_us.max(self.now_us);
        let is_armed = self
            .kernel
            .timers
            .iter()
            .any(|timer| timer.due_us <= due_us);
        assert!(
            is_armed,
            "sleeps past {what} at {due_us} us, without a timer: {:?}",
            self.kernel.timers
        );
    }
}
