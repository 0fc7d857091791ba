//! The way into ingest for publications that do not come over ZeroMQ: clients', and the admin
//! port's. They get their place in the order of their topic like any other.

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits::INLET_PUBLICATIONS;

use super::wake::Wake;

/// Who submitted a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Client,
    Admin,
}

/// What ingest said to a submission: `Err` holds the code and a text for the publisher.
pub type Verdict = Result<(), (&'static str, String)>;

/// A publication that waits for ingest.
#[derive(Debug)]
pub struct Submission {
    pub origin: Origin,
    pub topic: String,
    pub payload: Vec<u8>,
    /// Where the verdict goes, if somebody waits for it.
    pub reply: Option<Sender<Verdict>>,
}

/// Many cores submit, ingest takes.
#[derive(Debug)]
pub struct Inlet {
    queue: (Sender<Submission>, Receiver<Submission>),
    pub wake: Wake,
}

impl Inlet {
    pub(super) fn new(wake: Wake) -> Self {
        Self { queue: bounded(INLET_PUBLICATIONS), wake }
    }

    /// Hands a submission over and wakes ingest. It comes back if ingest has its hands full.
    pub fn submit(&self, submission: Submission) -> Result<(), Submission> {
        self.queue.0.try_send(submission).map_err(crossbeam_channel::TrySendError::into_inner)?;
        self.wake.wake();
        Ok(())
    }

    pub fn take(&self) -> Option<Submission> {
        self.queue.1.try_recv().ok()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.1.is_empty()
    }
}
