//! The ingest loop: poll, drain each socket up to a bound, route. It never waits for anything
//! downstream, so no shard, client or disk can push back into a publisher. Ingest core.

use std::sync::Arc;

use zmq::{DONTWAIT, POLLIN, PollItem, Socket};

use crate::config::Config;
use crate::fabric::{Fabric, Origin, Submission};
use crate::limits::DRAIN_MESSAGES;
use crate::observe::IngestCounts;

use super::envelope::{Checker, Publication, Rejection, split_router};
use super::route::Router;
use super::sockets::{Door, Frame, Frames, Sockets};
use super::zap::{Admission, Gate};

pub(super) struct Worker {
    doors: Vec<(Door, Socket)>,
    gate: Option<Gate>,
    desk: Desk,
    /// Last, so that its sockets are closed before it.
    _context: zmq::Context,
}

/// What a message needs on its way through, apart from the socket it came from.
struct Desk {
    fabric: Arc<Fabric>,
    checker: Checker,
    router: Router,
    frames: Frames,
    counts: IngestCounts,
}

impl Worker {
    pub(super) fn new(sockets: Sockets, config: &Config, fabric: Arc<Fabric>) -> Self {
        let Sockets {
            doors,
            gate,
            context,
        } = sockets;
        let desk = Desk {
            checker: Checker::new(config),
            router: Router::new(Arc::clone(&fabric), config),
            frames: Frames::default(),
            counts: IngestCounts::default(),
            fabric,
        };
        Self {
            doors,
            gate,
            desk,
            _context: context,
        }
    }

    /// Runs until the inlet is closed.
    pub(super) fn run(mut self) {
        while !self.desk.fabric.inlet.is_closed() {
            if !self.drain() {
                self.sleep();
            }
        }
    }

    /// One round over everything that may have something. False: nothing had.
    fn drain(&mut self) -> bool {
        let arrived_us = self.desk.fabric.clock.now_us();
        let mut taken = 0;
        for (door, socket) in &self.doors {
            taken += self.desk.drain_socket(*door, socket, arrived_us);
        }
        taken += self.desk.drain_inlet(arrived_us);
        if let Some(gate) = &self.gate {
            taken += self.desk.answer_gate(gate);
        }
        let Desk {
            router,
            counts,
            fabric,
            checker,
            ..
        } = &mut self.desk;
        router.flush(counts);
        if let Some(config) = fabric.inlet.take_config() {
            *checker = Checker::new(&config);
            router.reconfigure(&config);
            taken += 1;
        }
        fabric.ingest_counts.store(counts);
        taken > 0
    }

    fn sleep(&mut self) {
        let inlet = &self.desk.fabric.inlet;
        let mut items = vec![PollItem::from_fd(inlet.wake.descriptor(), POLLIN)];
        items.extend(
            self.doors
                .iter()
                .map(|(_, socket)| socket.as_poll_item(POLLIN)),
        );
        items.extend(
            self.gate
                .iter()
                .map(|gate| gate.socket.as_poll_item(POLLIN)),
        );
        inlet.wake.park();
        if inlet.is_empty() && !inlet.is_closed() {
            // An interrupted poll is a poll that found nothing.
            let _ = zmq::poll(&mut items, -1);
            if items[0].is_readable() {
                inlet.wake.reset();
            }
        }
        inlet.wake.unpark();
    }
}

impl Desk {
    fn drain_socket(&mut self, door: Door, socket: &Socket, arrived_us: u64) -> usize {
        for taken in 0..DRAIN_MESSAGES {
            if !self.frames.receive(socket) {
                return taken;
            }
            *match door {
                Door::Pull => &mut self.counts.received_pull,
                Door::Router => &mut self.counts.received_router,
                Door::Sub => &mut self.counts.received_sub,
            } += 1;
            let Self {
                checker,
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
            let checked = parts.and_then(|parts| checker.check(parts));
            let verdict = settle(checked, arrived_us, router, counts);
            if !route.is_empty() && !reply(socket, route, verdict) {
                counts.replies_lost += 1;
            }
        }
        DRAIN_MESSAGES
    }

    fn drain_inlet(&mut self, arrived_us: u64) -> usize {
        let mut taken = 0;
        while taken < DRAIN_MESSAGES {
            let Some(submission) = self.fabric.inlet.take() else {
                break;
            };
            taken += 1;
            let Submission {
                origin,
                topic,
                payload,
                reply,
            } = submission;
            *match origin {
                Origin::Client => &mut self.counts.received_client,
                Origin::Admin => &mut self.counts.received_admin,
            } += 1;
            let parts = [topic.as_bytes(), &payload];
            let checked = self.checker.check(&parts);
            let verdict = settle(checked, arrived_us, &mut self.router, &mut self.counts);
            if let Some(reply) = reply {
                // Who asked has stopped waiting if this fails.
                let _ = reply.try_send(verdict.map_err(|it| (it.code(), it.to_string())));
            }
        }
        taken
    }

    fn answer_gate(&mut self, gate: &Gate) -> usize {
        let mut taken = 0;
        while let Some(admission) = gate.answer() {
            taken += 1;
            match admission {
                Admission::Admitted => {}
                Admission::DeniedAddress => self.counts.denied_address += 1,
                Admission::DeniedPassword => self.counts.denied_password += 1,
            }
        }
        taken
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
    socket.send_multipart(answer, DONTWAIT).is_ok()
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
