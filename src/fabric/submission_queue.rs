//! The queue of the ingest thread for publications that do not arrive over ZeroMQ. Shards and the
//! control thread write, the ingest thread reads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::limits::{SUBMISSION_QUEUE_BYTES, SUBMISSION_QUEUE_PUBLICATIONS};

use super::submission::Submission;
use super::wake::Wake;

/// The submission queue is full. It returns the submission, so that the sender can answer it.
#[derive(Debug)]
pub struct SubmissionQueueFull(pub Submission);

/// Publications for the ingest thread from other threads of the process.
#[derive(Debug)]
pub struct SubmissionQueue {
    submissions: (Sender<Submission>, Receiver<Submission>),
    /// Number of publications in `submissions`, and bytes of them.
    publications: AtomicUsize,
    bytes: AtomicUsize,
    closed: AtomicBool,
    pub wake: Wake,
}

impl SubmissionQueue {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            submissions: bounded(SUBMISSION_QUEUE_PUBLICATIONS),
            publications: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            wake,
        }
    }

    /// Adds a submission and wakes the ingest thread.
    ///
    /// Fails if the publications in the queue would exceed [`SUBMISSION_QUEUE_PUBLICATIONS`] or
    /// [`SUBMISSION_QUEUE_BYTES`]. An empty queue accepts a submission of any size, because one
    /// publication may exceed the bytes.
    pub fn submit(&self, submission: Submission) -> Result<(), SubmissionQueueFull> {
        let (added, added_bytes) = (submission.publications.len(), submission.bytes());
        let queued = self.publications.fetch_add(added, Ordering::Relaxed);
        let queued_bytes = self.bytes.fetch_add(added_bytes, Ordering::Relaxed);
        let is_full = queued > 0
            && (queued + added > SUBMISSION_QUEUE_PUBLICATIONS
                || queued_bytes + added_bytes > SUBMISSION_QUEUE_BYTES);
        let refused = if is_full {
            Some(submission)
        } else {
            let sent = self.submissions.0.try_send(submission);
            sent.err().map(crossbeam_channel::TrySendError::into_inner)
        };
        if let Some(submission) = refused {
            self.publications.fetch_sub(added, Ordering::Relaxed);
            self.bytes.fetch_sub(added_bytes, Ordering::Relaxed);
            return Err(SubmissionQueueFull(submission));
        }
        self.wake.wake();
        Ok(())
    }

    /// Removes the oldest submission. Called by the ingest thread.
    pub fn take(&self) -> Option<Submission> {
        let submission = self.submissions.1.try_recv().ok()?;
        let removed = submission.publications.len();
        self.publications.fetch_sub(removed, Ordering::Relaxed);
        self.bytes.fetch_sub(submission.bytes(), Ordering::Relaxed);
        Some(submission)
    }

    /// Returns whether there is no submission.
    pub fn is_empty(&self) -> bool {
        self.submissions.1.is_empty()
    }

    /// Ends the ingest thread.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.wake.signal();
    }

    /// Returns whether [`SubmissionQueue::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Drops all submissions, so that the tasks that wait for a result get an error. Called by the
    /// ingest thread when it ends.
    pub fn discard(&self) {
        while self.take().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::submission::{ReplyTarget, SubmissionSource, SubmittedPublication};
    use super::*;

    fn queue() -> SubmissionQueue {
        let event = tempfile::tempfile().expect("a file replaces an event descriptor");
        SubmissionQueue::new(Wake::new(event))
    }

    fn submission(publications: usize, reply: ReplyTarget) -> Submission {
        let publication = SubmittedPublication {
            topic: "a".into(),
            payload: b"1".to_vec(),
            info: None,
        };
        Submission {
            source: SubmissionSource::Admin,
            publications: vec![publication; publications],
            reply,
            deadline_us: None,
        }
    }

    #[test]
    fn the_queue_is_full_at_its_number_of_publications() {
        let queue = queue();
        for _ in 0..SUBMISSION_QUEUE_PUBLICATIONS / 2 {
            let added = queue.submit(submission(2, ReplyTarget::Discard));
            assert!(added.is_ok());
        }
        let SubmissionQueueFull(returned) = queue
            .submit(submission(1, ReplyTarget::Discard))
            .expect_err("the queue is full");
        assert_eq!(returned.publications.len(), 1);
        assert_eq!(queue.take().map(|taken| taken.publications.len()), Some(2));
        assert!(queue.submit(returned).is_ok());
        assert!(queue.submit(submission(2, ReplyTarget::Discard)).is_err());
        assert!(queue.submit(submission(1, ReplyTarget::Discard)).is_ok());
    }

    #[test]
    fn an_empty_queue_accepts_a_submission_of_any_size() {
        let queue = queue();
        let large = || submission(SUBMISSION_QUEUE_PUBLICATIONS + 1, ReplyTarget::Discard);
        assert!(queue.submit(large()).is_ok());
        assert!(queue.submit(large()).is_err());
        queue.discard();
        assert!(queue.is_empty());
        assert!(queue.submit(large()).is_ok());
    }

    #[test]
    fn a_task_gets_an_error_when_its_submission_is_discarded() {
        let queue = queue();
        let (sender, mut receiver) = oneshot::channel();
        let added = queue.submit(submission(1, ReplyTarget::Task(sender)));
        assert!(added.is_ok());
        assert_eq!(
            receiver.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        );
        queue.discard();
        assert_eq!(
            receiver.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
    }
}
