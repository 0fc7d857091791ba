//! The ingest loop: listen, drain each socket up to a bound, route. It never waits for anything
//! downstream, so no shard, client or disk can push back into a publisher. Ingest core.

use std::io;
use std::sync::Arc;

use zmq::Socket;

use crate::config::Config;
use crate::fabric::{Fabric, Origin, Submission};
use crate::limits::SOCKET_TURN_MESSAGES;
use crate::observe::{IngestCounts, PipelineStage, lossy};

use super::bells::Bells;
use super::envelope::{Checker, Publication, Rejection, meta_of, split_router};
use super::publishers::Publishers;
use super::route::Router;
use super::sockets::{Door, Frame, Frames, Sockets, send};
use super::zap::{Admission, Gate};

/// Whose bell is which: the inlet's, the gate's if there is one, then the doors'.
const INLET: usize = 0;
const GATE: usize = 1;

pub(super) struct Worker {
    doors: Vec<(Door, Socket)>,
    gate: Option<Gate>,
    bells: Bells,
    desk: Desk,
    /// Last, so that its sockets are closed before it.
    _context: zmq::Context,
}

/// What a message needs on its way through, apart from the socket it came from.
struct Desk {
    fabric: Arc<Fabric>,
    checker: Checker,
    publishers: Publishers,
    router: Router,
    frames: Frames,
    counts: IngestCounts,
}

impl Worker {
    pub(super) fn new(sockets: Sockets, config: &Config, fabric: Arc<Fabric>) -> io::Result<Self> {
        let Sockets {
            doors,
            gate,
            context,
        } = sockets;
        let mut descriptors = vec![fabric.inlet.wake.descriptor()];
        let gates = gate.iter().map(|gate| &gate.socket);
        for socket in gates.chain(doors.iter().map(|(_, socket)| socket)) {
            descriptors.push(socket.get_fd()?);
        }
        let desk = Desk {
            checker: Checker::new(config),
            publishers: Publishers::default(),
            router: Router::new(Arc::clone(&fabric), config),
            frames: Frames::default(),
            counts: IngestCounts::default(),
            fabric,
        };
        let mut bells = Bells::new(&descriptors)?;
        bells.silence(INLET); // Its descriptor is read when it has rung, which would wait.
        Ok(Self {
            doors,
            gate,
            bells,
            desk,
            _context: context,
        })
    }

    /// Runs until the inlet is closed.
    pub(super) fn run(mut self) {
        while !self.desk.fabric.inlet.is_closed() {
            self.drain();
            self.listen();
        }
    }

    /// One round over everything that may have something, each up to a bound.
    fn drain(&mut self) {
        let arrived_us = self.desk.fabric.clock.now_us();
        let first = GATE + usize::from(self.gate.is_some());
        for (index, (door, socket)) in self.doors.iter().enumerate() {
            let bell = first + index;
            if self.bells.has_rung(bell) && !self.desk.drain_socket(*door, socket, arrived_us) {
                self.bells.silence(bell);
            }
        }
        self.desk.drain_inlet(arrived_us);
        if let Some(gate) = self.gate.as_ref().filter(|_| self.bells.has_rung(GATE)) {
            self.desk.answer_gate(gate);
            self.bells.silence(GATE);
        }
        let Desk {
            router,
            counts,
            fabric,
            checker,
            publishers,
            ..
        } = &mut self.desk;
        router.flush(counts);
        publishers.review(arrived_us, counts);
        if let Some(config) = fabric.inlet.take_config() {
            *checker = Checker::new(&config);
            router.reconfigure(&config);
        }
        fabric.ingest_counts.store(counts);
    }

    /// Sees what has come; sleeps if nothing is left to do.
    fn listen(&mut self) {
        let inlet = &self.desk.fabric.inlet;
        if self.bells.any() {
            self.bells.listen(false);
        } else {
            inlet.wake.park();
            self.bells.listen(inlet.is_empty() && !inlet.is_closed());
            inlet.wake.unpark();
        }
        if self.bells.has_rung(INLET) {
            inlet.wake.reset();
            self.bells.silence(INLET);
        }
    }
}

impl Desk {
    /// Takes what the socket has. True: the bound was reached, so that some may be left.
    fn drain_socket(&mut self, door: Door, socket: &Socket, arrived_us: u64) -> bool {
        for _ in 0..SOCKET_TURN_MESSAGES {
            if !self.frames.receive(socket) {
                return false;
            }
            *match door {
                Door::Pull => &mut self.counts.received_pull,
                Door::Router => &mut self.counts.received_router,
                Door::Sub => &mut self.counts.received_sub,
            } += 1;
            let Self {
                checker,
                publishers,
                router,
                frames,
                counts,
                ..
            } = self;
            let route = (door == Door::Router).then(|| split_router(frames.as_slice()));
            let (route, parts) = match route {
                Some(split) => (split.route, split.parts),
                None => (&[][..], Ok(frames.as_slice())),
            };
            let parts = parts.and_then(|parts| {
                if frames.truncated {
                    Err(Rejection::Parts)
                } else {
                    Ok(parts)
                }
            });
            if lossy::loses(PipelineStage::Check) {
                continue;
            }
            let checked = parts.and_then(|parts| checker.check(parts));
            match (&checked, parts) {
                (Ok(publication), _) => {
                    publishers.note(publication.meta.as_ref(), arrived_us, counts);
                }
                // It arrived all the same: its number is not missing.
                (Err(_), Ok(parts)) => {
                    publishers.note(meta_of(parts).as_ref(), arrived_us, counts);
                }
                (Err(_), Err(_)) => {}
            }
            let verdict = settle(checked, arrived_us, router, counts);
            if !route.is_empty() && !reply(socket, route, verdict) {
                counts.replies_lost += 1;
            }
        }
        true
    }

    fn drain_inlet(&mut self, arrived_us: u64) {
        for _ in 0..SOCKET_TURN_MESSAGES {
            let Some(submission) = self.fabric.inlet.take() else {
                break;
            };
            let Submission {
                origin,
                topic,
                payload,
                reply,
            } = submission;
            *match origin {
                Origin::Client => &mut self.counts.received_client,
                Origin::Admin => &mut self.counts.received_admin,
                Origin::Canary => &mut self.counts.received_canary,
            } += 1;
            let parts = [topic.as_bytes(), &payload];
            let checked = self.checker.check(&parts);
            let verdict = settle(checked, arrived_us, &mut self.router, &mut self.counts);
            if let Some(reply) = reply {
                // Who asked has stopped waiting if this fails.
                let _ = reply.try_send(verdict.map_err(|it| (it.code(), it.to_string())));
            }
        }
    }

    fn answer_gate(&mut self, gate: &Gate) {
        while let Some(admission) = gate.answer() {
            match admission {
                Admission::Admitted => {}
                Admission::DeniedAddress => self.counts.denied_address += 1,
                Admission::DeniedPassword => self.counts.denied_password += 1,
            }
        }
    }
}

/// Routes a publication, or counts why it is none.
fn settle(
    checked: Result<Publication<'_>, Rejection>,
    arrived_us: u64,
    router: &mut Router,
    counts: &mut IngestCounts,
) -> Result<(), Rejection> {
    let verdict = checked.map(|publication| router.add(&publication, arrived_us, counts));
    if let Err(rejection) = verdict {
        reject(counts, rejection);
    }
    verdict
}

/// Tells a publisher on the router what became of its message. False: it can't be reached.
fn reply(socket: &Socket, route: &[Frame], verdict: Result<(), Rejection>) -> bool {
    let text = verdict
        .err()
        .map(|rejection| (rejection.code(), rejection.to_string()));
    let mut answer: Vec<&[u8]> = route.iter().map(AsRef::as_ref).collect();
    match &text {
        None => answer.push(b"ok"),
        Some((code, text)) => answer.extend([b"error", code.as_bytes(), text.as_bytes()]),
    }
    send(socket, &answer).is_ok()
}

fn reject(counts: &mut IngestCounts, rejection: Rejection) {
    *match rejection {
        Rejection::MetaInvalid => &mut counts.rejected_meta_invalid,
        Rejection::MetaNotObject => &mut counts.rejected_meta_not_object,
        Rejection::MetaTooLarge => &mut counts.rejected_meta_too_large,
        Rejection::NoDelimiter => &mut counts.rejected_no_delimiter,
        Rejection::Parts => &mut counts.rejected_parts,
        Rejection::PayloadNotJson => &mut counts.rejected_payload_not_json,
        Rejection::PayloadNotUtf8 => &mut counts.rejected_payload_not_utf8,
        Rejection::PayloadTooDeep => &mut counts.rejected_payload_too_deep,
        Rejection::PayloadTooLarge => &mut counts.rejected_payload_too_large,
        Rejection::TopicControl => &mut counts.rejected_topic_control,
        Rejection::TopicEmpty => &mut counts.rejected_topic_empty,
        Rejection::TopicNotUtf8 => &mut counts.rejected_topic_not_utf8,
        Rejection::TopicTooLong => &mut counts.rejected_topic_too_long,
    } += 1;
}
