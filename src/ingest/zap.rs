//! Decides which publishers may connect, by network and by password, and names the group that each
//! belongs to. libzmq asks for every connection (ZAP, ZeroMQ RFC 27). Ingest thread.

use std::net::IpAddr;

use ipnet::IpNet;
use zmq::{Context, DONTWAIT, Socket};

use crate::config::{IngestConfig, PlainCredential};

use super::messages::{retry_interrupted, send};
use super::permissions::Permissions;

/// The ZAP domain of our sockets. Any non-empty name enables ZAP.
pub(super) const DOMAIN: &str = "fanfare";

/// The endpoint where libzmq sends its requests.
const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// The decision about one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Allowed,
    /// The address is in none of the networks of `ingest.allow`.
    DeniedAddress,
    /// The user and password are not in `ingest.plain`.
    DeniedPassword,
}

/// A decision, and the publisher that it is about.
pub(super) struct Answer {
    pub(super) decision: Decision,
    /// `None` for a peer on an `ipc://` endpoint.
    pub(super) peer: Option<IpAddr>,
}

/// The ZAP handler: the socket that libzmq sends requests to, and the rules.
pub(super) struct Authenticator {
    pub(super) socket: Socket,
    rules: AccessRules,
}

impl Authenticator {
    /// Opens the socket, or returns `None` if the configuration restricts no publisher.
    pub(super) fn open(
        context: &Context,
        ingest: &IngestConfig,
    ) -> Result<Option<Self>, zmq::Error> {
        let is_open = ingest.allow.is_empty() && ingest.plain.is_empty();
        if is_open && ingest.publish_allow.is_empty() {
            return Ok(None);
        }
        let socket = context.socket(zmq::REP)?;
        socket.bind(ENDPOINT)?;
        Ok(Some(Self {
            socket,
            rules: AccessRules::new(ingest),
        }))
    }

    /// Replies to one request. Returns `None` if there is no request. With `permissions`, the reply
    /// contains the group of the publisher, which libzmq attaches to its messages.
    pub(super) fn reply(&self, permissions: Option<&mut Permissions>) -> Option<Answer> {
        let mut request = Vec::new();
        while request.is_empty() || self.socket.get_rcvmore().ok()? {
            request.push(retry_interrupted(|| self.socket.recv_bytes(DONTWAIT)).ok()?);
        }
        let decision = self.rules.decide(&request);
        let (code, text) = match decision {
            Decision::Allowed => ("200", "OK"),
            Decision::DeniedAddress => ("400", "address not in ingest.allow"),
            Decision::DeniedPassword => ("400", "user or password not in ingest.plain"),
        };
        let id = request.get(1).map_or(&b""[..], Vec::as_slice);
        let address = request.get(3).map_or(&b""[..], Vec::as_slice);
        let peer = numeric(address);
        let user_id = match (decision, permissions) {
            (Decision::Allowed, Some(permissions)) => {
                let user = plain_user(&request);
                permissions.group_of(user, peer).with_user(user)
            }
            _ => String::new(),
        };
        let (code, text) = (code.as_bytes(), text.as_bytes());
        let reply: [&[u8]; 6] = [b"1.0", id, code, text, user_id.as_bytes(), b""];
        // libzmq in this process sent the request. If it no longer receives, the connection is
        // gone and the reply is not needed.
        let _ = send(&self.socket, &reply);
        Some(Answer { decision, peer })
    }
}

/// The rules of `ingest.allow` and `ingest.plain`.
struct AccessRules {
    /// Networks that may connect. Empty: all.
    allow: Vec<IpNet>,
    /// Users and passwords. Empty: no password is required.
    plain: Vec<PlainCredential>,
}

impl AccessRules {
    fn new(ingest: &IngestConfig) -> Self {
        Self {
            allow: ingest.allow.clone(),
            plain: ingest.plain.clone(),
        }
    }

    /// Decides about a request of the form `[version, id, domain, address, identity, mechanism,
    /// credentials...]`.
    fn decide(&self, request: &[Vec<u8>]) -> Decision {
        let [_, _, _, address, _, mechanism, credentials @ ..] = request else {
            return Decision::DeniedAddress;
        };
        if !self.is_allowed_address(address) {
            return Decision::DeniedAddress;
        }
        if self.plain.is_empty() {
            return Decision::Allowed;
        }
        match (mechanism.as_slice(), credentials) {
            (b"PLAIN", [user, password]) if self.is_known_pair(user, password) => Decision::Allowed,
            _ => Decision::DeniedPassword,
        }
    }

    /// Returns whether the address may connect. For a peer on an `ipc://` endpoint libzmq reports
    /// "localhost" or an empty address; the mode of the socket file has admitted such a peer. For
    /// IP peers libzmq always reports a numeric address.
    fn is_allowed_address(&self, address: &[u8]) -> bool {
        if matches!(address, b"" | b"localhost") {
            return true;
        }
        numeric(address).is_some_and(|address| {
            let mut networks = self.allow.iter();
            self.allow.is_empty() || networks.any(|network| network.contains(&address))
        })
    }

    /// Returns whether the pair is configured. All pairs are compared in full, so that the time
    /// taken does not reveal anything about them.
    fn is_known_pair(&self, user: &[u8], password: &[u8]) -> bool {
        let mut is_known = false;
        for pair in &self.plain {
            is_known |= pair.matches(user, password);
        }
        is_known
    }
}

/// Returns the user of a request with a password.
fn plain_user(request: &[Vec<u8>]) -> Option<&str> {
    match request {
        [_, _, _, _, _, mechanism, user, _] if mechanism == b"PLAIN" => str::from_utf8(user).ok(),
        _ => None,
    }
}

/// Parses a numeric address. An IPv4 address in the IPv6 form becomes an IPv4 address. The zone of
/// a link-local address (RFC 4007, section 11) is not part of the result.
fn numeric(address: &[u8]) -> Option<IpAddr> {
    let address = str::from_utf8(address).ok()?;
    let address = address
        .split_once('%')
        .map_or(address, |(address, _)| address);
    let address = address.parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(address: &str, mechanism: &str, credentials: &[&str]) -> Vec<Vec<u8>> {
        let fixed = ["1.0", "1", DOMAIN, address, "", mechanism];
        fixed
            .iter()
            .chain(credentials)
            .map(|part| part.as_bytes().to_vec())
            .collect()
    }

    fn rules(allow: &[&str], plain: &[&str]) -> AccessRules {
        AccessRules {
            allow: allow
                .iter()
                .map(|network| network.parse().unwrap())
                .collect(),
            plain: plain
                .iter()
                .map(|pair| PlainCredential::parse(pair).unwrap())
                .collect(),
        }
    }

    #[test]
    fn only_listed_networks_may_connect() {
        let rules = rules(&["10.1.0.0/16", "::1/128"], &[]);
        let decide = |address| rules.decide(&request(address, "NULL", &[]));
        assert_eq!(decide("10.1.2.3"), Decision::Allowed);
        assert_eq!(decide("::ffff:10.1.2.3"), Decision::Allowed);
        assert_eq!(decide("::1"), Decision::Allowed);
        assert_eq!(decide(""), Decision::Allowed);
        assert_eq!(decide("localhost"), Decision::Allowed);
        assert_eq!(decide("10.2.2.3"), Decision::DeniedAddress);
        assert_eq!(decide("garbage"), Decision::DeniedAddress);
    }

    #[test]
    fn a_link_local_address_is_one_without_its_zone() {
        let link_local = rules(&["fe80::/10"], &[]);
        let decide = |address| link_local.decide(&request(address, "NULL", &[]));
        assert_eq!(decide("fe80::1%eth0"), Decision::Allowed);
        assert_eq!(decide("fd00::1%eth0"), Decision::DeniedAddress);
        assert_eq!(numeric(b"fe80::1%eth0"), Some("fe80::1".parse().unwrap()));
    }

    #[test]
    fn a_peer_without_a_known_address_is_not_taken_for_one_on_a_unix_socket() {
        let decision = rules(&[], &[]).decide(&request("garbage", "NULL", &[]));
        assert_eq!(decision, Decision::DeniedAddress);
    }

    #[test]
    fn only_listed_pairs_may_connect() {
        let rules = rules(&[], &["ann:secret", "bob:with:colon"]);
        let decide = |user, word| rules.decide(&request("10.1.2.3", "PLAIN", &[user, word]));
        assert_eq!(decide("ann", "secret"), Decision::Allowed);
        assert_eq!(decide("bob", "with:colon"), Decision::Allowed);
        assert_eq!(decide("ann", "Secret"), Decision::DeniedPassword);
        assert_eq!(decide("ann", ""), Decision::DeniedPassword);
        let null = request("10.1.2.3", "NULL", &[]);
        assert_eq!(rules.decide(&null), Decision::DeniedPassword);
    }

    #[test]
    fn a_malformed_request_is_denied() {
        assert_eq!(rules(&[], &["a:b"]).decide(&[]), Decision::DeniedAddress);
    }
}
