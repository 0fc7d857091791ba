//! The search for slow connections that the control thread requests. Each turn searches one page of
//! connections. Runs on the shard thread.

use std::collections::VecDeque;

use tokio::sync::oneshot::Sender;

use crate::hub::{Hub, SlowConnection, Survey, SurveyProgress};

use super::ring::Socket;
use super::sockets::Sockets;
use super::work::Work;

/// Surveys that were requested and are not answered yet, oldest first.
#[derive(Default)]
pub(super) struct SurveyQueue {
    requests: VecDeque<SurveyRequest>,
}

/// A survey, and the channel on which the control thread waits for its result.
struct SurveyRequest {
    survey: Survey,
    reply: Sender<Vec<SlowConnection>>,
}

impl SurveyQueue {
    /// Adds a search for the `limit` connections with the most pending bytes.
    pub(super) fn push(&mut self, limit: usize, reply: Sender<Vec<SlowConnection>>) {
        let survey = Survey::new(limit);
        self.requests.push_back(SurveyRequest { survey, reply });
    }

    /// Searches one page for the oldest survey, and sends the result when the survey is complete.
    pub(super) fn step<S: Socket>(
        &mut self,
        hub: &mut Hub,
        sockets: &Sockets<S>,
        now_us: u64,
    ) -> Work {
        let Some(mut request) = self.requests.pop_front() else {
            return Work::None;
        };
        if hub.survey(&mut request.survey, now_us) == SurveyProgress::InProgress {
            self.requests.push_front(request);
            return Work::Done;
        }
        let mut found = request.survey.into_found();
        for connection in &mut found {
            connection.peer = sockets.peer(connection.id);
        }
        // Fails if the control thread no longer waits for the result.
        let _ = request.reply.send(found);
        Work::Done
    }
}
