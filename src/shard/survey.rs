//! The search for slow connections that control asks for, a page in each turn. Shard core.

use crossbeam_channel::Sender;

use crate::hub::{SlowConnection, Survey, SurveyProgress};

use super::drive::Drive;

/// A survey under way, and where its outcome goes.
pub(super) struct Inquiry {
    survey: Survey,
    reply: Sender<Vec<SlowConnection>>,
}

impl Inquiry {
    pub(super) fn new(limit: usize, reply: Sender<Vec<SlowConnection>>) -> Self {
        let survey = Survey::new(limit);
        Self { survey, reply }
    }
}

impl Drive {
    /// Goes on with the oldest survey asked for. True: there was one.
    pub(super) fn survey(&mut self, now_us: u64) -> bool {
        let Some(mut inquiry) = self.surveys.pop_front() else {
            return false;
        };
        if self.hub.survey(&mut inquiry.survey, now_us) == SurveyProgress::InProgress {
            self.surveys.push_front(inquiry);
            return true;
        }
        let mut found = inquiry.survey.into_found();
        for connection in &mut found {
            connection.peer = self.sockets.peer(connection.id);
        }
        // Who asked may have given up waiting.
        let _ = inquiry.reply.try_send(found);
        true
    }
}
