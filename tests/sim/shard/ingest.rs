//! The ingest thread of the simulation: publications of other processes and of clients.

use std::sync::Arc;

use fanfare::delivery::{Batch, Broadcast, NamespaceRules};
use fanfare::fabric::{Rejection, ReplyTarget, SubmissionResult};

use super::world::{Contents, World};
use crate::client::TOPICS;
use crate::upstream::{JSON_RULES, joined_broadcast};

impl World {
    /// Publishes to some topics, in one batch.
    pub fn publish(&mut self) {
        let mut contents = Vec::new();
        for _ in 0..self.random.usize(1..5) {
            let topic = self.random.usize(..TOPICS.len());
            let bodies = self.bodies.make(rules(topic).may_join, &mut self.random);
            contents.push((topic, bodies));
        }
        self.push_batch(contents);
    }

    /// Pushes a batch to the lane if the shard may want some of it.
    fn push_batch(&mut self, contents: Contents) {
        let shard = &self.fabric.shards[0];
        let (mut broadcasts, mut wanted) = (Vec::new(), 0);
        for (topic, bodies) in &contents {
            let texts: Vec<_> = bodies.iter().map(String::as_str).collect();
            let name = TOPICS[*topic].0;
            let broadcast = joined_broadcast(
                &self.fabric.hasher,
                name,
                &texts,
                rules(*topic),
                self.now_us,
            );
            if shard.interest.may_want(broadcast.topic_hash()) {
                wanted += texts.len() as u64;
            }
            broadcasts.push(broadcast);
        }
        if wanted == 0 {
            return;
        }
        let held_bytes = broadcasts.iter().map(Broadcast::held_bytes).sum();
        let batch = Arc::new(Batch {
            broadcasts,
            held_bytes,
        });
        self.kernel.read_event();
        let signalled = self.kernel.signalled;
        if shard.lane.push(batch, wanted, self.now_us).is_err() {
            return;
        }
        self.kernel.read_event();
        assert!(
            !self.is_in_turn || self.kernel.signalled == signalled,
            "a shard that works is signalled"
        );
        self.lane.push_back(contents);
        self.note(|| format!("{wanted} publications, {held_bytes} bytes on the lane"));
    }

    /// Takes a submission of the shard and answers it after its publications are on the lane.
    /// Returns whether there was one.
    pub fn answer_submission(&mut self) -> bool {
        let Some(submission) = self.fabric.submissions.take() else {
            return false;
        };
        let ReplyTarget::Shard { index: 0, tickets } = submission.reply else {
            panic!("only the shard submits: {submission:?}");
        };
        assert_eq!(tickets.len(), submission.publications.len());
        let (mut contents, mut answers) = (Vec::new(), Vec::new());
        for (ticket, publication) in tickets.into_iter().zip(submission.publications) {
            let result = match self.random.u32(..6) {
                0 => SubmissionResult::Busy,
                1 => SubmissionResult::Rejected(Rejection::ALL[0]),
                _ => {
                    let name = &publication.topic;
                    let topic = TOPICS.iter().position(|(topic, _)| topic == name);
                    let body = String::from_utf8(publication.payload).expect("it is JSON");
                    contents.push((topic.expect("clients know the topics"), vec![body]));
                    SubmissionResult::Accepted
                }
            };
            answers.push((ticket, result));
        }
        self.kernel.events.submissions += answers.len() as u64;
        self.push_batch(contents);
        self.fabric.shards[0].lane.push_answers(answers);
        // An item without publications.
        self.lane.push_back(Vec::new());
        true
    }

    /// Records the publications of the batches that the shard has taken, which clients then expect.
    pub fn match_lane(&mut self) {
        let queued = self.fabric.shards[0].lane.queued_batches();
        while self.lane.len() > queued {
            for (topic, bodies) in self.lane.pop_front().into_iter().flatten() {
                for peer in self.peers.values_mut() {
                    peer.client.published(topic, &bodies);
                }
            }
        }
    }
}

/// Returns the rules of a topic's namespace.
fn rules(topic: usize) -> NamespaceRules {
    let name = TOPICS[topic].0;
    NamespaceRules {
        may_join: !name.starts_with("latest:"),
        may_deflate: name != "b",
        ..JSON_RULES
    }
}
