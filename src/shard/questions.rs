//! Passes the publications of clients to the ingest thread, and the results back to the hub. Runs
//! on the shard thread.

use crate::fabric::{SubmissionResult, SubmittedPublication};
use crate::hub::{Answer, PublishAnswer, Question, Ticket};

use super::ring::Ring;
use super::shard_loop::ShardLoop;

impl<R: Ring> ShardLoop<R> {
    /// Submits the publications that clients sent since the last call, as one submission. If the
    /// submission queue has no room, answers all of them with [`PublishAnswer::Busy`].
    pub(super) fn submit_questions(&mut self, now_us: u64) {
        let questions = self.hub.take_questions();
        if questions.is_empty() {
            return;
        }
        let mut publications = Vec::with_capacity(questions.len());
        let mut tickets = Vec::with_capacity(questions.len());
        for (ticket, Question::Publish { topic, payload }) in questions {
            publications.push(SubmittedPublication { topic, payload });
            tickets.push(ticket);
        }
        let submitted = self
            .fabric
            .submit_from_shard(self.index, publications, tickets);
        for ticket in submitted.err().unwrap_or_default() {
            let busy = Answer::Publish(PublishAnswer::Busy);
            self.hub.answer(ticket, busy, now_us);
        }
    }

    /// Passes the results of publications to the hub.
    pub(super) fn deliver_answers(
        &mut self,
        answers: Vec<(Ticket, SubmissionResult)>,
        now_us: u64,
    ) {
        for (ticket, result) in answers {
            let answer = match result {
                SubmissionResult::Accepted => PublishAnswer::Accepted,
                SubmissionResult::Rejected(_) => PublishAnswer::Rejected,
                SubmissionResult::Busy => PublishAnswer::Busy,
            };
            self.hub.answer(ticket, Answer::Publish(answer), now_us);
        }
    }
}
