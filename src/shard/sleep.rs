//! How a shard sleeps: a nap in its ring, then soundly in its executor. Shard core.

use std::time::Duration;

use glommio::io::BufferedFile;

use crate::limits::SHORT_SLEEP;

use super::Fault;
use super::drive::Drive;
use super::ring::Operation;

impl Drive {
    /// Sleeps until the ring, the lane or a deadline has something to do. First it naps in the
    /// ring, which takes one system call; to sleep in the executor takes nine, so that is for a
    /// shard that has had nothing to do for a while, and for the executor's own tasks.
    pub(super) async fn sleep(&mut self, event: &BufferedFile) -> Result<(), Fault> {
        self.arm_timer().map_err(Fault::Submit)?;
        if self.park() {
            self.hub.counts_mut().parks += 1;
            if !self.nap().map_err(Fault::Submit)? {
                self.sleep_soundly(event).await?;
            }
        }
        self.shard().lane.wake.unpark();
        Ok(())
    }

    async fn sleep_soundly(&mut self, event: &BufferedFile) -> Result<(), Fault> {
        self.ring.notify(true);
        if self.park() {
            // Its eight bytes say how often it was signalled, which does not matter.
            event
                .read_at(0, 8)
                .await
                .map_err(|error| Fault::Wake(error.to_string()))?;
        }
        self.ring.notify(false);
        Ok(())
    }

    /// Says that the shard is about to sleep. False: there is something to do.
    fn park(&mut self) -> bool {
        let lane = &self.fabric.shards[self.index].lane;
        lane.wake.park();
        lane.is_empty() && !self.ring.has_work() && self.completions.is_empty()
    }

    /// Sleeps in the ring, for a moment at the most. True: something has come. Else the ring stops
    /// listening to the wake: the ring itself is to signal it next, and would hear itself.
    fn nap(&mut self) -> std::io::Result<bool> {
        if !self.listening {
            let wake = self.shard().lane.wake.descriptor();
            self.ring.listen(wake)?;
            self.listening = true;
        }
        self.ring.nap(SHORT_SLEEP)?;
        if !self.park() {
            return Ok(true);
        }
        self.ring.cancel(Operation::Wake)?;
        while self.listening {
            self.ring.reap_one(&mut self.completions)?;
            let listening = &mut self.listening;
            self.completions.retain(|completion| {
                *listening &= completion.operation != Operation::Wake;
                !matches!(completion.operation, Operation::Wake | Operation::Cancel)
            });
        }
        Ok(false)
    }

    fn arm_timer(&mut self) -> std::io::Result<()> {
        let now_us = self.fabric.clock.now_us();
        if self.timer_due_us.is_some_and(|due_us| due_us <= now_us) {
            self.timer_due_us = None;
        }
        let due = self
            .hub
            .deadline_us()
            .into_iter()
            .chain(self.acceptor.deadline_us())
            .min();
        let Some(due_us) = due else { return Ok(()) };
        if self.timer_due_us.is_none_or(|armed_us| due_us < armed_us) {
            self.ring
                .timer(Duration::from_micros(due_us.saturating_sub(now_us)))?;
            self.timer_due_us = Some(due_us);
        }
        Ok(())
    }
}
