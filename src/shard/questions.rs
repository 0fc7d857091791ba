//! Hands the publications of clients to the ingest thread and the calls of hooks to the service
//! thread, and hands the results back to the hub. Shard thread.

use crate::fabric::{SubmissionResult, SubmittedPublication};
use crate::hub::{Answer, PublishAnswer, Question, Ticket};
use crate::limits::SOCKET_TURN_MESSAGES;

use super::ring::Ring;
use super::shard_loop::ShardLoop;
use super::work::Work;

impl<R: Ring> ShardLoop<R> {
    /// Asks the questions of the hub since the last call. A question that finds no room is answered
    /// at once.
    pub(super) fn ask_questions(&mut self, now_us: u64) {
        let mut publications = Vec::new();
        for (ticket, question) in self.hub.take_questions() {
            match question {
                Question::Publish {
                    topic,
                    payload,
                    info,
                } => {
                    let publication = SubmittedPublication {
                        topic,
                        payload,
                        info,
                    };
                    publications.push((ticket, publication));
                }
                Question::Service(question) => {
                    let asked = self
                        .fabric
                        .ask_service(self.index, ticket, question, now_us);
                    if asked.is_err() {
                        self.hub.answer([(ticket, Answer::Timeout)], now_us);
                    }
                }
            }
        }
        self.submit(publications, now_us);
    }

    /// Submits the publications that clients sent since the last call, in submissions of bounded
    /// size, so that the ingest thread serves its other inputs in between. If a submission finds no
    /// room, its publications and all later ones are answered at once.
    fn submit(&mut self, publications: Vec<(Ticket, SubmittedPublication)>, now_us: u64) {
        let mut rest = publications.into_iter();
        while !rest.as_slice().is_empty() {
            let submission = rest.by_ref().take(SOCKET_TURN_MESSAGES);
            let (tickets, publications) = submission.unzip();
            let submitted =
                self.fabric
                    .submit_from_shard(self.index, publications, tickets, now_us);
            if let Err(tickets) = submitted {
                let tickets = tickets.into_iter().chain(rest.map(|(ticket, _)| ticket));
                let busy = |ticket| (ticket, Answer::Publish(PublishAnswer::Busy));
                return self.hub.answer(tickets.map(busy), now_us);
            }
        }
    }

    /// Hands the answers of the service thread to the hub, a bounded number in one turn.
    pub(super) fn deliver_service_answers(&mut self, now_us: u64) -> Work {
        let mut answers = Vec::new();
        while answers.len() < SOCKET_TURN_MESSAGES
            && let Some((ticket, answer)) = self.shard().service_answers.pop()
        {
            answers.push((ticket, Answer::Service(answer)));
        }
        if answers.is_empty() {
            return Work::None;
        }
        self.hub.answer(answers, now_us);
        Work::Done
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
