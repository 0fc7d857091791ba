//! From the HTTP request head to a WebSocket, a health response or a refusal. Shard core.

use std::mem;

use crate::config::ApplePolicy;
use crate::delivery::{Codec, Encoding};
use crate::limits::HANDSHAKE_BYTES;
use crate::protocol::codec::ClientCodec;
use crate::wire::handshake::{self, AgreedDeflate, DeflateOffer, HttpRefusal, HttpRequest};

use super::Hub;
use super::connection_id::ConnectionId;
use super::parked::{Held, Wait};
use super::raw::{RawAdmission, RawGrant};
use super::refusals::{RefusalReason, RefusedHandshake};
use super::sessions::{Admission, CloseAnswer, Inbound, Protocol};

/// The paths that WebSocket clients connect to, and the path of health checks.
const PATH_CLIENT: &str = "/connection/websocket";
const PATH_RAW: &str = "/raw";
const PATH_ECHO: &str = "/echo";
const PATH_HEALTH: &str = "/health";

/// The paths that a browser requests when a person enters the address of the port.
const VISITED_PATHS: [&str; 2] = ["/", "/favicon.ico"];

/// The subprotocols that SDKs offer, with the codec that each of them selects.
const SUBPROTOCOLS: [(&str, ClientCodec); 2] = [
    ("centrifuge-json", ClientCodec::Json),
    ("centrifuge-protobuf", ClientCodec::Protobuf),
];

/// Whether a request has its response.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Response {
    Sent,
    /// The token of the request has to wait.
    Parked(Wait),
}

/// Whether permessage-deflate is used.
#[derive(Clone, Copy, Debug)]
enum Compression {
    /// The client does not offer it, or the configuration disables it.
    NotOffered,
    Agreed(AgreedDeflate),
    Declined(DeclineReason),
}

/// Why an offer of permessage-deflate is declined.
#[derive(Clone, Copy, Debug)]
enum DeclineReason {
    /// Apple's clients fail with compressed messages.
    Apple,
    /// The client asks for no compression with `?deflate=0`.
    Client,
    /// No offer has acceptable parameters.
    Offer,
}

impl Hub {
    /// Processes bytes of a request head, and of frames that follow it at once.
    pub(super) fn receive_head(&mut self, id: ConnectionId, input: &mut [u8], now_us: u64) {
        let Inbound::Head(head) = &mut self.sessions[id].inbound else {
            return;
        };
        if head.is_empty() {
            // Usually the whole head arrives at once, and nothing has to be stored.
            match handshake::parse(input) {
                Ok(Some((used, request))) => match self.respond(id, &request, now_us) {
                    Response::Sent => self.process(id, &mut input[used..], now_us),
                    Response::Parked(wait) => self.park_head(id, input.to_vec(), wait, now_us),
                },
                Ok(None) => head.extend_from_slice(input),
                Err(refusal) => self.refuse(id, None, &refusal, now_us),
            }
            return;
        }
        // A head in pieces is parsed when it may be complete. Parsing it with every piece would
        // take quadratic time.
        let unsearched = head.len().saturating_sub(2);
        head.extend_from_slice(input);
        if head.len() < HANDSHAKE_BYTES && !has_empty_line(&head[unsearched..]) {
            return;
        }
        match handshake::parse(head) {
            Ok(Some((used, request))) => {
                let mut head = mem::take(&mut **head);
                match self.respond(id, &request, now_us) {
                    Response::Sent => self.process(id, &mut head[used..], now_us),
                    Response::Parked(wait) => self.park_head(id, head, wait, now_us),
                }
            }
            Ok(None) => {}
            Err(refusal) => self.refuse(id, None, &refusal, now_us),
        }
    }

    fn park_head(&mut self, id: ConnectionId, input: Vec<u8>, wait: Wait, now_us: u64) {
        let message = None;
        self.park(id, Held { message, input }, wait, now_us);
    }

    /// Returns that a request waits, or refuses it if too many wait.
    fn parked_response(&mut self, wait: Wait) -> Result<Response, HttpRefusal> {
        match self.admit_wait(&wait) {
            Ok(()) => Ok(Response::Parked(wait)),
            Err(_) => Err(HttpRefusal::Unavailable(
                "the server is busy; try again later",
            )),
        }
    }

    fn respond(&mut self, id: ConnectionId, request: &HttpRequest, now_us: u64) -> Response {
        if request.path() == PATH_HEALTH {
            let health = self.upstream.health();
            let (status, body) = (health.http_status(), health.json());
            let response = handshake::plain_response(status, "application/json", body.as_bytes());
            self.send_response(id, Some(request), response, now_us);
            return Response::Sent;
        }
        if is_visit(request) {
            let response = HttpRefusal::NotFound.response();
            self.send_response(id, Some(request), response, now_us);
            return Response::Sent;
        }
        self.upgrade(id, request, now_us).unwrap_or_else(|refusal| {
            self.refuse(id, Some(request), &refusal, now_us);
            Response::Sent
        })
    }

    fn upgrade(
        &mut self,
        id: ConnectionId,
        request: &HttpRequest,
        now_us: u64,
    ) -> Result<Response, HttpRefusal> {
        let (protocol, subprotocol) = self.protocol(request)?;
        let compression = self.compression(request);
        let deflate = match compression {
            Compression::Agreed(deflate) => Some(deflate),
            Compression::NotOffered | Compression::Declined(_) => None,
        };
        let response = request.accept(subprotocol, deflate)?;
        self.check_access(id, request)?;
        let raw = match protocol {
            Protocol::Raw => match self.admit_raw(id, request, now_us)? {
                RawAdmission::Granted(grant) => grant,
                RawAdmission::Parked(wait) => return self.parked_response(wait),
            },
            Protocol::Client(_) | Protocol::Echo => RawGrant::default(),
        };
        let encoding = Encoding {
            codec: codec_of(protocol),
            window: deflate.map(AgreedDeflate::window),
        };
        self.open(id, protocol, encoding, now_us);
        self.count_compression(compression);
        if matches!(protocol, Protocol::Client(_)) {
            self.keep_headers(id, request);
        }
        self.open_raw(id, raw);
        self.send(id, response.into(), now_us);
        Ok(Response::Sent)
    }

    /// Returns the protocol that the path selects, and the subprotocol to confirm.
    fn protocol(
        &self,
        request: &HttpRequest,
    ) -> Result<(Protocol, Option<&'static str>), HttpRefusal> {
        match request.path() {
            PATH_CLIENT => {
                let (codec, subprotocol) = client_codec(request);
                Ok((Protocol::Client(codec), subprotocol))
            }
            PATH_RAW => Ok((Protocol::Raw, None)),
            PATH_ECHO if self.config.ws.echo => Ok((Protocol::Echo, None)),
            _ => Err(HttpRefusal::NotFound),
        }
    }

    /// Checks what does not depend on the protocol: the origin of a page, a shutdown in progress,
    /// and the limit on connections.
    fn check_access(&self, id: ConnectionId, request: &HttpRequest) -> Result<(), HttpRefusal> {
        if !request.origin_allowed(&self.config.ws.origins) {
            return Err(HttpRefusal::ForbiddenOrigin);
        }
        if self.is_shutting_down() {
            let text = "this server is shutting down; try another";
            return Err(HttpRefusal::Unavailable(text));
        }
        if self.sessions[id].admission() == Admission::OverLimit {
            let text = "this server is full; try again later";
            return Err(HttpRefusal::Unavailable(text));
        }
        Ok(())
    }

    fn compression(&self, request: &HttpRequest) -> Compression {
        let config = &self.config.ws.deflate;
        if !config.enabled {
            return Compression::NotOffered;
        }
        match request.deflate_offer() {
            DeflateOffer::None => Compression::NotOffered,
            _ if refuses_deflate(request) => Compression::Declined(DeclineReason::Client),
            _ if config.apple == ApplePolicy::Decline && request.is_apple() => {
                Compression::Declined(DeclineReason::Apple)
            }
            DeflateOffer::Declined => Compression::Declined(DeclineReason::Offer),
            DeflateOffer::Acceptable(deflate) => Compression::Agreed(deflate),
        }
    }

    fn count_compression(&mut self, compression: Compression) {
        let Compression::Declined(reason) = compression else {
            return;
        };
        let counts = &mut self.counts;
        *match reason {
            DeclineReason::Apple => &mut counts.deflate_declined_apple,
            DeclineReason::Client => &mut counts.deflate_declined_client,
            DeclineReason::Offer => &mut counts.deflate_declined_offer,
        } += 1;
    }

    fn open(&mut self, id: ConnectionId, protocol: Protocol, encoding: Encoding, now_us: u64) {
        self.counts.upgraded += 1;
        self.counts.connections_deflate += u64::from(encoding.is_deflated());
        self.upstream.add_codec(encoding.codec);
        self.sessions[id].upgrade(protocol, encoding);
        self.outboxes.set_encoding(id.into(), encoding);
        match protocol {
            Protocol::Client(_) => {
                let timeout_us = self.config.ws.handshake_timeout.as_micros() as u64;
                self.sessions.set_deadline(id, now_us + timeout_us);
            }
            Protocol::Raw | Protocol::Echo => self.start_pings(id, now_us),
        }
    }

    /// Answers a request with a refusal. `request` is `None` if the head could not be parsed.
    pub(super) fn refuse(
        &mut self,
        id: ConnectionId,
        request: Option<&HttpRequest>,
        refusal: &HttpRefusal,
        now_us: u64,
    ) {
        self.note_refusal(Some(id), request, refusal, now_us);
        self.send_response(id, request, refusal.response(), now_us);
    }

    /// Counts a refused handshake, and reports it to the shell. `id` and `request` are `None` if
    /// the refusal comes before them.
    pub(super) fn note_refusal(
        &mut self,
        id: Option<ConnectionId>,
        request: Option<&HttpRequest>,
        refusal: &HttpRefusal,
        now_us: u64,
    ) {
        let reason = RefusalReason::of(refusal, self.is_shutting_down());
        *reason.counter(&mut self.counts) += 1;
        self.refusals.report(id, request, reason, refusal, now_us);
    }

    /// Returns the next refused handshake to log. The shell calls it in every turn, before it
    /// carries out socket actions.
    #[must_use]
    pub fn poll_refused_handshake(&mut self) -> Option<RefusedHandshake> {
        self.refusals.pop()
    }

    /// Sends a response without an upgrade, and closes the connection after it.
    fn send_response(
        &mut self,
        id: ConnectionId,
        request: Option<&HttpRequest>,
        mut response: Vec<u8>,
        now_us: u64,
    ) {
        if request.is_some_and(HttpRequest::is_head) {
            response = handshake::without_body(response);
        }
        self.send_last(id, response.into(), CloseAnswer::NotAwaited, now_us);
    }
}

/// Returns whether a person looks at the port with a browser, which also asks for an icon. The
/// answer lists the paths. It is no refused handshake, so it is neither counted nor logged.
fn is_visit(request: &HttpRequest) -> bool {
    VISITED_PATHS.contains(&request.path()) && !request.is_upgrade()
}

/// Returns the codec in which connections of a protocol receive publications. Echo connections
/// receive none.
fn codec_of(protocol: Protocol) -> Codec {
    match protocol {
        Protocol::Client(ClientCodec::Json) => Codec::Json,
        Protocol::Client(ClientCodec::Protobuf) => Codec::Protobuf,
        Protocol::Raw | Protocol::Echo => Codec::Raw,
    }
}

/// Returns the codec that an SDK selects, and the subprotocol to confirm. The first offered
/// subprotocol that the server knows decides; without one, `?cf_protocol=protobuf` or
/// `?format=protobuf` does.
fn client_codec(request: &HttpRequest) -> (ClientCodec, Option<&'static str>) {
    let known = |offered| SUBPROTOCOLS.into_iter().find(|(name, _)| *name == offered);
    if let Some((name, codec)) = request.subprotocols().find_map(known) {
        return (codec, Some(name));
    }
    let selects_protobuf =
        |(name, value): (_, _)| (name == "cf_protocol" || name == "format") && value == "protobuf";
    let codec = if request.query().flatten().any(selects_protobuf) {
        ClientCodec::Protobuf
    } else {
        ClientCodec::Json
    };
    (codec, None)
}

/// Returns whether the client asks for no compression with `?deflate=0`.
fn refuses_deflate(request: &HttpRequest) -> bool {
    let is_refusal = |(name, value): (_, _)| name == "deflate" && value == "0";
    request.query().flatten().any(is_refusal)
}

/// Returns whether the bytes contain an empty line. Lines that end with LF alone count, too: their
/// requests are refused.
fn has_empty_line(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|end| end == b"\n\r\n") || bytes.windows(2).any(|end| end == b"\n\n")
}
