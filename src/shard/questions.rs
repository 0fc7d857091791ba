//! Passes the questions of the hub to other threads. Shard thread.

use crate::fabric::{Origin, Submission};
use crate::hub::{Answer, PublishAnswer, Question};

use super::ring::Ring;
use super::shard_loop::ShardLoop;

impl<R: Ring> ShardLoop<R> {
    /// Submits the publications of clients to the ingest thread. A full queue answers at once.
    pub(super) fn submit_questions(&mut self, now_us: u64) {
        for (ticket, question) in self.hub.take_questions() {
            let Question::Publish { topic, payload } = question;
            let submission = Submission {
                origin: Origin::Client,
                topic,
                payload,
                reply: None,
            };
            let answer = match self.fabric.inlet.submit(submission) {
                Ok(()) => PublishAnswer::Accepted,
                Err(_) => PublishAnswer::Busy,
            };
            self.hub.answer(ticket, Answer::Publish(answer), now_us);
        }
    }
}
