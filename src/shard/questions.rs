//! Hands the publications of clients to the ingest thread and the results back to the hub. Shard
//! thread.

use crate::fabric::{SubmissionResult, SubmittedPublication};
use crate::hub::{Answer, PublishAnswer, Question, Ticket};
use crate::limits::SOCKET_TURN_MESSAGES;

use super::ring::Ring;
use super::shard_loop::ShardLoop;

impl<R: Ring> ShardLoop<R> {
    /// Submits the publications that clients sent since the last call, in submissions of bounded
    /// size, so that the ingest thread serves its other inputs in between. If a submission finds no
    /// room, its publications and all later ones are answered at once.
    pub(super) fn submit_questions(&mut self, now_us: u64) {
        let mut questions = self.hub.take_questions().into_iter();
        while !questions.as_slice().is_empty() {
            let mut publications = Vec::new();
            let mut tickets = Vec::new();
            let submission = questions.by_ref().take(SOCKET_TURN_MESSAGES);
            for (ticket, Question::Publish { topic, payload }) in submission {
                publications.push(SubmittedPublication { topic, payload });
                tickets.push(ticket);
            }
            let submitted =
                self.fabric
                    .submit_from_shard(self.index, publications, tickets, now_us);
            if let Err(tickets) = submitted {
                let rest = questions.map(|(ticket, _)| ticket);
                let busy = Answer::Publish(PublishAnswer::Busy);
                let answers = tickets.into_iter().chain(rest).map(|ticket| (ticket, busy));
                return self.hub.answer(answers, now_us);
            }
        }
    }

    /// Hands the results of publications to the hub.
    pub(super) fn deliver_answers(
        &mut self,
        results: Vec<(Ticket, SubmissionResult)>,
        now_us: u64,
    ) {
        let answers = results.into_iter().map(|(ticket, result)| {
            let answer = match result {
                SubmissionResult::Accepted => Answer::Publish(PublishAnswer::Accepted),
                SubmissionResult::Rejected(_) => Answer::Publish(PublishAnswer::Rejected),
                SubmissionResult::Busy => Answer::Publish(PublishAnswer::Busy),
                SubmissionResult::Expired => Answer::Timeout,
            };
            (ticket, answer)
        });
        self.hub.answer(answers, now_us);
    }
}
