//! Handles messages and submissions: checks them, routes them, and answers their senders. Ingest
//! thread.

use std::net::IpAddr;
use std::sync::Arc;

use zmq::Socket;

use crate::config::Config;
use crate::fabric::{
    Fabric, LaneFull, Rejection, ReplyTarget, Submission, SubmissionResult, SubmissionSource,
};
use crate::limits::{RELEASED_MESSAGE_BYTES, SOCKET_TURN_MESSAGES};
use crate::observe::{IngestCounts, PipelineStage, lossy};

use super::connections::Connections;
use super::envelope::{Checker, Publication, split_router};
use super::messages::{Frame, Frames, Received, send};
use super::meta::Meta;
use super::permissions::Permissions;
use super::publishers::Publishers;
use super::refusals::{Denial, RefusalLog};
use super::route::{FullLanePolicy, LaneRouter};
use super::socket_monitor::{ConnectionEvent, SocketMonitor};
use super::sockets::SocketKind;
use super::turn::{Drained, SocketTurn};
use super::zap::{Authenticator, Decision};

/// Everything that a message needs on its way to the lanes, except the socket it arrived on.
pub(super) struct MessageHandler {
    fabric: Arc<Fabric>,
    /// `None` if every publisher may publish to every topic.
    permissions: Option<Permissions>,
    checker: Checker,
    publishers: Publishers,
    router: LaneRouter,
    frames: Frames,
    counts: IngestCounts,
    refusals: RefusalLog,
    /// Results of submissions. They are sent after the batch is pushed, so that an accepted
    /// publication is on the lanes before its sender gets the result.
    results: Vec<(ReplyTarget, Vec<SubmissionResult>)>,
}

impl MessageHandler {
    pub(super) fn new(fabric: Arc<Fabric>, config: &Config) -> Self {
        Self {
            permissions: Permissions::new(&config.ingest),
            checker: Checker::new(config),
            publishers: Publishers::default(),
            router: LaneRouter::new(Arc::clone(&fabric), config),
            frames: Frames::default(),
            counts: IngestCounts::default(),
            refusals: RefusalLog::default(),
            results: Vec::new(),
            fabric,
        }
    }

    /// Handles the messages of a socket until it is empty or its turn ends.
    pub(super) fn drain_socket(
        &mut self,
        kind: SocketKind,
        socket: &Socket,
        connections: &mut Connections,
        arrived_us: u64,
    ) -> Drained {
        let mut turn = SocketTurn::begin(self.fabric.clock);
        loop {
            let received = self.frames.receive(socket);
            if received == Received::Nothing {
                return Drained::Empty;
            }
            *match kind {
                SocketKind::Pull => &mut self.counts.received_pull,
                SocketKind::Router => &mut self.counts.received_router,
                SocketKind::Sub => &mut self.counts.received_sub,
            } += 1;
            let mut bytes = 0;
            if !lossy::loses(PipelineStage::Check) {
                bytes = self.handle_message(kind, socket, received, arrived_us);
            }
            if connections.is_observing() {
                connections.note_message(self.frames.descriptor());
            }
            if bytes >= RELEASED_MESSAGE_BYTES {
                self.frames.release();
            }
            if turn.ends_after(bytes) {
                return Drained::BoundReached;
            }
        }
    }

    /// Returns the maximum size of a payload.
    pub(super) fn max_payload(&self) -> usize {
        self.checker.max_payload()
    }

    /// Returns the payload bytes of all publications that were accepted.
    pub(super) fn accepted_bytes(&self) -> u64 {
        self.counts.received_bytes
    }

    /// Counts and logs publishers that were disconnected because their unfinished message was too
    /// large.
    pub(super) fn note_disconnected(&mut self, peers: Vec<Option<IpAddr>>, now_us: u64) {
        for peer in peers {
            self.counts.denied_unfinished += 1;
            self.refusals.deny(Denial::Unfinished, peer, None, now_us);
        }
    }

    /// Handles the message in `self.frames`. Returns its size, without the topic and the meta if
    /// the message is a publication.
    fn handle_message(
        &mut self,
        kind: SocketKind,
        socket: &Socket,
        received: Received,
        arrived_us: u64,
    ) -> usize {
        let permissions = self.permissions.as_ref();
        let group = permissions.and_then(|_| self.frames.group());
        let group = group.map(|(group, _)| group);
        let frames = self.frames.as_slice();
        let (route, parts, policy) = match kind {
            SocketKind::Router => {
                let routed = split_router(frames);
                (routed.route, routed.parts, FullLanePolicy::Refuse)
            }
            SocketKind::Pull | SocketKind::Sub => (&[][..], Ok(frames), FullLanePolicy::Drop),
        };
        let parts = match received {
            Received::Truncated => parts.and(Err(Rejection::Parts)),
            Received::Whole | Received::Nothing => parts,
        };
        let checked = parts.and_then(|parts| {
            permissions.map_or(Ok(()), |all| all.check(group, parts))?;
            self.checker.check(parts)
        });
        let counts = &mut self.counts;
        let bytes = match &checked {
            Ok(publication) => publication.payload.len(),
            Err(_) => self.frames.bytes(),
        };
        match (&checked, parts) {
            (Ok(publication), _) => {
                self.publishers
                    .note(publication.meta.as_ref(), arrived_us, counts);
            }
            // The message is rejected, but it has arrived: its number is not missing.
            (Err(_), Ok(parts)) => {
                let meta = Meta::of_rejected(parts);
                self.publishers.note(meta.as_ref(), arrived_us, counts);
            }
            (Err(_), Err(_)) => {}
        }
        let result = settle(checked, arrived_us, policy, &mut self.router, counts);
        if !route.is_empty() && reply(socket, route, result).is_err() {
            counts.replies_lost += 1;
        }
        if let SubmissionResult::Rejected(rejection) = result {
            self.log_rejected(kind, rejection, arrived_us);
        }
        bytes
    }

    /// Logs the rejection of the message in `self.frames`.
    fn log_rejected(&mut self, kind: SocketKind, rejection: Rejection, now_us: u64) {
        let Some(mut line) = self.refusals.reject(kind.name(), rejection, now_us) else {
            return;
        };
        line.peer = self.frames.peer();
        if self.permissions.is_some() {
            let user = self.frames.group().and_then(|(_, user)| user);
            line.user = user.map(str::to_owned);
        }
        let frames = self.frames.as_slice();
        let parts = match kind {
            SocketKind::Router => split_router(frames).parts.unwrap_or_default(),
            SocketKind::Pull | SocketKind::Sub => frames,
        };
        line.write(parts);
    }

    /// Handles submissions until their publications reach [`SOCKET_TURN_MESSAGES`].
    pub(super) fn drain_submissions(&mut self, arrived_us: u64) {
        let mut handled = 0;
        while handled < SOCKET_TURN_MESSAGES {
            let Some(submission) = self.fabric.submissions.take() else {
                break;
            };
            handled += submission.publications.len();
            self.handle_submission(submission, arrived_us);
        }
    }

    fn handle_submission(&mut self, submission: Submission, arrived_us: u64) {
        // The round may have begun long before.
        let is_expired = submission.is_expired(self.fabric.clock.now_us());
        let Submission {
            source,
            publications,
            reply,
            deadline_us: _,
        } = submission;
        let counts = &mut self.counts;
        let (name, received, policy) = match source {
            SubmissionSource::Client => {
                let received = &mut counts.received_client;
                ("client", received, FullLanePolicy::Refuse)
            }
            SubmissionSource::Admin => {
                let received = &mut counts.received_admin;
                ("admin", received, FullLanePolicy::Refuse)
            }
            // One full lane must not keep the canary from the other shards.
            SubmissionSource::Canary => {
                let received = &mut counts.received_canary;
                ("canary", received, FullLanePolicy::Drop)
            }
        };
        *received += publications.len() as u64;
        if is_expired {
            self.counts.rejected_expired += publications.len() as u64;
            let results = vec![SubmissionResult::Expired; publications.len()];
            return self.results.push((reply, results));
        }
        let mut results = Vec::with_capacity(publications.len());
        for publication in &publications {
            let parts = [publication.topic.as_bytes(), &publication.payload];
            let checked = match source {
                SubmissionSource::Client | SubmissionSource::Admin => self.checker.check(&parts),
                SubmissionSource::Canary => self.checker.check_own(&parts),
            };
            let checked = checked.map(|checked| Publication {
                info: publication.info.clone(),
                ..checked
            });
            let (router, counts) = (&mut self.router, &mut self.counts);
            let result = settle(checked, arrived_us, policy, router, counts);
            if let SubmissionResult::Rejected(rejection) = result
                && let Some(line) = self.refusals.reject(name, rejection, arrived_us)
            {
                line.write(&parts);
            }
            results.push(result);
        }
        self.results.push((reply, results));
    }

    /// Replies to all requests of libzmq for the admission of a connection.
    pub(super) fn answer_authenticator(&mut self, authenticator: &Authenticator, now_us: u64) {
        while let Some(answer) = authenticator.reply(self.permissions.as_mut()) {
            let (counter, denial) = match answer.decision {
                Decision::Allowed => continue,
                Decision::DeniedAddress => (&mut self.counts.denied_address, Denial::Address),
                Decision::DeniedPassword => (&mut self.counts.denied_password, Denial::Password),
            };
            *counter += 1;
            self.refusals.deny(denial, answer.peer, None, now_us);
        }
    }

    /// Handles the events of the connections of a socket, up to [`SOCKET_TURN_MESSAGES`]: counts
    /// the publishers whose handshake failed, and keeps `connections` up to date.
    pub(super) fn drain_monitor(
        &mut self,
        monitor: &SocketMonitor,
        connections: &mut Connections,
        now_us: u64,
    ) -> Drained {
        for _ in 0..SOCKET_TURN_MESSAGES {
            match monitor.next_event() {
                None => return Drained::Empty,
                Some(ConnectionEvent::Accepted {
                    descriptor,
                    endpoint,
                }) => connections.add(descriptor, &endpoint),
                Some(ConnectionEvent::Ended { descriptor }) => connections.remove(descriptor),
                Some(ConnectionEvent::HandshakeFailed { endpoint }) => {
                    self.counts.denied_handshake += 1;
                    let endpoint = Some(endpoint.as_str());
                    self.refusals
                        .deny(Denial::Handshake, None, endpoint, now_us);
                }
            }
        }
        Drained::BoundReached
    }

    /// Ends a round: pushes the batch, publishes the counters, sends the results of submissions,
    /// and applies a new configuration if there is one.
    pub(super) fn finish_round(&mut self, arrived_us: u64) {
        self.router.flush(&mut self.counts);
        self.publishers.review(arrived_us, &mut self.counts);
        self.fabric.ingest_counts.store(&self.counts);
        for (target, results) in self.results.drain(..) {
            send_results(&self.fabric, target, results);
        }
        let fabric = &self.fabric;
        fabric.config.apply(&fabric.ingest_config, |config| {
            self.checker = Checker::new(&config);
            self.router.reconfigure(&config);
        });
    }
}

/// Routes a checked publication and counts the result.
fn settle(
    checked: Result<Publication<'_>, Rejection>,
    arrived_us: u64,
    policy: FullLanePolicy,
    router: &mut LaneRouter,
    counts: &mut IngestCounts,
) -> SubmissionResult {
    let publication = match checked {
        Ok(publication) => publication,
        Err(rejection) => {
            *rejection.counter(counts) += 1;
            return SubmissionResult::Rejected(rejection);
        }
    };
    if let Err(LaneFull) = router.add(&publication, arrived_us, policy, counts) {
        counts.rejected_busy += 1;
        return SubmissionResult::Busy;
    }
    SubmissionResult::Accepted
}

/// Sends the reply to a message that a ROUTER socket received: `[ok]` or `[error, code, text]`.
fn reply(socket: &Socket, route: &[Frame], result: SubmissionResult) -> zmq::Result<()> {
    let error = result.error();
    let mut parts: Vec<&[u8]> = route.iter().map(AsRef::as_ref).collect();
    match &error {
        None => parts.push(b"ok"),
        Some(error) => parts.extend([b"error", error.code.as_bytes(), error.text.as_bytes()]),
    }
    send(socket, &parts)
}

fn send_results(fabric: &Fabric, target: ReplyTarget, results: Vec<SubmissionResult>) {
    match target {
        ReplyTarget::Discard => {}
        ReplyTarget::Task(sender) => {
            // An error means that the task has stopped waiting.
            let _ = sender.send(results);
        }
        ReplyTarget::Shard { index, tickets } => {
            let answers = tickets.into_iter().zip(results).collect();
            fabric.shards[index].lane.push_answers(answers);
        }
    }
}

#[cfg(test)]
mod tests;
