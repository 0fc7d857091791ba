//! Sends the pending bytes of all connections whose sockets are not full. Runs on the shard thread.

use std::io;

use super::ring::{Completion, PinnedBytes, Ring};
use super::shard_loop::ShardLoop;
use super::work::Work;

/// Whether all sends of a round have completed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Complete,
    UnderWay,
}

impl<R: Ring> ShardLoop<R> {
    /// Sends in rounds until nothing is left to send. In each round the hub collects the pending
    /// bytes, the ring submits the sends, and all of the sends complete before the next round
    /// reuses the memory.
    pub(super) fn flush(&mut self) -> io::Result<Work> {
        let mut work = Work::None;
        while self.hub.poll_egress(&mut self.egress) {
            work = Work::Done;
            let mut in_flight = 0;
            for send in self.egress.sends() {
                // The hub sends nothing on a connection that it has closed.
                let Some(socket) = self.sockets.open(send.id) else {
                    continue;
                };
                // SAFETY: `in_flight` counts the sends that have not completed, and `egress` is
                // neither changed nor cleared before `in_flight` is zero. After an error the ring
                // is dropped before `egress`.
                let bytes = unsafe { PinnedBytes::new(self.egress.bytes(send)) };
                self.ring.send(socket, send.id, bytes)?;
                in_flight += 1;
            }
            self.ring.reap(&mut self.completions)?;
            while self.complete_sends(&mut in_flight)? == Round::UnderWay {
                self.ring.reap_one(&mut self.completions)?;
            }
            self.egress.clear();
        }
        Ok(work)
    }

    /// Handles the completed sends and subtracts their number from `in_flight`. All other
    /// completions are left for the next turn.
    fn complete_sends(&mut self, in_flight: &mut usize) -> io::Result<Round> {
        let now_us = self.ring.now_us();
        let mut completions = std::mem::take(&mut self.completions);
        let mut outcome = Ok(());
        completions.retain(|completion| {
            let Completion::Send { id, result } = *completion else {
                return true;
            };
            *in_flight -= 1;
            let sent = self.handle_sent(id, result, now_us);
            if outcome.is_ok() {
                outcome = sent;
            }
            false
        });
        self.completions = completions;
        outcome.map(|()| match *in_flight {
            0 => Round::Complete,
            _ => Round::UnderWay,
        })
    }
}
