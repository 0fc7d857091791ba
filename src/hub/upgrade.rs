//! From the request head to a WebSocket, a health answer or a refusal.

use std::mem;

use crate::config::ApplePolicy;
use crate::delivery::{Codec, Encoding};
use crate::limits::HANDSHAKE_BYTES;
use crate::protocol::topic;
use crate::wire::handshake::{self, AgreedDeflate, DeflateOffer, HttpRefusal, HttpRequest};

use super::connection::{Admission, ConnectionId, Inbound, Phase};
use super::{Hub, PATH_CLIENT, PATH_ECHO, PATH_HEALTH, PATH_RAW};

/// Why an offer of permessage-deflate was not taken.
#[derive(Clone, Copy, Debug)]
enum Declined {
    /// Apple's clients and compression do not go together.
    Apple,
    /// The client said so itself.
    Client,
    /// Something in each offer.
    DeflateOffer,
}

impl Hub {
    /// Takes bytes of a request head, and of the frames that may follow it at once.
    pub(super) fn handshake(&mut self, id: ConnectionId, input: &mut [u8], now_us: u64) {
        let connection = self.connections.at(id.slot() as u32);
        let Inbound::Head(head) = &mut connection.inbound else {
            return;
        };
        if head.is_empty() {
            // The usual case: the whole head in one piece, nothing to keep.
            match handshake::parse(input) {
                Ok(Some((used, request))) => {
                    self.respond(id, &request, now_us);
                    return self.receive(id, &mut input[used..], now_us);
                }
                Ok(None) => head.extend_from_slice(input),
                Err(refusal) => self.refuse(id, &refusal, now_us),
            }
            return;
        }
        // In pieces it is parsed once it may be whole: parsing at each would cost the square.
        let unseen = head.len().saturating_sub(2);
        head.extend_from_slice(input);
        if head.len() < HANDSHAKE_BYTES && !has_empty_line(&head[unseen..]) {
            return;
        }
        match handshake::parse(head) {
            Ok(Some((used, request))) => {
                let mut head = mem::take(head);
                self.respond(id, &request, now_us);
                self.receive(id, &mut head[used..], now_us);
            }
            Ok(None) => {}
            Err(refusal) => self.refuse(id, &refusal, now_us),
        }
    }

    fn respond(&mut self, id: ConnectionId, request: &HttpRequest, now_us: u64) {
        if request.path() == PATH_HEALTH {
            let health = self.upstream.health();
            let body = health.json();
            let bytes =
                handshake::response(health.http_status(), "application/json", body.as_bytes());
            return self.conclude(id, bytes.into(), now_us);
        }
        if let Err(refusal) = self.upgrade(id, request, now_us) {
            self.refuse(id, &refusal, now_us);
        }
    }

    fn upgrade(
        &mut self,
        id: ConnectionId,
        request: &HttpRequest,
        now_us: u64,
    ) -> Result<(), HttpRefusal> {
        let (phase, codec, subprotocol) = match request.path() {
            PATH_CLIENT => (
                Phase::ClientOpening,
                Codec::Json,
                client_subprotocol(request)?,
            ),
            PATH_RAW => (Phase::Raw, Codec::Raw, None),
            PATH_ECHO if self.config.ws.echo => (Phase::Echo, Codec::Raw, None),
            _ => return Err(HttpRefusal::NotFound),
        };
        let agreed = self.agree(request);
        let deflate = agreed.unwrap_or(None);
        let response = request.accept(subprotocol, deflate)?;
        if !request.origin_allowed(&self.config.ws.origins) {
            return Err(HttpRefusal::ForbiddenOrigin);
        }
        if self.is_ending() {
            return Err(HttpRefusal::Unavailable(
                "this server is shutting down; try another",
            ));
        }
        if self.connections.at(id.slot() as u32).place == Admission::Beyond {
            return Err(HttpRefusal::Unavailable(
                "this server is full; try again later",
            ));
        }
        let topics = if phase == Phase::Raw {
            self.raw_topics(request)?
        } else {
            Vec::new()
        };
        if !topics.iter().all(|topic| self.may_use(id, topic)) {
            return Err(HttpRefusal::ReservedTopic);
        }
        let window = deflate.map(AgreedDeflate::window);
        self.open(id, phase, Encoding { codec, window }, now_us);
        let counts = &mut self.counts;
        match agreed {
            Ok(_) => {}
            Err(Declined::Apple) => counts.deflate_declined_apple += 1,
            Err(Declined::Client) => counts.deflate_declined_client += 1,
            Err(Declined::DeflateOffer) => counts.deflate_declined_offer += 1,
        }
        for topic in &topics {
            self.join(id, topic);
        }
        self.push_reply(id, response.into(), now_us);
        Ok(())
    }

    /// What to answer to an offer of permessage-deflate; `None` if there is none to answer.
    fn agree(&self, request: &HttpRequest) -> Result<Option<AgreedDeflate>, Declined> {
        let settings = &self.config.ws.deflate;
        if !settings.enabled {
            return Ok(None);
        }
        match request.deflate_offer() {
            DeflateOffer::None => Ok(None),
            _ if declines(request) => Err(Declined::Client),
            _ if settings.apple == ApplePolicy::Decline && request.is_apple() => {
                Err(Declined::Apple)
            }
            DeflateOffer::Declined => Err(Declined::DeflateOffer),
            DeflateOffer::Acceptable(deflate) => Ok(Some(deflate)),
        }
    }

    fn open(&mut self, id: ConnectionId, phase: Phase, encoding: Encoding, now_us: u64) {
        self.counts.upgraded += 1;
        self.upstream.codec(encoding.codec, true);
        self.counts.connections_deflate += u64::from(encoding.is_deflated());
        let connection = self.connections.at(id.slot() as u32);
        connection.phase = phase;
        connection.encoding = encoding;
        connection.inbound = Inbound::default();
        if phase == Phase::ClientOpening {
            let timeout_us = self.config.ws.handshake_timeout.as_micros() as u64;
            self.set_deadline(id, now_us + timeout_us);
        } else {
            self.start_pings(id, now_us);
        }
    }

    /// Spreads first pings over the interval, so that a burst of connects is no burst of pings.
    pub(super) fn start_pings(&mut self, id: ConnectionId, now_us: u64) {
        let interval_us = self.config.ws.ping.as_micros() as u64;
        let due_us = now_us + interval_us / 2 + self.random.u64(0..=interval_us / 2);
        self.connections.at(id.slot() as u32).ping_due_us = due_us;
        self.set_deadline(id, due_us);
    }

    /// Subscribes a connection that is not subscribed yet.
    pub(super) fn join(&mut self, id: ConnectionId, topic: &str) {
        let slot = id.slot() as u32;
        let fresh = self
            .topics
            .join(&mut self.connections, slot, topic, &self.config);
        self.counts.subscriptions += 1;
        if let Some(hash) = fresh {
            // Wanted before the reply is sent: no publication may fall between the two.
            self.upstream.want(hash, true);
        }
    }

    /// The topics of `/raw?topic=a&topic=b`, each once.
    fn raw_topics(&self, request: &HttpRequest) -> Result<Vec<String>, HttpRefusal> {
        let mut topics = Vec::<String>::new();
        for pair in request.query() {
            let (name, value) = pair?;
            if name != "topic" {
                continue;
            }
            if topic::check(value.as_bytes()).is_err() {
                return Err(HttpRefusal::BadRequest(
                    "a topic is 1 to 255 bytes without control characters",
                ));
            }
            if topics.iter().any(|topic| *topic == value) {
                continue;
            }
            if topics.len() == self.config.ws.max_topics {
                return Err(HttpRefusal::BadRequest(
                    "more topics than ws.max_topics allows",
                ));
            }
            topics.push(value.into_owned());
        }
        if topics.is_empty() {
            return Err(HttpRefusal::BadRequest(
                "name at least one topic: /raw?topic=NAME",
            ));
        }
        Ok(topics)
    }

    fn refuse(&mut self, id: ConnectionId, refusal: &HttpRefusal, now_us: u64) {
        let ending = self.is_ending();
        let counts = &mut self.counts;
        *match refusal {
            HttpRefusal::ForbiddenOrigin => &mut counts.refused_origin,
            HttpRefusal::Unavailable(_) if ending => &mut counts.refused_draining,
            HttpRefusal::Unavailable(_) => &mut counts.refused_limit,
            _ => &mut counts.refused_request,
        } += 1;
        self.conclude(id, refusal.response().into(), now_us);
    }
}

/// Whether the client says `?deflate=0`: it knows better than what offers for it.
fn declines(request: &HttpRequest) -> bool {
    let is_zero = |(name, value): (_, _)| name == "deflate" && value == "0";
    request.query().flatten().any(is_zero)
}

/// Whether a line ends and the next one is empty. With lone LFs too: those get their refusal.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|end| end == b"\n\r\n") || bytes.windows(2).any(|end| end == b"\n\n")
}

/// What to answer to the subprotocols that SDKs offer.
fn client_subprotocol(request: &HttpRequest) -> Result<Option<&'static str>, HttpRefusal> {
    if request.offers_subprotocol("centrifuge-json") {
        return Ok(Some("centrifuge-json"));
    }
    if request.offers_subprotocol("centrifuge-protobuf") {
        return Err(HttpRefusal::BadRequest(
            "this server speaks the JSON protocol, not Protobuf",
        ));
    }
    Ok(None)
}
