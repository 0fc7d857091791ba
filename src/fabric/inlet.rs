//! The way into ingest for publications that do not come over ZeroMQ: clients', and the admin
//! port's. They get their place in the order of their topic like any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config::Config;
use crate::limits::SUBMISSION_QUEUE_PUBLICATIONS;

use super::wake::Wake;

/// Who submitted a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Client,
    Admin,
    /// The watchdog, to see whether it comes back.
    Canary,
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
    configs: (Sender<Arc<Config>>, Receiver<Arc<Config>>),
    closed: AtomicBool,
    pub wake: Wake,
}

impl Inlet {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            queue: bounded(SUBMISSION_QUEUE_PUBLICATIONS),
            configs: bounded(1),
            closed: AtomicBool::new(false),
            wake,
        }
    }

    /// Hands a submission over and wakes ingest. It comes back if ingest has its hands full.
    pub fn submit(&self, submission: Submission) -> Result<(), Submission> {
        self.queue
            .0
            .try_send(submission)
            .map_err(crossbeam_channel::TrySendError::into_inner)?;
        self.wake.wake();
        Ok(())
    }

    pub fn take(&self) -> Option<Submission> {
        self.queue.1.try_recv().ok()
    }

    /// Gives ingest new rules. False: it has not taken the ones before yet.
    pub fn reconfigure(&self, config: Arc<Config>) -> bool {
        let sent = self.configs.0.try_send(config).is_ok();
        self.wake.wake();
        sent
    }

    pub fn take_config(&self) -> Option<Arc<Config>> {
        self.configs.1.try_recv().ok()
    }

    /// Nothing waits for ingest.
    pub fn is_empty(&self) -> bool {
        self.queue.1.is_empty() && self.configs.1.is_empty()
    }

    /// Ends ingest.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake.signal();
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
